//! A cluster in memory: replication is perfect, leaders move when they are told to.

use crate::{
    CallFailed, Chunk, Leadership, ListRows, Mesh, NodeId, NotLeader, Options, Replica, Room, Rows, ShardId, Shards,
    node::context::Engine, seam::replica::ProposeError,
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tenure_api::history::v1::{History, HistoryEvent};
use tenure_engine::{
    NamespaceId, Op, Process, QueueKey, RowKey, RunKey, Stamp, StateReader, Subject, Timestamp, WorkflowKey, WriteSet,
    codec,
    outbox::{OutboxEntry, OutboxMessage},
    rows::{ListRange, ListTable, ListVisit, ReadError, ReadyTask, SystemTable, TimerTable},
    state::ExecutionState,
};
use tokio::sync::{Semaphore, watch};

/// One shard's rows, shared by all replicas.
pub(super) struct Log {
    rows: Mutex<BTreeMap<RowKey, Bytes>>,
    lead: Mutex<(NodeId, u64)>,
    /// Told to all replicas.
    told: BTreeMap<NodeId, watch::Sender<Leadership>>,
    applied: watch::Sender<u64>,
    /// An entry needs a permit to be applied.
    pub(super) gate: Semaphore,
    /// So many proposals are refused by a leader that goes on to lead, as one whose hand-over comes to nothing does.
    pub(super) refuse: AtomicU32,
    /// What the disks have room for.
    pub(super) room: Mutex<Room>,
    /// Entries that wait for a permit.
    pub(super) at_gate: AtomicU32,
    /// Execution states that were read from rows.
    pub(super) states_read: AtomicU32,
    /// How often a whole table of the system shard was read.
    pub(super) tables_read: AtomicU32,
    /// Entries that write a row of such a workflow wait.
    pub(super) busy: Mutex<BTreeSet<WorkflowKey>>,
    /// History cannot be read.
    pub(super) unreadable: AtomicBool,
    /// Ready tasks cannot be read.
    pub(super) ready_unreadable: AtomicBool,
    /// The operations of all entries.
    pub(super) entries: Mutex<Vec<WriteSet>>,
}

pub(super) struct Cluster {
    pub(super) logs: BTreeMap<ShardId, Arc<Log>>,
    pub(super) nodes: Mutex<BTreeMap<NodeId, Shards>>,
    dead: Mutex<BTreeSet<NodeId>>,
    /// Bodies are lost on their way back from these nodes.
    pub(super) deaf: Mutex<BTreeSet<NodeId>>,
    /// Calls from the one node to the other get lost.
    pub(super) cut: Mutex<BTreeSet<(NodeId, NodeId)>>,
    /// The bodies of all calls.
    pub(super) calls: Mutex<Vec<Bytes>>,
    /// A call needs a permit to be answered.
    answers: Semaphore,
    /// Calls that are in progress, and how many ever were at once.
    in_progress: Mutex<(usize, usize)>,
}

struct LogReplica {
    shard: ShardId,
    node: NodeId,
    log: Arc<Log>,
}

struct LogMesh {
    process: Process,
    cluster: Arc<Cluster>,
}

const OPEN: usize = 1 << 20;

impl Cluster {
    /// Shards 0 to `shards`, each led by the node that is given.
    pub(super) fn start(
        nodes: &[NodeId],
        shards: ShardId,
        leader: impl Fn(ShardId) -> NodeId,
        options: &Options,
        engine: Engine,
    ) -> Arc<Cluster> {
        let log = |shard| {
            let told = nodes.iter().map(|node| (*node, watch::Sender::new(Leadership::default()))).collect();
            let log = Log {
                rows: Mutex::default(),
                lead: Mutex::default(),
                told,
                applied: watch::Sender::new(0),
                gate: Semaphore::new(OPEN),
                refuse: AtomicU32::new(0),
                room: Mutex::default(),
                at_gate: AtomicU32::new(0),
                states_read: AtomicU32::new(0),
                tables_read: AtomicU32::new(0),
                unreadable: AtomicBool::new(false),
                ready_unreadable: AtomicBool::new(false),
                busy: Mutex::default(),
                entries: Mutex::default(),
            };
            log.lead(leader(shard));
            (shard, Arc::new(log))
        };
        let cluster = Arc::new(Cluster {
            logs: (0..=shards).map(log).collect(),
            nodes: Mutex::default(),
            dead: Mutex::default(),
            deaf: Mutex::default(),
            cut: Mutex::default(),
            calls: Mutex::default(),
            answers: Semaphore::new(OPEN),
            in_progress: Mutex::default(),
        });
        for &node in nodes {
            cluster.boot(Process { node, boot: 0 }, options, engine);
        }
        cluster
    }

    /// From now on this process is the node.
    pub(super) fn boot(self: &Arc<Self>, process: Process, options: &Options, engine: Engine) {
        let mesh = Arc::new(LogMesh { process, cluster: self.clone() });
        let shards = Shards::with_engine(mesh, options.clone(), engine);
        self.nodes.lock().insert(process.node, shards);
    }

    pub(super) fn node(&self, node: NodeId) -> Shards {
        self.nodes.lock()[&node].clone()
    }

    pub(super) fn hold_answers(&self) {
        self.answers.forget_permits(OPEN);
    }

    pub(super) fn let_answers_go(&self) {
        self.answers.add_permits(OPEN / 2);
    }

    /// How many calls were ever in progress at once.
    pub(super) fn most_calls(&self) -> usize {
        self.in_progress.lock().1
    }

    fn begin_call(&self, body: &Bytes) -> CallInProgress<'_> {
        self.calls.lock().push(body.clone());
        let mut in_progress = self.in_progress.lock();
        in_progress.0 += 1;
        in_progress.1 = in_progress.1.max(in_progress.0);
        CallInProgress(self)
    }

    pub(super) fn kill(&self, node: NodeId) {
        self.dead.lock().insert(node);
    }
}

