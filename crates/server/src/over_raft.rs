//! The seams of the shard crate over the raft crate's node and groups: the one place that knows both.

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use std::{sync::Arc, time::Duration};
use tenure_api::history::v1::HistoryEvent;
use tenure_engine::{
    NamespaceId, Process, QueueKey, RowKey, RunKey, Stamp, StateReader, Subject, Timestamp, WriteSet,
    outbox::OutboxEntry,
    rows::{ListRange, ListTable, ListVisit, ReadError, ReadyTask, SystemTable, TimerTable},
    state::ExecutionState,
};
use tenure_peer::{
    AskHandler, SecretHandler, UpgradeHandler,
    admin::UpgradeReply,
    proto::{AskReply, AskRequest},
};
use tenure_raft::{Group, Node};
use tenure_shard::{
    CallFailed, Chunk, Leadership, ListRows, Mesh, NodeId, NotLeader, ProposeError, Replica, Room, Rows, ShardId,
    Shards,
};
use tenure_storage::{HistoryChunk, ReadyAfter, ShardReader, View, tells_of_damage, write_set};
use tenure_vital::FatalHook;
use tokio::{sync::watch, time::Instant};
use tonic::{Request, Status};

/// A leader whose majority was silent for this long may have been replaced.
const QUORUM_LOST: Duration = Duration::from_secs(3);

/// The cluster as the raft crate's node sees it.
pub struct RaftMesh {
    node: Node,
    boot: u32,
    /// The shard of each slot.
    shards: Vec<ShardId>,
}

impl RaftMesh {
    pub fn new(node: Node) -> Arc<Self> {
        let map = node.map();
        let shards = (0..=u16::MAX).map(|slot| map.shard_of(slot)).collect();
        Arc::new(RaftMesh { node, boot: rand::random(), shards })
    }
}

impl Mesh for RaftMesh {
    fn node(&self) -> NodeId {
        self.node.id()
    }

    fn process(&self) -> Process {
        Process { node: self.node.id(), boot: self.boot }
    }

    fn replicas(&self) -> Vec<Arc<dyn Replica>> {
        let node = self.node.id();
        self.node
            .groups()
            .into_iter()
            .map(|group| Arc::new(RaftReplica::new(node, group, &self.node.options().on_fatal)) as Arc<dyn Replica>)
            .collect()
    }

    fn shard_of(&self, slot: u16) -> ShardId {
        self.shards[usize::from(slot)]
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.node.map().members().map(|(id, _)| id).collect()
    }

    fn is_alive(&self, node: NodeId) -> bool {
        self.node.is_alive(node)
    }

    fn call(&self, node: NodeId, body: Bytes, timeout: Duration) -> BoxFuture<'static, Result<Bytes, CallFailed>> {
        let failed = move |cause: String| CallFailed { node, cause };
        let client = self.node.peers().client(node);
        async move {
            let mut client = client.map_err(|e| failed(e.to_string()))?;
            let call = client.ask(Request::new(AskRequest { body }));
            let reply = tokio::time::timeout(timeout, call).await.map_err(|_| failed("no answer in time".into()))?;
            reply.map(|reply| reply.into_inner().body).map_err(|status| failed(status.message().to_owned()))
        }
        .boxed()
    }
}

/// A group's leadership comes from openraft, in its own type; here it is followed in ours.
struct RaftReplica {
    node: NodeId,
    group: Group,
    leadership: watch::Receiver<Leadership>,
}

impl RaftReplica {
    fn new(node: NodeId, group: Group, on_fatal: &FatalHook) -> Self {
        let mut theirs = group.leadership();
        let (followed, leadership) = watch::channel(translate(*theirs.borrow_and_update()));
        on_fatal.spawn("the watch on leadership", async move {
            while theirs.changed().await.is_ok() {
                let now = translate(*theirs.borrow_and_update());
                if followed.send(now).is_err() {
                    return;
                }
            }
        });
        RaftReplica { node, group, leadership }
    }

    /// Whatever went wrong: this node cannot say any more that it leads.
    fn not_leading<E: std::fmt::Display>(&self) -> impl FnOnce(E) -> NotLeader + Send + 'static {
        let (node, shard, leadership) = (self.node, self.group.id(), self.leadership.clone());
        move |error| {
            tracing::debug!(shard, %error, "not leading");
            let now = *leadership.borrow();
            NotLeader { leader: now.leader.filter(|leader| *leader != node), term: now.term }
        }
    }
}

fn translate(now: tenure_raft::Leadership) -> Leadership {
    Leadership { leader: now.leader, term: now.term, is_leader: now.is_leader }
}

impl Replica for RaftReplica {
    fn shard(&self) -> ShardId {
        self.group.id()
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    fn propose(&self, term: u64, writes: &WriteSet) -> BoxFuture<'static, Result<(), ProposeError>> {
        let group = self.group.clone();
        let writes = write_set::encode([writes]);
        let not_leading = self.not_leading();
        async move {
            match group.propose(term, writes).await {
                Ok(_) => Ok(()),
                Err(tenure_raft::ProposeError::TooLarge(bytes)) => Err(ProposeError::TooLarge(bytes)),
                Err(error) => Err(not_leading(error).into()),
            }
        }
        .boxed()
    }

