//! What the Raft layer can be told.

use crate::steps::Steps;
use std::{collections::BTreeMap, time::Duration};
use tenure_engine::FeatureLevel;
use tenure_limits::{DEFAULT_MEMORY, Memory};
use tenure_peer::JoinToken;
use tenure_vital::FatalHook;

/// The addresses of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// `host:port` of its peer port.
    pub peer: String,
    /// `host:port` of its API port.
    pub api: String,
}

/// The defaults suit three nodes on one busy machine as well as a local network.
#[derive(Clone, Debug)]
pub struct Options {
    pub node_id: u64,
    /// The nodes that found the cluster, or some that this one can join it by, this one included; and where they are.
    /// Once there is a cluster, its rows say who is a member, and this where those are that are listed.
    pub nodes: BTreeMap<u64, NodeAddress>,
    /// A node with an empty data directory founds no cluster: it waits until it is made a member of one.
    pub join: bool,
    /// It is made a member without an operator's command, with this.
    pub join_token: Option<JoinToken>,
    /// Data shards of a cluster that is yet to be founded; afterwards the system shard knows. 1 to 1024.
    pub shards: u32,
    /// The highest feature level that this build knows; a cluster that it founds begins there.
    pub known_level: FeatureLevel,
    /// What `tenure cluster status` shows as this node's version.
    pub version: String,
    /// `host:port` at which this node shows its health, for whoever describes the cluster.
    pub http_address: String,
    /// How often a leader tells its followers that it is there.
    pub heartbeat: Duration,
    /// A follower that heard nothing of its leader for `lease` plus a random time between `election_min` and `lease`
    /// tries to become leader; before `lease` is over nobody votes against a leader that was heard.
    pub election_min: Duration,
    pub lease: Duration,
    /// Rows are flushed, and the log is purged behind that, when this much is in memory or this long after the last.
    pub flush_bytes: u64,
    pub flush_interval: Duration,
    /// Entries that stay in a group's log although they are flushed, for followers that were away for a while, and the
    /// bytes of those: whichever comes first.
    pub keep_entries: u64,
    pub keep_bytes: u64,
    /// Bytes of snapshots that the node sends in a second; zero: as many as it can.
    pub snapshot_bytes_per_second: u64,
    /// Bytes that the tails of all groups' logs take in memory.
    pub tail_bytes: usize,
    /// With less of the disk free than this a node gives its leaderships away, and counts as full.
    pub disk_floor_bytes: u64,
    /// How often the replicas of each shard are compared; zero: never.
    pub compare_every: Duration,
    /// A node gets its leaderships back after it was there, and caught up, for this long.
    pub balance_after: Duration,
    /// What to do when a group can no longer go on (its storage failed, its core panicked), or another part of the node
    /// has died: a restart recovers from the log, a node that lives on with a dead replica does not.
    pub on_fatal: FatalHook,
    /// Who is told of the places that this node passes. For tests.
    pub steps: Steps,
}

impl Options {
    pub fn new(node_id: u64, nodes: BTreeMap<u64, NodeAddress>) -> Options {
        Options {
            node_id,
            nodes,
            join: false,
            join_token: None,
            shards: 8,
            known_level: FeatureLevel::KNOWN,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            http_address: String::new(),
            heartbeat: Duration::from_millis(120),
            election_min: Duration::from_millis(300),
            lease: Duration::from_millis(500),
            flush_bytes: 12 << 20,
            flush_interval: Duration::from_secs(30),
            keep_entries: 10_000,
            keep_bytes: 32 << 20,
            snapshot_bytes_per_second: 64 << 20,
            tail_bytes: Memory::of(DEFAULT_MEMORY).tails,
            disk_floor_bytes: 0,
            compare_every: Duration::from_secs(24 * 3600),
            balance_after: Duration::from_secs(10),
            on_fatal: FatalHook::default(),
            steps: Steps::default(),
        }
    }
}