struct CallInProgress<'a>(&'a Cluster);

impl Drop for CallInProgress<'_> {
    fn drop(&mut self) {
        self.0.in_progress.lock().0 -= 1;
    }
}

impl Log {
    /// The node leads from now on, in a new term.
    pub(super) fn lead(&self, node: NodeId) {
        let term = {
            let mut lead = self.lead.lock();
            *lead = (node, lead.1 + 1);
            lead.1
        };
        for (other, told) in &self.told {
            told.send_replace(Leadership { leader: Some(node), term, is_leader: *other == node });
        }
    }

    pub(super) fn close_gate(&self) {
        self.gate.forget_permits(OPEN);
    }

    pub(super) fn open_gate(&self) {
        self.gate.add_permits(OPEN / 2);
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<Bytes> {
        self.rows.lock().get(key).cloned()
    }

    /// The chunks of a run's history.
    pub(super) fn history_of(self: &Arc<Self>, run: &RunKey) -> Vec<Bytes> {
        LogRows(self.clone()).chunks(run).into_iter().map(|chunk| chunk.events).collect()
    }

    pub(super) fn put(&self, key: RowKey, value: Bytes) {
        self.rows.lock().insert(key, value);
    }

    pub(super) fn first_ready(self: &Arc<Self>, queue: &QueueKey) -> ReadyTask {
        LogRows(self.clone()).ready(queue, None, 1).unwrap().remove(0)
    }

    pub(super) fn leader(&self) -> NodeId {
        self.lead.lock().0
    }

    /// The rows whose keys are such.
    pub(super) fn such(&self, wanted: impl Fn(&RowKey) -> bool) -> BTreeMap<RowKey, Bytes> {
        let rows = self.rows.lock();
        rows.iter().filter(|(key, _)| wanted(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// How many rows have such keys.
    pub(super) fn count(&self, wanted: impl Fn(&RowKey) -> bool) -> usize {
        self.rows.lock().keys().filter(|key| wanted(key)).count()
    }

    pub(super) fn keys(&self) -> Vec<RowKey> {
        self.rows.lock().keys().cloned().collect()
    }

    fn apply(&self, writes: &WriteSet) {
        let mut rows = self.rows.lock();
        for op in &writes.ops {
            match op {
                Op::Put(key, value) => _ = rows.insert(key.clone(), value.clone()),
                Op::Delete(key) => _ = rows.remove(key),
            }
        }
        self.entries.lock().push(writes.clone());
        self.applied.send_modify(|index| *index += 1);
    }

    fn is_busy(&self, writes: &WriteSet) -> bool {
        let busy = self.busy.lock();
        writes.ops.iter().any(|op| match op {
            Op::Put(RowKey::RequestId { workflow, .. }, _) => busy.contains(workflow),
            _ => false,
        })
    }

    fn check(&self, node: NodeId, term: Option<u64>) -> Result<(), NotLeader> {
        let lead = *self.lead.lock();
        if lead.0 == node && term.is_none_or(|term| term == lead.1) {
            return Ok(());
        }
        Err(NotLeader { leader: Some(lead.0), term: lead.1 })
    }
}

impl Replica for LogReplica {
    fn shard(&self) -> ShardId {
        self.shard
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.log.told[&self.node].subscribe()
    }

    fn propose(&self, term: u64, writes: &WriteSet) -> BoxFuture<'static, Result<(), ProposeError>> {
        if writes.size() > tenure_limits::ENTRY {
            return std::future::ready(Err(ProposeError::TooLarge(writes.size()))).boxed();
        }
        let (log, node, writes) = (self.log.clone(), self.node, writes.clone());
        async move {
            log.check(node, Some(term))?;
            if log.refuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                return Err(NotLeader { leader: None, term }.into());
            }
            while log.is_busy(&writes) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            log.at_gate.fetch_add(1, Ordering::Relaxed);
            log.gate.acquire().await.unwrap().forget();
            log.at_gate.fetch_sub(1, Ordering::Relaxed);
            log.check(node, Some(term))?;
            log.apply(&writes);
            Ok(())
        }
        .boxed()
    }

    fn linearizable(&self) -> BoxFuture<'static, Result<(), NotLeader>> {
        std::future::ready(self.log.check(self.node, None)).boxed()
    }

    fn has_quorum(&self) -> bool {
        true
    }

    fn room(&self) -> Room {
        *self.log.room.lock()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.log.applied.subscribe()
    }

    /// Only of the last few entries, as a replica does.
    fn written_since(&self, index: u64, table: SystemTable) -> Option<Vec<Arc<str>>> {
        let entries = self.log.entries.lock();
        let written = entries.get(usize::try_from(index).unwrap()..).filter(|written| written.len() <= 8)?;
        let ops = written.iter().flat_map(|set| &set.ops);
        let keys = ops.filter_map(|op| match op {
            Op::Put(RowKey::System { table: of, key }, _) | Op::Delete(RowKey::System { table: of, key })
                if *of == table =>
            {
                Some(key.clone())
            }
            _ => None,
        });
        Some(keys.collect())
    }

    fn rows(&self) -> Arc<dyn Rows> {
        Arc::new(LogRows(self.log.clone()))
    }
}

pub(super) struct LogRows(pub(super) Arc<Log>);

impl StateReader for LogRows {
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        self.0.states_read.fetch_add(1, Ordering::Relaxed);
        let Some(core) = self.0.get(&RowKey::Execution(run.clone())) else { return Ok(None) };
        let spilled = |wanted| {
            let rows = self.0.rows.lock();
            let of_run = rows.iter().filter_map(|(key, value)| match key {
                RowKey::Pending { run: of, kind, id } if of == run && *kind == wanted => Some((*id, value.clone())),
                _ => None,
            });
            Ok::<_, ReadError>(of_run.collect())
        };
        let info = || Ok(self.0.get(&RowKey::Info(run.clone())));
        let state = ExecutionState::decode(&core, info, spilled)?.expect("a state is readable");
        Ok(Some(Arc::new(state)))
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.get(key))
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        let chunks = self.history(run, event_id, event_id + 1, 0)?;
        let events = chunks.into_iter().flat_map(|chunk| History::decode(chunk.events).unwrap().events);
        Ok(events.into_iter().find(|event| event.event_id == event_id))
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let chunks = self.history(run, from, i64::MAX, max_bytes)?;
        Ok(chunks.into_iter().map(|c| (c.first_event_id, c.events)).filter(|(first, _)| *first >= from).collect())
    }

    fn system_rows(&self, wanted: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.0.tables_read.fetch_add(1, Ordering::Relaxed);
        let rows = self.0.rows.lock();
        let of_table = rows.iter().filter_map(|(key, value)| match key {
            RowKey::System { table, key } if *table == wanted => Some((key.clone(), value.clone())),
            _ => None,
        });
        Ok(of_table.collect())
    }
}

