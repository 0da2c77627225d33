//! Refuses what cannot work, before anything is opened.

use super::{Config, ConfigError};
use std::collections::BTreeMap;
use std::time::Duration;
use tenure_peer::JoinToken;

impl Config {
    /// Also to be called after changing a loaded configuration.
    ///
    /// # Errors
    /// Names the first key that cannot work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        require(self.node.id > 0, "node.id", || "must be 1 or more".into())?;
        require(!self.node.data_dir.as_os_str().is_empty(), "node.data_dir", || "must name a directory".into())?;
        self.validate_listen()?;
        self.validate_http()?;
        self.validate_cluster()?;
        self.validate_raft()?;
        for (key, value) in [
            ("limits.blob_size", self.limits.blob_size),
            ("limits.memo_size", self.limits.memo_size),
            ("limits.id_length", self.limits.id_length),
            ("limits.history_size", self.limits.history_size),
            ("limits.pending_activities", self.limits.pending_activities),
            ("limits.pending_children", self.limits.pending_children),
            ("limits.pending_signals", self.limits.pending_signals),
            ("limits.pending_cancels", self.limits.pending_cancels),
            ("limits.buffered_events", self.limits.buffered_events),
            ("limits.buffered_events_size", self.limits.buffered_events_size),
            ("limits.signals", self.limits.signals),
            ("limits.updates_in_flight", self.limits.updates_in_flight),
            ("limits.updates", self.limits.updates),
            ("limits.suggest_continue_as_new_updates", self.limits.suggest_continue_as_new_updates),
            ("limits.suggest_continue_as_new_size", self.limits.suggest_continue_as_new_size),
            ("limits.batch_operations", self.limits.batch_operations),
            ("limits.batch_operations_per_second", self.limits.batch_operations_per_second as usize),
            ("limits.history_count", usize::try_from(self.limits.history_count).unwrap_or(0)),
            (
                "limits.suggest_continue_as_new_count",
                usize::try_from(self.limits.suggest_continue_as_new_count).unwrap_or(0),
            ),
        ] {
            require(value > 0, key, || "must be more than 0".into())?;
        }
        const MIB: usize = 1 << 20;
        for (key, value, least) in [
            ("memory.budget_bytes", self.memory.budget_bytes, tenure_limits::LEAST_MEMORY / MIB),
            ("raft.flush_bytes", usize::try_from(self.raft.flush_bytes).unwrap_or(usize::MAX), 1),
        ] {
            require(value >= least * MIB, key, || format!("must be {least} MiB ({}) or more", least * MIB))?;
        }
        let codec = &self.ui.codec_endpoint;
        require(codec.is_empty() || crate::ui::origin(codec).is_some(), "ui.codec_endpoint", || {
            format!("{codec:?} must be like https://host:port/path")
        })?;
        tracing_subscriber::EnvFilter::try_new(&self.log.filter)
            .map_err(|error| invalid("log.filter", format!("{:?}: {error}", self.log.filter)))?;
        require(self.runtime.sweep_interval >= Duration::from_millis(100), "runtime.sweep_interval", || {
            "must be 100ms or more".into()
        })?;
        require(self.runtime.worker_threads <= 1024, "runtime.worker_threads", || "must be 1024 or less".into())
    }

    fn validate_listen(&self) -> Result<(), ConfigError> {
        let listen =
            [("listen.grpc", self.listen.grpc), ("listen.peer", self.listen.peer), ("listen.http", self.listen.http)];
        let mut seen = BTreeMap::new();
        for (key, address) in listen {
            if address.port() == 0 {
                continue;
            }
            if let Some(other) = seen.insert(address, key) {
                return Err(invalid(key, format!("{address} is also `{other}`")));
            }
        }
        Ok(())
    }

    fn validate_http(&self) -> Result<(), ConfigError> {
        for origin in &self.http.cors_origins {
            let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_origin = authority
                .is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '?', '#', '@', '*', ' ']));
            require(is_origin, "http.cors_origins", || {
                format!("{origin:?} is not http(s)://HOST or http(s)://HOST:PORT")
            })?;
        }
        Ok(())
    }

    fn validate_cluster(&self) -> Result<(), ConfigError> {
        require((1..=1024).contains(&self.cluster.shards), "cluster.shards", || {
            format!("{} is not between 1 and 1024", self.cluster.shards)
        })?;
        let retention = self.cluster.namespace_retention;
        require(retention >= Duration::from_secs(3600), "cluster.namespace_retention", || {
            "must be an hour or more".into()
        })?;
        let mut addresses = BTreeMap::new();
        for (id, address) in &self.cluster.members {
            let key = format!("cluster.members.{id}");
            require(id.parse::<u64>().is_ok_and(|id| id > 0), &key, || "the key must be a node id, 1 or more".into())?;
            let (host, port) = address.rsplit_once(':').unwrap_or_default();
            require(!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0), &key, || {
                format!("{address:?} is not HOST:PORT")
            })?;
            if let Some(other) = addresses.insert(address, id) {
                return Err(invalid(&key, format!("{address} is also node {other}'s")));
            }
        }
        if !self.cluster.token.is_empty() {
            let token = self.cluster.token.parse::<JoinToken>();
            token.map_err(|error| invalid("cluster.token", error.to_string()))?;
        }
        let joins = self.cluster.join || !self.cluster.token.is_empty();
        let is_reached =
            !self.listen.peer.ip().is_unspecified() || addresses.values().any(|id| **id == self.node.id.to_string());
        require(!joins || is_reached, "listen.peer", || {
            let id = self.node.id;
            format!(
                "{} is no address at which others reach this node: say in `cluster.members.{id}` which is",
                self.listen.peer
            )
        })?;
        let listed = self.cluster.members.is_empty() || self.members().contains_key(&self.node.id);
        require(listed, "node.id", || format!("node {} is not one of `cluster.members`", self.node.id))
    }

    fn validate_raft(&self) -> Result<(), ConfigError> {
        let raft = &self.raft;
        require(raft.heartbeat >= Duration::from_millis(10), "raft.heartbeat", || "must be 10ms or more".into())?;
        require(raft.lease >= raft.heartbeat * 3, "raft.lease", || {
            "must be three heartbeats or more, or every hiccup is an election".into()
        })?;
        require(raft.lease <= Duration::from_secs(60), "raft.lease", || "must be a minute or less".into())?;
        require(raft.election_min > raft.heartbeat, "raft.election_min", || "must be more than a heartbeat".into())?;
        require(raft.election_min < raft.lease, "raft.election_min", || {
            "must be less than `raft.lease`, so that candidates do not collide".into()
        })?;
        require(raft.flush_interval >= Duration::from_secs(1), "raft.flush_interval", || "must be 1s or more".into())
    }
}

fn require(holds: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(invalid(key, message())) }
}

fn invalid(key: &str, message: String) -> ConfigError {
    ConfigError::Invalid { key: key.to_owned(), message }
}