    fn linearizable(&self) -> BoxFuture<'static, Result<(), NotLeader>> {
        let group = self.group.clone();
        let not_leading = self.not_leading();
        async move { group.linearizable().await.map_err(not_leading) }.boxed()
    }

    fn has_quorum(&self) -> bool {
        let status = self.group.status();
        status.voters.len() <= 1 || status.since_quorum.is_some_and(|silence| silence < QUORUM_LOST)
    }

    fn room(&self) -> Room {
        match self.group.has_room_for() {
            tenure_raft::Room::Enough => Room::Enough,
            tenure_raft::Room::Low => Room::Low,
            tenure_raft::Room::None => Room::None,
        }
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.group.applied()
    }

    fn written_since(&self, index: u64, table: SystemTable) -> Option<Vec<Arc<str>>> {
        let mut keys = Vec::new();
        for written in self.group.written_since(index)? {
            keys.extend(write_set::system_keys(&written, table).ok()?);
        }
        Some(keys)
    }

    fn rows(&self) -> Arc<dyn Rows> {
        Arc::new(StoredRows { reader: self.group.reader(), group: self.group.clone() })
    }
}

/// A shard's rows in storage. Those that cannot be read are the disk's trouble, of which the group is told.
struct StoredRows {
    reader: ShardReader,
    group: Group,
}

impl StoredRows {
    fn read<T>(&self, read: impl FnOnce(&ShardReader) -> Result<T, ReadError>) -> Result<T, ReadError> {
        told_of_damage(&self.group, read(&self.reader))
    }

    fn view<T>(&self, read: impl FnOnce(View<'_>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        self.read(|reader| read(reader.view()?))
    }
}

fn told_of_damage<T>(group: &Group, read: Result<T, ReadError>) -> Result<T, ReadError> {
    if let Err(error) = &read
        && tells_of_damage(error)
    {
        group.is_damaged(&error.to_string());
    }
    read
}

impl StateReader for StoredRows {
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        self.read(|reader| reader.execution(run))
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        self.read(|reader| reader.get(key))
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        self.read(|reader| reader.event(run, event_id))
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        self.read(|reader| reader.history_rows(run, from, max_bytes))
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.read(|reader| reader.system_rows(table))
    }
}

impl Rows for StoredRows {
    fn timers(&self, of: TimerTable, limit: usize) -> Result<Vec<(Timestamp, Subject)>, ReadError> {
        self.view(|view| view.timers(of, limit))
    }

    fn ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<Vec<ReadyTask>, ReadError> {
        self.view(|view| view.ready_tasks(queue, after.map(ready_after), limit))
    }

    fn ready_queues(&self) -> Result<Vec<QueueKey>, ReadError> {
        self.view(|view| view.ready_queues())
    }

    fn outbox(&self, after: Option<&(Subject, Stamp)>, limit: usize) -> Result<Vec<OutboxEntry>, ReadError> {
        self.view(|view| view.outbox(after, limit))
    }

    fn count_ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<usize, ReadError> {
        self.view(|view| view.count_ready(queue, after.map(ready_after), limit))
    }

    fn history(&self, run: &RunKey, from: i64, to: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        let chunks = self.view(|view| view.history(run, from, to, max_bytes))?;
        Ok(chunks.into_iter().map(chunk).collect())
    }

    fn history_before(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        let chunks = self.view(|view| view.history_before(run, from, max_bytes))?;
        Ok(chunks.into_iter().map(chunk).collect())
    }

    fn runs(&self, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError> {
        self.view(|view| view.runs(after, limit))
    }

    fn runs_of(&self, namespace: NamespaceId, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError> {
        self.view(|view| view.runs_of(namespace, after, limit))
    }

    fn leftovers(&self, namespace: NamespaceId, limit: usize) -> Result<Vec<RowKey>, ReadError> {
        self.view(|view| view.leftovers(namespace, limit))
    }

    fn lists(&self) -> Result<Box<dyn ListRows + '_>, ReadError> {
        Ok(Box::new(StoredLists { view: self.reader.view()?, group: &self.group }))
    }
}

/// A shard's rows for lists, of one moment.
struct StoredLists<'a> {
    view: View<'a>,
    group: &'a Group,
}

impl ListRows for StoredLists<'_> {
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        told_of_damage(self.group, self.view.get(key))
    }

    fn rows(&self, table: &ListTable<'_>, range: &ListRange, visit: &mut ListVisit<'_>) -> Result<(), ReadError> {
        told_of_damage(self.group, self.view.list_rows(table, range, visit))
    }

    fn bytes(&self, table: &ListTable<'_>, range: &ListRange) -> u64 {
        self.view.list_bytes(table, range)
    }
}

fn ready_after((priority, stamp): (u8, Stamp)) -> ReadyAfter {
    ReadyAfter { priority, stamp }
}

fn chunk(chunk: HistoryChunk) -> Chunk {
    Chunk { first_event_id: chunk.first_event_id, events: chunk.events }
}

/// Serves `Peer.Ask` with the leaders of this node.
pub struct Answers(pub Shards);

#[tonic::async_trait]
impl AskHandler for Answers {
    async fn ask(&self, _from: u64, request: AskRequest) -> Result<AskReply, Status> {
        Ok(AskReply { body: self.0.answer(request.body).await })
    }
}

/// How long the system shard's leader may be looked for, and asked.
const OPERATOR: Duration = Duration::from_secs(10);

/// Serves `Admin.Upgrade` with the system shard's leader.
pub(crate) struct Upgrades(pub(crate) Shards);

#[tonic::async_trait]
impl UpgradeHandler for Upgrades {
    async fn upgrade(&self) -> Result<UpgradeReply, Status> {
        let level = self.0.raise_feature_level(Instant::now() + OPERATOR).await.map_err(Status::from)?;
        Ok(UpgradeReply { feature_level: level.0 })
    }
}

/// Serves `Admin.Token` with the secret by which the cluster knows all its tokens.
pub(crate) struct Secret(pub(crate) Shards);

#[tonic::async_trait]
impl SecretHandler for Secret {
    async fn ensure_secret(&self) -> Result<(), Status> {
        self.0.token_key(Instant::now() + OPERATOR).await.map(drop).map_err(Status::from)
    }
}