impl Rows for LogRows {
    fn timers(&self, of: TimerTable, limit: usize) -> Result<Vec<(Timestamp, Subject)>, ReadError> {
        let rows = self.0.rows.lock();
        let timers = rows.keys().filter_map(|key| match key {
            RowKey::Timer { due, subject } if TimerTable::of(subject) == of => Some((*due, subject.clone())),
            _ => None,
        });
        Ok(timers.take(limit).collect())
    }

    fn ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<Vec<ReadyTask>, ReadError> {
        if self.0.ready_unreadable.load(Ordering::Relaxed) {
            return Err(ReadError::Storage("unreadable".into()));
        }
        let rows = self.0.rows.lock();
        let ready = rows.iter().filter_map(|(key, value)| match key {
            RowKey::Ready { queue: of, priority, stamp }
                if of == queue && after.is_none_or(|after| (*priority, *stamp) > after) =>
            {
                Some(codec::decode(value).unwrap())
            }
            _ => None,
        });
        Ok(ready.take(limit).collect())
    }

    fn outbox(&self, after: Option<&(Subject, Stamp)>, limit: usize) -> Result<Vec<OutboxEntry>, ReadError> {
        let rows = self.0.rows.lock();
        let mut entries: Vec<_> = rows
            .iter()
            .filter_map(|(key, value)| match key {
                RowKey::Outbox { from, stamp } => {
                    let message: OutboxMessage = codec::decode(value).unwrap();
                    Some(OutboxEntry { from: from.clone(), stamp: *stamp, to: message.to })
                }
                _ => None,
            })
            .collect();
        let place = |from: &Subject, stamp: Stamp| (from.lane.slot(), from.clone(), stamp);
        entries.sort_by_key(|entry| place(&entry.from, entry.stamp));
        entries.retain(|entry| after.is_none_or(|(from, stamp)| place(&entry.from, entry.stamp) > place(from, *stamp)));
        entries.truncate(limit);
        Ok(entries)
    }

