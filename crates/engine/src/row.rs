//! Rows, which are what is replicated. The engine names rows by [`RowKey`] and fills them with bytes of its own codec;
//! `storage` lays the keys out in RocksDB.

use crate::{
    codec::{field, is_default},
    id::Stamp,
    key::{NamespaceId, QueueKey, RunKey, WorkflowKey},
    subject::{Lane, Subject, SubjectKind},
    time::Timestamp,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::{collections::HashSet, fmt, sync::Arc};
use uuid::Uuid;

/// The kinds of pending things that may spill out of an execution's core row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PendingKind {
    Activity,
    Timer,
    BufferedEvent,
    Child,
    Update,
    /// Pages of remembered proposals; `id` counts them.
    Proposals,
}

/// The rows of a batch job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BatchPart {
    /// The core row: how far the job is, a [`BatchState`](crate::batch::BatchState).
    State,
    /// The request that started the job, encoded.
    Request,
    /// A page of the job's targets, by its number: [`BatchTarget`](crate::batch::BatchTarget)s.
    Targets(u64),
}

/// The rows of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchedulePart {
    /// The core row: a [`ScheduleState`](crate::schedule::ScheduleState).
    State,
    /// What clients say that it is: a [`Definition`](crate::schedule::Definition).
    Definition,
    /// What its last workflow left to the next: a [`Carried`](crate::schedule::Carried).
    Carried,
}

/// The rows of an activity without a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityPart {
    /// The latest run of the activity id: a [`CurrentRun`].
    Current,
    /// The core row of a run: a [`StandaloneState`](crate::standalone::StandaloneState).
    State(Uuid),
    /// What the start of the run fixed: a [`Fixed`](crate::standalone::Fixed).
    Fixed(Uuid),
    /// What the run ended with, an encoded `ActivityExecutionOutcome`.
    Outcome(Uuid),
}

/// Tables of the system shard, each keyed by a string; but for [`SystemTable::Reclaim`], which every other shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemTable {
    /// The cluster's row: cluster id, feature level.
    Cluster,
    /// Maps a node's id to its identity and addresses.
    Node,
    /// Maps a shard's id to its slots and replicas.
    Shard,
    /// Maps a namespace's id to the namespace.
    Namespace,
    /// Maps a namespace's name to its id.
    NamespaceName,
    /// Holds secrets of the cluster's nodes, by their purpose.
    Secret,
    /// Holds one row, with the answers of the last commands.
    Proposals,
    /// Holds one row: how often the members have changed, and how they are changing. From
    /// [`FeatureLevel::MEMBERS`](crate::FeatureLevel) on.
    Members,
    /// Maps the id of a namespace that was deleted to what the shard has done about it: a
    /// [`Reclaim`](crate::reclaim::Reclaim).
    Reclaim,
}

/// The name of a row within a shard. The order here is not the order on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// The core of an `ExecutionState`.
    Execution(RunKey),
    /// One pending thing that spilled out of the core row; `id` is its scheduled or started event id, or for a
    /// buffered event or an update its place in the order of arrival.
    Pending { run: RunKey, kind: PendingKind, id: i64 },
    /// The current (latest) run of a workflow id.
    Current(WorkflowKey),
    /// An encoded `temporal.api.history.v1.History` that begins with this event. Chunks of a run follow each other
    /// without gap or overlap, so their concatenation is again an encoded `History`.
    History { run: RunKey, first_event_id: i64 },
    /// A request id that was applied to this workflow id, or the id of an update that has its outcome.
    RequestId { workflow: WorkflowKey, request_id: Arc<str> },
    /// A subject's earliest deadline; at most one row per subject. The value is empty.
    Timer { due: Timestamp, subject: Subject },
    /// A task that may be handed to a worker; rows of one queue sort by priority, then stamp. The value is a
    /// [`ReadyTask`].
    Ready { queue: QueueKey, priority: u8, stamp: Stamp },
    /// A message for another subject; rows of one sender sort by stamp. The value is an
    /// [`OutboxMessage`](crate::outbox::OutboxMessage).
    Outbox { from: Subject, stamp: Stamp },
    /// How far the runs that were there before lists were are known to these: a
    /// [`Filling`](crate::visibility::Filling).
    ListFill,
    /// The shard's last recorded time; a new leader's clock never goes below it.
    Clock,
    /// A row of the system shard.
    System { table: SystemTable, key: Arc<str> },
    /// The settings of a task queue by operators, in the shard that is the queue's home.
    QueueConfig(QueueKey),
    /// The part of a run's state that its start fixed: an [`ExecutionInfo`](crate::info::ExecutionInfo).
    Info(RunKey),
    /// The record of a subject, which lists show, by its [`position`](tenure_filter::encode::position). Of runs it is a
    /// [`RunRecord`](crate::visibility::RunRecord).
    Record { kind: SubjectKind, namespace: NamespaceId, position: Bytes },
    /// A row of the index of an attribute: one of the value's [`keys`](tenure_filter::encode::keys), and the position of
    /// the record. The value is the slot of the subject, and the length of the position.
    Index { kind: SubjectKind, namespace: NamespaceId, field: Arc<str>, place: Bytes },
    /// A row of a batch job.
    Batch { namespace: NamespaceId, job_id: Arc<str>, part: BatchPart },
    /// A row of a schedule.
    Schedule { namespace: NamespaceId, schedule_id: Arc<str>, part: SchedulePart },
    /// A row of an activity without a workflow.
    Activity { namespace: NamespaceId, activity_id: Arc<str>, part: ActivityPart },
}

