//! The configuration: one TOML file, every key of it overridable by `TENURE_<SECTION>__<KEY>`.
//!
//! This file says what the keys are and mean; `load.rs` reads and merges, `validate.rs` refuses what cannot work.
//! `docs/configuration.md` is the reader's table of the same keys, held to this file by a test.

mod load;
mod validate;

pub use load::{ConfigError, Environment};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tenure_engine::Limits;
use tenure_peer::JoinToken;

/// Everything that a node can be told. The defaults make a cluster of one on this machine's loopback interface.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub node: Node,
    pub listen: Listen,
    pub http: Http,
    pub cluster: Cluster,
    pub raft: Raft,
    pub memory: Memory,
    pub disk: Disk,
    pub limits: Limits,
    pub log: Log,
    pub runtime: Runtime,
    pub ui: Ui,
    /// Time skipping, for tests of workflows by a node that is alone; never read from a file.
    #[serde(skip)]
    pub time_skipping: Option<TimeSkipping>,
}

/// How time skipping begins: time skips once nothing locks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSkipping {
    Locked,
    Unlocked,
}

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// The node's number, from 1 on; never given to another node, not even after this one is gone for good.
    pub id: u64,
    /// Holds both databases. Belongs to this node alone.
    pub data_dir: PathBuf,
}

impl Default for Node {
    fn default() -> Self {
        Node { id: 1, data_dir: PathBuf::from("tenure-data") }
    }
}

/// The addresses on which this node listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The public gRPC API, for clients and workers.
    pub grpc: SocketAddr,
    /// The other nodes, and `tenure cluster`.
    pub peer: SocketAddr,
    /// Metrics, health, and the API as JSON.
    pub http: SocketAddr,
}

impl Listen {
    /// The three ports of local node 1, on `ip`.
    pub fn on(ip: IpAddr) -> Self {
        Listen { grpc: SocketAddr::new(ip, 7233), peer: SocketAddr::new(ip, 7234), http: SocketAddr::new(ip, 8233) }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Listen::on(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// The JSON API on the HTTP port.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Origins (`https://host:port`) whose pages may call from a browser, besides those that came from the node itself.
    pub cors_origins: Vec<String>,
}

/// What the nodes of a cluster must agree on when it is founded. From then on the cluster knows its shards and its members,
/// which come and go by `tenure cluster`; the addresses that are listed here are where a node finds the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Node id to the address at which the others reach its peer port. Empty: this node alone.
    pub members: BTreeMap<String, String>,
    /// This node, whose data directory is empty, founds no cluster: it waits until one makes it a member.
    pub join: bool,
    /// A join token (`tenure cluster token`), with which this node finds its cluster and is let in; empty: none.
    pub token: String,
    /// Shards that carry workflows, 1 to 1024; the system shard comes on top.
    pub shards: u32,
    /// Namespaces that are registered at every start where they are not there.
    pub namespaces: Vec<String>,
    /// How long those namespaces keep closed workflows.
    #[serde(with = "humantime_serde")]
    pub namespace_retention: Duration,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            members: BTreeMap::new(),
            join: false,
            token: String::new(),
            shards: 8,
            namespaces: vec!["default".to_owned()],
            namespace_retention: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

/// How fast the loss of a leader is noticed, and how much of the log is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    /// Between two signs of life from a leader.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long a leader that was heard is believed to live; nobody votes against it before.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Once the lease is over, a follower stands for election after a random time between this and another lease.
    #[serde(with = "humantime_serde")]
    pub election_min: Duration,
    /// Rows are flushed when this many bytes are only in memory and the log.
    pub flush_bytes: u64,
    /// Rows are flushed this long after the last time.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// Flushed entries that stay in a shard's log, for followers that were away for a while.
    pub keep_entries: u64,
    /// Bytes of those, with which fewer of them stay.
    pub keep_bytes: u64,
    /// Bytes of snapshots that this node sends to others in a second. 0: as many as it can.
    pub snapshot_bytes_per_second: u64,
    /// How often the replicas of each shard are compared with each other. 0s: never.
    #[serde(with = "humantime_serde")]
    pub compare_every: Duration,
    /// A node that is back, and has caught up, takes the leaderships that are meant for it after this long.
    #[serde(with = "humantime_serde")]
    pub balance_after: Duration,
}

impl Default for Raft {
    fn default() -> Self {
        let raft = tenure_raft::Options::new(1, BTreeMap::new());
        Raft {
            heartbeat: raft.heartbeat,
            lease: raft.lease,
            election_min: raft.election_min,
            flush_bytes: raft.flush_bytes,
            flush_interval: raft.flush_interval,
            keep_entries: raft.keep_entries,
            keep_bytes: raft.keep_bytes,
            snapshot_bytes_per_second: raft.snapshot_bytes_per_second,
            compare_every: raft.compare_every,
            balance_after: raft.balance_after,
        }
    }
}

/// How much of the machine's memory this node takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Bytes of caches, memtables and requests in progress together, whatever the node leads. Eleven sixteenths are
    /// divided among caches, memtables, the tails of the logs, and what leaders hold of timers, messages and tasks;
    /// requests have limits of their own, which fit the rest of the default. The process takes some more: its code,
    /// threads and connections.
    pub budget_bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { budget_bytes: tenure_limits::DEFAULT_MEMORY }
    }
}

/// What is kept free of the disk that holds the data directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// With fewer bytes free than this the node gives its leaderships away; where a majority of the nodes has fewer, clients'
    /// writes are refused. 0: never.
    pub floor_bytes: u64,
    /// Bytes of a file that is given up when the disk is full, so that the node can come up all the same. 0: none.
    pub reserve_bytes: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Disk { floor_bytes: 256 << 20, reserve_bytes: 32 << 20 }
    }
}

/// What is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Directives of `tracing`'s env-filter, e.g. `info,tenure_raft=debug`.
    pub filter: String,
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Threads that run requests; 0: one per core.
    pub worker_threads: usize,
    /// How often leaders check what they offered to others and started for them, in case a notice was lost.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
    /// How long a graceful stop waits until other nodes have taken over the shards, and then again for calls in flight.
    #[serde(with = "humantime_serde")]
    pub stop_timeout: Duration,
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime { worker_threads: 0, sweep_interval: Duration::from_secs(60), stop_timeout: Duration::from_secs(5) }
    }
}

/// What the web UI is told.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ui {
    /// Where pages have payloads decoded that only their owner can read; the one other host that they may ask. Empty: none.
    pub codec_endpoint: String,
    /// Whether cookies go to the codec server.
    pub codec_credentials: bool,
}

impl Config {
    /// The members by id: those that are listed and those that the join token names, this node among them also when nobody
    /// is listed. The configuration must be valid.
    pub fn members(&self) -> BTreeMap<u64, String> {
        let listed = self.cluster.members.iter();
        let mut members: BTreeMap<u64, String> = listed
            .map(|(id, address)| (id.parse().expect("validated: a member's key is a node id"), address.clone()))
            .collect();
        let token = self.join_token();
        if members.is_empty() || token.is_some() {
            members.entry(self.node.id).or_insert_with(|| self.listen.peer.to_string());
        }
        for (id, address) in token.iter().flat_map(|token| token.nodes()) {
            members.entry(*id).or_insert_with(|| address.clone());
        }
        members
    }

    /// The join token. The configuration must be valid.
    pub fn join_token(&self) -> Option<JoinToken> {
        self.cluster.token.parse().ok()
    }
}