    fn ready_queues(&self) -> Result<Vec<QueueKey>, ReadError> {
        let rows = self.0.rows.lock();
        let queues: BTreeSet<QueueKey> = rows
            .keys()
            .filter_map(|key| match key {
                RowKey::Ready { queue, .. } => Some(queue.clone()),
                _ => None,
            })
            .collect();
        Ok(queues.into_iter().collect())
    }

    fn count_ready(&self, queue: &QueueKey, after: Option<(u8, Stamp)>, limit: usize) -> Result<usize, ReadError> {
        Ok(self.ready(queue, after, limit)?.len())
    }

    fn history(&self, run: &RunKey, from: i64, to: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        if self.0.unreadable.load(Ordering::Relaxed) {
            return Err(ReadError::Storage("unreadable".into()));
        }
        let chunks = self.chunks(run);
        let first = chunks.iter().rposition(|chunk| chunk.first_event_id <= from).unwrap_or(0);
        let mut bytes = 0;
        let taken = chunks.into_iter().skip(first).take_while(|chunk| {
            let take = chunk.first_event_id < to && (bytes == 0 || bytes < max_bytes);
            bytes += chunk.events.len();
            take
        });
        Ok(taken.collect())
    }

    fn history_before(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        let mut bytes = 0;
        let chunks = self.chunks(run).into_iter().rev().filter(|chunk| chunk.first_event_id <= from);
        let taken = chunks.take_while(|chunk| {
            let take = bytes == 0 || bytes < max_bytes;
            bytes += chunk.events.len();
            take
        });
        Ok(taken.collect())
    }