/// A task that may be handed to a worker, as it waits in its queue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadyTask {
    #[n(0)]
    pub queue: QueueKey,
    #[n(1)]
    pub priority: u8,
    /// The task's place in the queue, and its name: starting it names this stamp, and a stamp that is no longer the
    /// pending task's is answered with NOT_FOUND (the task is obsolete).
    #[n(2)]
    pub stamp: Stamp,
    #[n(3)]
    pub run: RunKey,
    /// The scheduled event's id; zero for a workflow task whose scheduled event is not in history yet, and for an activity
    /// without a workflow.
    #[n(4)]
    pub scheduled_event_id: i64,
    #[n(5)]
    pub scheduled_at: Timestamp,
    /// Whether the queue is a sticky one: when no worker polls it, its home notifies the task's owner.
    #[n(6)]
    pub sticky: bool,
    /// What `run` is a run of: a workflow, or an activity without one.
    #[cbor(n(7), skip_if = "is_default")]
    pub of: SubjectKind,
}

impl ReadyTask {
    /// The lane of the task's commands.
    pub fn lane(&self) -> Lane {
        lane_of(self.of, &self.run)
    }
}

/// The lane of a run of a workflow, or of an activity without one.
pub(crate) fn lane_of(kind: SubjectKind, run: &RunKey) -> Lane {
    Lane { kind, namespace: run.workflow.namespace, id: run.workflow.workflow_id.clone() }
}

/// One change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Put(RowKey, Bytes),
    Delete(RowKey),
}

impl RowKey {
    /// The most bytes that the key takes.
    fn size(&self) -> usize {
        /// The bytes of numbers, ids of 16 bytes, and separators.
        const FIXED: usize = 96;
        // Some bytes are escaped by a second one.
        FIXED
            + 2 * match self {
                RowKey::Execution(run)
                | RowKey::Info(run)
                | RowKey::Pending { run, .. }
                | RowKey::History { run, .. } => run.workflow.workflow_id.len(),
                RowKey::Timer { subject, .. } | RowKey::Outbox { from: subject, .. } => subject.lane.id.len(),
                RowKey::Current(workflow) => workflow.workflow_id.len(),
                RowKey::RequestId { workflow, request_id } => workflow.workflow_id.len() + request_id.len(),
                RowKey::Ready { queue, .. } | RowKey::QueueConfig(queue) => queue.name.len(),
                RowKey::System { key, .. } => key.len(),
                RowKey::Batch { job_id: id, .. }
                | RowKey::Schedule { schedule_id: id, .. }
                | RowKey::Activity { activity_id: id, .. } => id.len(),
                RowKey::Clock | RowKey::ListFill => 0,
                // Nothing of these is escaped, but for the names of attributes.
                RowKey::Record { position, .. } => position.len().div_ceil(2),
                RowKey::Index { field, place, .. } => field.len() + place.len().div_ceil(2),
            }
    }
}

impl RowKey {
    /// The subject whose core row this is: without it there is no such subject.
    pub fn core_of(&self) -> Option<Subject> {
        match self {
            RowKey::Execution(run) => Some(run.into()),
            RowKey::Batch { namespace, job_id, part: BatchPart::State } => {
                Some(Lane::of_batch(*namespace, job_id).instance(Uuid::nil()))
            }
            RowKey::Schedule { namespace, schedule_id, part: SchedulePart::State } => {
                Some(Lane::of_schedule(*namespace, schedule_id).instance(Uuid::nil()))
            }
            RowKey::Activity { namespace, activity_id, part: ActivityPart::State(run_id) } => {
                Some(Lane::of_activity(*namespace, activity_id).instance(*run_id))
            }
            RowKey::Pending { .. }
            | RowKey::Current(_)
            | RowKey::History { .. }
            | RowKey::RequestId { .. }
            | RowKey::Timer { .. }
            | RowKey::Ready { .. }
            | RowKey::Outbox { .. }
            | RowKey::Clock
            | RowKey::ListFill
            | RowKey::System { .. }
            | RowKey::QueueConfig(_)
            | RowKey::Info(_)
            | RowKey::Record { .. }
            | RowKey::Index { .. }
            | RowKey::Batch { .. }
            | RowKey::Schedule { .. }
            | RowKey::Activity { .. } => None,
        }
    }
}

impl Op {
    pub fn key(&self) -> &RowKey {
        match self {
            Op::Put(key, _) | Op::Delete(key) => key,
        }
    }

