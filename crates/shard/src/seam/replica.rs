//! The seams of this crate: what it needs of replication and of the other nodes. Implemented over the raft crate
//! by the server, and in memory by the tests.

use bytes::Bytes;
use futures::future::BoxFuture;
use minicbor::{Decode, Encode};
use std::{sync::Arc, time::Duration};
use tenure_engine::{
    NamespaceId, Process, QueueKey, RowKey, RunKey, Stamp, StateReader, Subject, Timestamp, WriteSet,
    outbox::OutboxEntry,
    rows::{ListRange, ListTable, ListVisit, ReadError, ReadyTask, SystemTable, TimerTable},
};
use tenure_limits::ENTRY;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("not the leader of the shard in term {term}; leader: {leader:?}")]
pub struct NotLeader {
    #[n(0)]
    pub leader: Option<NodeId>,
    #[n(1)]
    pub term: u64,
}

/// Why rows were not replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The outcome is unknown.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// Nothing was done. (The words are the reference server's.)
    #[error("transaction size of {0} bytes exceeds limit of {ENTRY} bytes")]
    TooLarge(usize),
}

/// What there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    #[default]
    Enough,
    /// For what was begun, and nothing new.
    Low,
    None,
}

/// This node's replica of one shard.
pub trait Replica: Send + Sync + 'static {
    fn shard(&self) -> ShardId;
    fn leadership(&self) -> watch::Receiver<Leadership>;
    /// Replicates the rows if this node leads in `term`, and resolves once they are applied here.
    fn propose(&self, term: u64, writes: &WriteSet) -> BoxFuture<'static, Result<(), ProposeError>>;
    /// Resolves once this node has applied all that was committed when it was called, and has made sure that it led
    /// at some time after the call.
    fn linearizable(&self) -> BoxFuture<'static, Result<(), NotLeader>>;
    /// True if this node leads and a majority confirmed it lately. A leader without that may have been replaced.
    fn has_quorum(&self) -> bool;
    /// What there is room for on a majority of the replicas' disks.
    fn room(&self) -> Room;
    /// The last applied log index.
    fn applied(&self) -> watch::Receiver<u64>;
    /// The keys of a system table's rows that the entries after `index` wrote, as far as they are applied here; `None` if
    /// that is not known (any more).
    fn written_since(&self, index: u64, table: SystemTable) -> Option<Vec<Arc<str>>>;
    /// The applied rows; each read sees the newest.
    fn rows(&self) -> Arc<dyn Rows>;
}

/// A stretch of a run's history as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub first_event_id: i64,
    /// An encoded `temporal.api.history.v1.History`; those of chunks that follow each other may be concatenated.
    pub events: Bytes,
}

/// Rows as a leader scans them, besides what transitions read.
pub trait Rows: StateReader + Send + Sync {
    /// The first rows of a table of timers, in order of their due time.
    fn timers(&self, of: TimerTable, limit: usize) -> Result<Vec<(Timestamp, Subject)>, ReadError>;
    /// Ready tasks of a queue in (priority, stamp) order, strictly after `after`.
    fn ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<Vec<ReadyTask>, ReadError>;
    /// The queues that have ready tasks.
    fn ready_queues(&self) -> Result<Vec<QueueKey>, ReadError>;
    /// Messages of the outbox, strictly after a place: by the slot of the sender, by sender, and then in the order in
    /// which they were sent.
    fn outbox(&self, after: Option<&(Subject, Stamp)>, limit: usize) -> Result<Vec<OutboxEntry>, ReadError>;
    /// How many ready tasks of a queue there are behind `after`, up to a limit.
    fn count_ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<usize, ReadError>;
    /// The chunks that hold the events from `from` to before `to`, in order; the first and the last may hold events
    /// beyond. Ends early once there are `max_bytes`, but not before one chunk.
    fn history(&self, run: &RunKey, from: i64, to: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError>;
    /// The chunks that hold the events from `from` down to the first, the latest chunk first.
    fn history_before(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError>;
    /// The runs that there are, in some order, strictly after one.
    fn runs(&self, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError>;
    /// Those of a namespace, in the same order. It costs no more for the runs of others.
    fn runs_of(&self, namespace: NamespaceId, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError>;
    /// Rows of a namespace that belong to no run that there is, once there are no runs: current runs, request ids, histories,
    /// ready tasks, and configurations of queues.
    fn leftovers(&self, namespace: NamespaceId, limit: usize) -> Result<Vec<RowKey>, ReadError>;
    /// Rows for lists, as they are now.
    fn lists(&self) -> Result<Box<dyn ListRows + '_>, ReadError>;
}

/// Rows for lists, all of one moment.
pub trait ListRows {
    /// The value of a row.
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError>;
    /// Visits rows of a table in order, each with the last part of its key, for as long as `visit` says so.
    fn rows(&self, table: &ListTable<'_>, range: &ListRange, visit: &mut ListVisit<'_>) -> Result<(), ReadError>;
    /// About how many bytes a part of a table takes.
    fn bytes(&self, table: &ListTable<'_>, range: &ListRange) -> u64;
}

/// The other nodes, and where the shards are.
pub trait Mesh: Send + Sync + 'static {
    fn node(&self) -> NodeId;
    /// This process of the node.
    fn process(&self) -> Process;
    fn replicas(&self) -> Vec<Arc<dyn Replica>>;
    fn shard_of(&self, slot: u16) -> ShardId;
    /// All nodes of the cluster, this one too.
    fn nodes(&self) -> Vec<NodeId>;
    /// False for a node that was not heard of for so long that it counts as dead.
    fn is_alive(&self, node: NodeId) -> bool;
    /// Sends the body of a `Peer.Ask` call and gives the body of its reply.
    fn call(&self, node: NodeId, body: Bytes, timeout: Duration) -> BoxFuture<'static, Result<Bytes, CallFailed>>;
}

/// A call to another node gave no answer; whether it acted there is unknown.
#[derive(Debug, thiserror::Error)]
#[error("call to node {node} failed: {cause}")]
pub struct CallFailed {
    pub node: NodeId,
    pub cause: String,
}