    fn runs(&self, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError> {
        let rows = self.0.rows.lock();
        let runs = rows.keys().filter_map(|key| match key {
            RowKey::Execution(run) if after.is_none_or(|after| run > after) => Some(run.clone()),
            _ => None,
        });
        Ok(runs.take(limit).collect())
    }

    fn runs_of(&self, namespace: NamespaceId, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError> {
        let runs = self.runs(after, usize::MAX)?.into_iter();
        Ok(runs.filter(|run| run.workflow.namespace == namespace).take(limit).collect())
    }

    fn leftovers(&self, namespace: NamespaceId, limit: usize) -> Result<Vec<RowKey>, ReadError> {
        let rows = self.0.rows.lock();
        let of_namespace = |key: &&RowKey| match key {
            RowKey::Current(workflow) | RowKey::RequestId { workflow, .. } => workflow.namespace == namespace,
            RowKey::History { run, .. } => run.workflow.namespace == namespace,
            RowKey::Ready { queue, .. } | RowKey::QueueConfig(queue) => queue.namespace == namespace,
            _ => false,
        };
        Ok(rows.keys().filter(of_namespace).take(limit).cloned().collect())
    }

    fn lists(&self) -> Result<Box<dyn ListRows + '_>, ReadError> {
        Ok(Box::new(LogLists(self.0.rows.lock().clone())))
    }
}

/// Rows of one moment.
pub(super) struct LogLists(pub(super) BTreeMap<RowKey, Bytes>);

impl ListRows for LogLists {
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.get(key).cloned())
    }

    fn rows(&self, table: &ListTable<'_>, range: &ListRange, visit: &mut ListVisit<'_>) -> Result<(), ReadError> {
        let of_table = self.0.iter().filter_map(|(key, value)| match (key, table.field) {
            (RowKey::Record { kind, namespace, position }, None)
                if (*kind, *namespace) == (table.kind, table.namespace) =>
            {
                Some((position, value))
            }
            (RowKey::Index { kind, namespace, field, place }, Some(of))
                if (*kind, *namespace, &**field) == (table.kind, table.namespace, of) =>
            {
                Some((place, value))
            }
            _ => None,
        });
        let within = |key: &[u8]| key >= &range.start[..] && (range.end.is_empty() || key < &range.end[..]);
        let mut found: Vec<_> = of_table.filter(|(key, _)| within(key)).collect();
        if range.reverse {
            found.reverse();
        }
        for (key, value) in found {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn bytes(&self, _: &ListTable<'_>, _: &ListRange) -> u64 {
        0
    }
}

impl LogRows {
    fn chunks(&self, run: &RunKey) -> Vec<Chunk> {
        let rows = self.0.rows.lock();
        let chunks = rows.iter().filter_map(|(key, value)| match key {
            RowKey::History { run: of, first_event_id } if of == run => {
                Some(Chunk { first_event_id: *first_event_id, events: value.clone() })
            }
            _ => None,
        });
        chunks.collect()
    }
}

impl Mesh for LogMesh {
    fn node(&self) -> NodeId {
        self.process.node
    }

    fn process(&self) -> Process {
        self.process
    }

    fn replicas(&self) -> Vec<Arc<dyn Replica>> {
        let replica = |(shard, log): (&ShardId, &Arc<Log>)| -> Arc<dyn Replica> {
            Arc::new(LogReplica { shard: *shard, node: self.process.node, log: log.clone() })
        };
        self.cluster.logs.iter().map(replica).collect()
    }

    /// Slots go round the data shards.
    fn shard_of(&self, slot: u16) -> ShardId {
        u32::from(slot) % (self.cluster.logs.len() as u32 - 1) + 1
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.cluster.nodes.lock().keys().copied().collect()
    }

    fn is_alive(&self, node: NodeId) -> bool {
        !self.cluster.dead.lock().contains(&node)
    }

    fn call(&self, node: NodeId, body: Bytes, timeout: Duration) -> BoxFuture<'static, Result<Bytes, CallFailed>> {
        let (cluster, from) = (self.cluster.clone(), self.process.node);
        let failed = move |cause: &str| CallFailed { node, cause: cause.into() };
        async move {
            let _call = cluster.begin_call(&body);
            let dead = |node| cluster.dead.lock().contains(&node);
            if dead(node) || dead(from) {
                return Err(failed("dead"));
            }
            if cluster.cut.lock().contains(&(from, node)) {
                return Err(failed("cut off"));
            }
            let answered = async {
                cluster.answers.acquire().await.unwrap().forget();
                cluster.node(node).answer(body).await
            };
            let answer = tokio::time::timeout(timeout, answered).await;
            if cluster.deaf.lock().contains(&node) {
                return Err(failed("the reply is lost"));
            }
            answer.map_err(|_| failed("timed out"))
        }
        .boxed()
    }
}
