//! The seams of this crate: what it needs of replication and of the other nodes. Implemented over the raft crate in
//! `over_raft.rs`, and in memory by the tests.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tenure_engine::{
    QueueKey, RunKey, Stamp, StateReader, Timestamp, WriteSet,
    rows::{ReadError, ReadyTask},
};
use tokio::sync::watch;

/// Number of a Raft group; zero is the system shard.
pub type ShardId = u32;
/// Number of a node; never zero.
pub type NodeId = u64;

/// The shard that owns namespaces, membership and the shard map.
pub const SYSTEM_SHARD: ShardId = 0;

/// Who leads a shard, as this node knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    pub leader: Option<NodeId>,
    pub term: u64,
    /// This node leads.
    pub is_leader: bool,
}

/// This node does not lead the shard (any more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("not the leader of the shard in term {term}; leader: {leader:?}")]
pub struct NotLeader {
    pub leader: Option<NodeId>,
    pub term: u64,
}

/// This node's replica of one shard.
pub trait Replica: Send + Sync + 'static {
    fn shard(&self) -> ShardId;
    fn leadership(&self) -> watch::Receiver<Leadership>;
    /// Replicates the rows if this node leads in `term`, and resolves with the entry's log index once they are
    /// applied here. An error means that the outcome is unknown.
    fn propose(&self, term: u64, writes: WriteSet) -> BoxFuture<'static, Result<u64, NotLeader>>;
    /// Resolves once this node has applied all that was committed when it was called, and has made sure that it led
    /// at some time after the call. Answers the log index up to which it is applied at least.
    fn linearizable(&self) -> BoxFuture<'static, Result<u64, NotLeader>>;
    /// The last applied log index.
    fn applied(&self) -> watch::Receiver<u64>;
    /// The applied rows; each read sees the newest.
    fn rows(&self) -> Arc<dyn Rows>;
}

/// Rows as a leader scans them, besides what transitions read.
pub trait Rows: StateReader + Send + Sync {
    /// The first timer rows in order of their due time.
    fn timers(&self, limit: usize) -> Result<Vec<(Timestamp, RunKey)>, ReadError>;
    /// Ready tasks of a queue in (priority, stamp) order, from the one after `after`.
    fn ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<Vec<ReadyTask>, ReadError>;
    /// The queues that have ready tasks.
    fn ready_queues(&self) -> Result<Vec<QueueKey>, ReadError>;
    /// A counter row.
    fn counter(&self, key: &tenure_engine::RowKey) -> Result<i64, ReadError>;
    /// History chunks in order, from the one that holds `from`: first event id and encoded `History` of each, up to
    /// about `max_bytes` but at least one where there is one.
    fn history(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError>;
}

/// The other nodes, and where the shards are.
pub trait Mesh: Send + Sync + 'static {
    fn node(&self) -> NodeId;
    fn replicas(&self) -> Vec<Arc<dyn Replica>>;
    fn shard_of(&self, slot: u16) -> ShardId;
    /// False for a node that was not heard of for so long that it counts as dead.
    fn is_alive(&self, node: NodeId) -> bool;
    /// Sends the body of a `Peer.Match` call and gives the body of its reply.
    fn call(&self, node: NodeId, body: Bytes, timeout: Duration) -> BoxFuture<'static, Result<Bytes, CallFailed>>;
}

/// A call to another node gave no answer; whether it acted there is unknown.
#[derive(Debug, thiserror::Error)]
#[error("call to node {node} failed: {cause}")]
pub struct CallFailed {
    pub node: NodeId,
    pub cause: String,
}