    /// The most bytes that it takes in an entry.
    pub fn size(&self) -> usize {
        match self {
            Op::Put(key, value) => key.size() + value.len(),
            Op::Delete(key) => key.size(),
        }
    }
}

impl WriteSet {
    /// The most bytes that it takes in an entry.
    pub fn size(&self) -> usize {
        self.ops.iter().map(Op::size).sum()
    }

    /// Leaves out what is overwritten further on, and tasks that come and go within the set: no one else writes a row of
    /// a task's name.
    pub fn squash(&mut self) {
        let mut later = HashSet::new();
        let mut tasks = HashSet::new();
        let mut kept: Vec<bool> = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            if let Op::Put(key @ RowKey::Ready { .. }, _) = op {
                tasks.insert(key);
            }
        }
        for op in self.ops.iter().rev() {
            let key = op.key();
            let goes_again = matches!(op, Op::Delete(_)) && tasks.contains(key);
            kept.push(later.insert(key) && !goes_again);
        }
        let mut kept = kept.into_iter().rev();
        self.ops.retain(|_| kept.next() == Some(true));
    }
}

/// The rows that a transition replicates: the Raft entry is the encoding of one or more of these, applied in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet {
    pub ops: Vec<Op>,
}

/// Describes what a row holds, for those who read errors.
impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |f: &mut fmt::Formatter<'_>, what: &str, run: &RunKey| {
            write!(f, "{what} of workflow '{}', run {},", run.workflow.workflow_id, run.run_id)
        };
        match self {
            RowKey::Execution(run) => of(f, "the state", run),
            RowKey::Info(run) => of(f, "what the start fixed", run),
            RowKey::Pending { run, kind, id } => of(f, &format!("{kind:?} {id}"), run),
            RowKey::Current(workflow) => write!(f, "the current run of workflow '{}'", workflow.workflow_id),
            RowKey::History { run, first_event_id } => of(f, &format!("the history from event {first_event_id}"), run),
            RowKey::RequestId { workflow, request_id } => {
                write!(f, "the request '{request_id}' of workflow '{}'", workflow.workflow_id)
            }
            RowKey::Timer { subject, .. } => write!(f, "the timer row of {subject}"),
            RowKey::Ready { queue, .. } => write!(f, "a task of queue '{}'", queue.name),
            RowKey::Outbox { from, .. } => write!(f, "a message of {from}"),
            RowKey::Clock => f.write_str("the shard's clock"),
            RowKey::ListFill => f.write_str("how far the shard's lists are filled"),
            RowKey::QueueConfig(queue) => write!(f, "the configuration of queue '{}'", queue.name),
            RowKey::System { table, key } => write!(f, "row '{key}' of the system table {table:?}"),
            RowKey::Record { position, .. } => write!(f, "the record at {}", position.escape_ascii()),
            RowKey::Batch { job_id, part, .. } => write!(f, "{part:?} of batch job '{job_id}'"),
            RowKey::Schedule { schedule_id, part, .. } => write!(f, "{part:?} of schedule '{schedule_id}'"),
            RowKey::Activity { activity_id, part, .. } => write!(f, "{part:?} of activity '{activity_id}'"),
            RowKey::Index { field, place, .. } => write!(f, "row {} of the index of {field}", place.escape_ascii()),
        }
    }
}

/// The value of [`RowKey::Current`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CurrentRun {
    #[cbor(n(0), with = "field")]
    pub run_id: Uuid,
}

/// The kind of a request; requests of different kinds may use the same id.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestKind {
    Start,
    Signal,
    Cancel,
    Reset,
}

/// The row of a request id. Its value is the run's id, followed, for a signal, by the proposal that brought it.
pub(crate) fn request_row(workflow: &WorkflowKey, kind: RequestKind, request_id: &str) -> RowKey {
    let kind = match kind {
        RequestKind::Start => "start",
        RequestKind::Signal => "signal",
        RequestKind::Cancel => "cancel",
        RequestKind::Reset => "reset",
    };
    RowKey::RequestId { workflow: workflow.clone(), request_id: format!("{kind}/{request_id}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::TaskKind;

    #[test]
    fn a_squashed_set_leaves_the_same_rows() {
        let current =
            |id: &str| RowKey::Current(WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: id.into() });
        let task = |counter| RowKey::Ready {
            queue: QueueKey { namespace: NamespaceId(Uuid::nil()), kind: TaskKind::Workflow, name: "q".into() },
            priority: 3,
            stamp: Stamp { term: 1, counter },
        };
        let put = |key: RowKey, value: &'static str| Op::Put(key, value.into());
        let ops = vec![
            put(current("a"), "1"),
            put(task(1), "here"),
            put(current("b"), "1"),
            Op::Delete(task(0)),
            Op::Delete(task(1)),
            put(current("a"), "2"),
            Op::Delete(current("b")),
            put(task(2), "stays"),
        ];
        let mut set = WriteSet { ops };
        set.squash();
        let left = vec![Op::Delete(task(0)), put(current("a"), "2"), Op::Delete(current("b")), put(task(2), "stays")];
        assert_eq!(set.ops, left);
    }
}
