//! How rows are named on disk: incarnation (u64), table (u8), then the row's own key.
//!
//! Numbers are big-endian, signed ones with the sign bit flipped, so that bytes sort as numbers do. A string that is
//! followed by something is escaped and terminated, so that no string's bytes begin another's: a scan of one workflow
//! id, run or queue never meets its neighbour's rows.

use tenure_engine::{
    id::Stamp,
    key::{NamespaceId, QueueKey, RunKey, TaskKind, WorkflowKey, slot},
    rows::{ActivityPart, BatchPart, ListTable, PendingKind, RowKey, SchedulePart, SystemTable, TimerTable},
    subject::{Lane, Subject, SubjectKind},
    time::Timestamp,
};
use uuid::Uuid;

/// The column families of the state database. All replicas agree on them, because a row's table decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Rows that are read by key.
    Rows,
    /// Rows that come and go and are read in order: timers, ready tasks, messages. Apart from the rest because of the many
    /// tombstones.
    Index,
    /// History: large, written once, compacted apart from what changes.
    History,
}

impl Family {
    /// All families, in the order of their tables, so that one after the other is key order.
    pub(crate) const ALL: [Family; 3] = [Family::Rows, Family::Index, Family::History];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::Rows => "rows",
            Family::Index => "index",
            Family::History => "history",
        }
    }

    /// The family of a key without incarnation; `None` for a table that this build does not know.
    pub(crate) fn of(key: &[u8]) -> Option<Family> {
        match *key.first()? {
            table::APPLIED..=table::ACTIVITY => Some(Family::Rows),
            table::TIMER..=table::SCHEDULE_TIMER => Some(Family::Index),
            table::HISTORY => Some(Family::History),
            _ => None,
        }
    }
}

/// Table numbers. Retired ones stay reserved.
pub(crate) mod table {
    pub(crate) const APPLIED: u8 = 1;
    pub(crate) const CLOCK: u8 = 2;
    pub(crate) const SYSTEM: u8 = 3;
    /// Core rows, each followed by the other rows of its run's state.
    pub(crate) const EXECUTION: u8 = 4;
    pub(crate) const CURRENT: u8 = 5;
    pub(crate) const REQUEST_ID: u8 = 6;
    // 7 was a counter for each queue.
    pub(crate) const QUEUE_CONFIG: u8 = 8;
    pub(crate) const RECORD: u8 = 9;
    pub(crate) const LIST_FILL: u8 = 10;
    /// Rows of batch jobs.
    pub(crate) const BATCH: u8 = 11;
    /// Rows of schedules.
    pub(crate) const SCHEDULE: u8 = 12;
    /// Rows of activities without a workflow.
    pub(crate) const ACTIVITY: u8 = 13;
    /// Timers, but for those of schedules.
    pub(crate) const TIMER: u8 = 64;
    pub(crate) const READY: u8 = 65;
    pub(crate) const OUTBOX: u8 = 66;
    /// Rows of the indexes of attributes.
    pub(crate) const INDEX: u8 = 67;
    /// Timers of schedules.
    pub(crate) const SCHEDULE_TIMER: u8 = 68;
    pub(crate) const HISTORY: u8 = 128;
}

/// What follows the run in the key of its [`RowKey::Info`], where kinds of pending things have their numbers.
const INFO: u8 = 6;

/// Bytes of the incarnation that every key on disk begins with.
pub(crate) const INCARNATION: usize = 8;

/// Lays out a key. `finish` gives the bytes.
pub(crate) struct KeyWriter(Vec<u8>);

impl KeyWriter {
    pub(crate) fn on_disk(incarnation: u64, table: u8) -> Self {
        let mut key = Vec::with_capacity(96);
        key.extend_from_slice(&incarnation.to_be_bytes());
        key.push(table);
        KeyWriter(key)
    }

    fn table(table: u8) -> Self {
        let mut key = Vec::with_capacity(96);
        key.push(table);
        KeyWriter(key)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, n: u8) -> Self {
        self.raw(&[n])
    }

    pub(crate) fn u64(self, n: u64) -> Self {
        self.raw(&n.to_be_bytes())
    }

    pub(crate) fn i64(self, n: i64) -> Self {
        self.u64(n as u64 ^ (1 << 63))
    }

    fn uuid(self, id: Uuid) -> Self {
        self.raw(id.as_bytes())
    }

    /// Zero bytes become `00 FF`, the end is `00 01`: sorts as the string does, and is never a prefix of another's.
    fn str(mut self, s: &str) -> Self {
        for &byte in s.as_bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.raw(&[0, 1])
    }

    pub(crate) fn workflow(self, w: &WorkflowKey) -> Self {
        self.raw(&w.slot().to_be_bytes()).uuid(w.namespace.0).str(&w.workflow_id)
    }

    /// Begins the keys of a namespace's rows in a slot.
    pub(crate) fn in_slot(self, slot: u16, namespace: NamespaceId) -> Self {
        self.raw(&slot.to_be_bytes()).namespace(namespace)
    }

    pub(crate) fn namespace(self, namespace: NamespaceId) -> Self {
        self.uuid(namespace.0)
    }

    pub(crate) fn run(self, r: &RunKey) -> Self {
        self.workflow(&r.workflow).uuid(r.run_id)
    }

    /// Begins the keys of what spilled out of a core row; they follow it.
    pub(crate) fn pending(self, r: &RunKey, kind: PendingKind) -> Self {
        self.run(r).u8(match kind {
            PendingKind::Activity => 0,
            PendingKind::Timer => 1,
            PendingKind::BufferedEvent => 2,
            PendingKind::Child => 3,
            PendingKind::Update => 4,
            PendingKind::Proposals => 5,
        })
    }

    pub(crate) fn queue(self, q: &QueueKey) -> Self {
        let kind = match q.kind {
            TaskKind::Workflow => 0,
            TaskKind::Activity => 1,
        };
        self.uuid(q.namespace.0).u8(kind).str(&q.name)
    }

    pub(crate) fn stamp(self, s: Stamp) -> Self {
        self.u64(s.term).u64(s.counter)
    }

    fn subject(self, subject: &Subject) -> Self {
        let lane = &subject.lane;
        self.u8(lane.kind.0).uuid(lane.namespace.0).str(&lane.id).uuid(subject.instance)
    }

    pub(crate) fn due(self, due: Timestamp, subject: &Subject) -> Self {
        self.i64(due.0).subject(subject)
    }

    pub(crate) fn message(self, from: &Subject, stamp: Stamp) -> Self {
        self.raw(&from.lane.slot().to_be_bytes()).subject(from).stamp(stamp)
    }

    pub(crate) fn system(self, t: SystemTable) -> Self {
        self.u8(match t {
            SystemTable::Cluster => 0,
            SystemTable::Node => 1,
            SystemTable::Shard => 2,
            SystemTable::Namespace => 3,
            SystemTable::NamespaceName => 4,
            SystemTable::Secret => 5,
            SystemTable::Proposals => 6,
            SystemTable::Reclaim => 7,
            SystemTable::Members => 8,
        })
    }

    fn batch(self, namespace: NamespaceId, job_id: &str, part: BatchPart) -> Self {
        let slot = slot(namespace, job_id).to_be_bytes();
        let job = self.raw(&slot).uuid(namespace.0).str(job_id);
        match part {
            BatchPart::State => job.u8(0),
            BatchPart::Request => job.u8(1),
            BatchPart::Targets(page) => job.u8(2).u64(page),
        }
    }

    fn schedule(self, namespace: NamespaceId, schedule_id: &str, part: SchedulePart) -> Self {
        let slot = slot(namespace, schedule_id).to_be_bytes();
        self.raw(&slot).uuid(namespace.0).str(schedule_id).u8(match part {
            SchedulePart::State => 0,
            SchedulePart::Definition => 1,
            SchedulePart::Carried => 2,
        })
    }

    fn activity(self, namespace: NamespaceId, activity_id: &str, part: ActivityPart) -> Self {
        let slot = slot(namespace, activity_id).to_be_bytes();
        let activity = self.raw(&slot).uuid(namespace.0).str(activity_id);
        match part {
            ActivityPart::Current => activity.u8(0),
            ActivityPart::State(run_id) => activity.u8(1).uuid(run_id).u8(0),
            ActivityPart::Fixed(run_id) => activity.u8(1).uuid(run_id).u8(1),
            ActivityPart::Outcome(run_id) => activity.u8(1).uuid(run_id).u8(2),
        }
    }

    fn list(self, kind: SubjectKind, namespace: NamespaceId) -> Self {
        self.u8(kind.0).uuid(namespace.0)
    }

    /// Begins the keys of a table of lists.
    pub(crate) fn list_table(incarnation: u64, of: &ListTable<'_>) -> Self {
        let list = |table| KeyWriter::on_disk(incarnation, table).list(of.kind, of.namespace);
        match of.field {
            Some(field) => list(table::INDEX).str(field),
            None => list(table::RECORD),
        }
    }

    pub(crate) fn row(self, key: &RowKey) -> Self {
        match key {
            RowKey::Execution(run) => self.run(run),
            RowKey::Info(run) => self.run(run).u8(INFO),
            RowKey::Pending { run, kind, id } => self.pending(run, *kind).i64(*id),
            RowKey::Current(workflow) => self.workflow(workflow),
            RowKey::History { run, first_event_id } => self.run(run).i64(*first_event_id),
            RowKey::RequestId { workflow, request_id } => self.workflow(workflow).raw(request_id.as_bytes()),
            RowKey::Timer { due, subject } => self.due(*due, subject),
            RowKey::Ready { queue, priority, stamp } => self.queue(queue).u8(*priority).stamp(*stamp),
            RowKey::Outbox { from, stamp } => self.message(from, *stamp),
            RowKey::QueueConfig(queue) => self.queue(queue),
            RowKey::Batch { namespace, job_id, part } => self.batch(*namespace, job_id, *part),
            RowKey::Schedule { namespace, schedule_id, part } => self.schedule(*namespace, schedule_id, *part),
            RowKey::Activity { namespace, activity_id, part } => self.activity(*namespace, activity_id, *part),
            RowKey::Clock | RowKey::ListFill => self,
            RowKey::System { table, key } => self.system(*table).raw(key.as_bytes()),
            RowKey::Record { kind, namespace, position } => self.list(*kind, *namespace).raw(position),
            RowKey::Index { kind, namespace, field, place } => self.list(*kind, *namespace).str(field).raw(place),
        }
    }
}

fn table_of(key: &RowKey) -> u8 {
    match key {
        RowKey::Execution(_) | RowKey::Info(_) | RowKey::Pending { .. } => table::EXECUTION,
        RowKey::Current(_) => table::CURRENT,
        RowKey::History { .. } => table::HISTORY,
        RowKey::RequestId { .. } => table::REQUEST_ID,
        RowKey::Timer { subject, .. } => timer_table(TimerTable::of(subject)),
        RowKey::Ready { .. } => table::READY,
        RowKey::Outbox { .. } => table::OUTBOX,
        RowKey::Clock => table::CLOCK,
        RowKey::ListFill => table::LIST_FILL,
        RowKey::System { .. } => table::SYSTEM,
        RowKey::QueueConfig(_) => table::QUEUE_CONFIG,
        RowKey::Record { .. } => table::RECORD,
        RowKey::Index { .. } => table::INDEX,
        RowKey::Batch { .. } => table::BATCH,
        RowKey::Schedule { .. } => table::SCHEDULE,
        RowKey::Activity { .. } => table::ACTIVITY,
    }
}

pub(crate) fn timer_table(of: TimerTable) -> u8 {
    match of {
        TimerTable::Others => table::TIMER,
        TimerTable::Schedules => table::SCHEDULE_TIMER,
    }
}

/// A row's key as the log carries it: without incarnation.
pub(crate) fn portable(key: &RowKey) -> Vec<u8> {
    KeyWriter::table(table_of(key)).row(key).finish()
}

/// What the portable keys of a system table begin with.
pub(crate) fn portable_prefix(table: SystemTable) -> Vec<u8> {
    KeyWriter::table(table::SYSTEM).system(table).finish()
}

pub(crate) fn on_disk(incarnation: u64, key: &RowKey) -> Vec<u8> {
    KeyWriter::on_disk(incarnation, table_of(key)).row(key).finish()
}

/// The least key that is above all that begin with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&b| b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Takes a key apart. Every method is `None` when the bytes are not what they should be.
pub(crate) struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    pub(crate) fn new(key: &'a [u8]) -> Self {
        KeyReader(key)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[n]| n)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.u64().map(|n| (n ^ (1 << 63)) as i64)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }

    fn str(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            match self.u8()? {
                0 => match self.u8()? {
                    0xff => bytes.push(0),
                    1 => return String::from_utf8(bytes).ok(),
                    _ => return None,
                },
                byte => bytes.push(byte),
            }
        }
    }

    pub(crate) fn queue(&mut self) -> Option<QueueKey> {
        let namespace = NamespaceId(self.uuid()?);
        let kind = match self.u8()? {
            0 => TaskKind::Workflow,
            1 => TaskKind::Activity,
            _ => return None,
        };
        Some(QueueKey { namespace, kind, name: self.str()?.into() })
    }

    /// The slot and the namespace that a key begins with.
    pub(crate) fn slot(&mut self) -> Option<(u16, NamespaceId)> {
        Some((u16::from_be_bytes(self.take()?), NamespaceId(self.uuid()?)))
    }

    pub(crate) fn workflow(&mut self) -> Option<WorkflowKey> {
        let (_, namespace) = self.slot()?;
        Some(WorkflowKey { namespace, workflow_id: self.str()?.into() })
    }

    /// The key of a core row, or of what follows it.
    pub(crate) fn run(&mut self) -> Option<RunKey> {
        Some(self.workflow()?.run(self.uuid()?))
    }

    pub(crate) fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { term: self.u64()?, counter: self.u64()? })
    }

    fn subject(&mut self) -> Option<Subject> {
        let (kind, namespace) = (SubjectKind(self.u8()?), NamespaceId(self.uuid()?));
        let lane = Lane { kind, namespace, id: self.str()?.into() };
        Some(Subject { lane, instance: self.uuid()? })
    }

    /// The key of a message.
    pub(crate) fn message(&mut self) -> Option<(Subject, Stamp)> {
        self.take::<2>()?;
        Some((self.subject()?, Stamp { term: self.u64()?, counter: self.u64()? }))
    }

    pub(crate) fn due(&mut self) -> Option<(Timestamp, Subject)> {
        Some((Timestamp(self.i64()?), self.subject()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn fields() -> impl Strategy<Value = Arc<str>> {
        "[\0a]{0,2}".prop_map(Into::into)
    }

    fn bytes() -> impl Strategy<Value = bytes::Bytes> {
        prop::collection::vec(0..2_u8, 0..3).prop_map(Into::into)
    }

    fn workflows() -> impl Strategy<Value = WorkflowKey> {
        // Short strings over few letters, zero among them, so that prefixes of one another are common.
        ("[\0\u{1}ab\u{ff}]{0,4}", 0..2_u128).prop_map(|(id, namespace)| WorkflowKey {
            namespace: NamespaceId(Uuid::from_u128(namespace)),
            workflow_id: id.into(),
        })
    }

    fn runs() -> impl Strategy<Value = RunKey> {
        (workflows(), prop_oneof![Just(0), Just(u128::MAX), any::<u128>()])
            .prop_map(|(workflow, run)| workflow.run(Uuid::from_u128(run)))
    }

    fn subjects() -> impl Strategy<Value = Subject> {
        (runs(), 0..3_u8).prop_map(|(run, kind)| {
            let mut subject = Subject::from(run);
            subject.lane.kind = SubjectKind(kind);
            subject
        })
    }

    fn queues() -> impl Strategy<Value = QueueKey> {
        (workflows(), any::<bool>()).prop_map(|(w, activity)| QueueKey {
            namespace: w.namespace,
            kind: if activity { TaskKind::Activity } else { TaskKind::Workflow },
            name: w.workflow_id,
        })
    }

    fn stamps() -> impl Strategy<Value = Stamp> {
        (0..1000_u64, 0..1000_u64).prop_map(|(term, counter)| Stamp { term, counter })
    }

    fn schedule_parts() -> impl Strategy<Value = SchedulePart> {
        prop_oneof![Just(SchedulePart::State), Just(SchedulePart::Definition), Just(SchedulePart::Carried)]
    }

    fn activity_parts() -> impl Strategy<Value = ActivityPart> {
        prop_oneof![
            Just(ActivityPart::Current),
            any::<u128>().prop_map(|run| ActivityPart::State(Uuid::from_u128(run))),
            any::<u128>().prop_map(|run| ActivityPart::Fixed(Uuid::from_u128(run))),
            any::<u128>().prop_map(|run| ActivityPart::Outcome(Uuid::from_u128(run))),
        ]
    }

    fn parts() -> impl Strategy<Value = BatchPart> {
        let targets = prop_oneof![0..3_u64, any::<u64>()].prop_map(BatchPart::Targets);
        prop_oneof![Just(BatchPart::State), Just(BatchPart::Request), targets]
    }

    fn rows() -> impl Strategy<Value = RowKey> {
        prop_oneof![
            runs().prop_map(RowKey::Execution),
            runs().prop_map(RowKey::Info),
            (runs(), any::<bool>(), any::<i64>()).prop_map(|(run, timer, id)| {
                let kind = if timer { PendingKind::Timer } else { PendingKind::Activity };
                RowKey::Pending { run, kind, id }
            }),
            workflows().prop_map(RowKey::Current),
            (runs(), any::<i64>()).prop_map(|(run, first_event_id)| RowKey::History { run, first_event_id }),
            (workflows(), "[\0a]{0,3}")
                .prop_map(|(workflow, id)| RowKey::RequestId { workflow, request_id: id.into() }),
            (any::<i64>(), subjects()).prop_map(|(due, subject)| RowKey::Timer { due: Timestamp(due), subject }),
            (queues(), any::<u8>(), stamps()).prop_map(|(queue, priority, stamp)| RowKey::Ready {
                queue,
                priority,
                stamp
            }),
            (subjects(), stamps()).prop_map(|(from, stamp)| RowKey::Outbox { from, stamp }),
            queues().prop_map(RowKey::QueueConfig),
            (workflows(), bytes()).prop_map(|(of, position)| {
                RowKey::Record { kind: SubjectKind::RUN, namespace: of.namespace, position }
            }),
            (workflows(), fields(), bytes()).prop_map(|(of, field, place)| {
                RowKey::Index { kind: SubjectKind::RUN, namespace: of.namespace, field, place }
            }),
            (workflows(), parts())
                .prop_map(|(of, part)| { RowKey::Batch { namespace: of.namespace, job_id: of.workflow_id, part } }),
            (workflows(), schedule_parts()).prop_map(|(of, part)| RowKey::Schedule {
                namespace: of.namespace,
                schedule_id: of.workflow_id,
                part
            }),
            (workflows(), activity_parts()).prop_map(|(of, part)| RowKey::Activity {
                namespace: of.namespace,
                activity_id: of.workflow_id,
                part
            }),
            Just(RowKey::Clock),
            Just(RowKey::ListFill),
            "[ab]{0,3}".prop_map(|key| RowKey::System { table: SystemTable::Namespace, key: key.into() }),
        ]
    }

    fn prefix(table: u8, fill: impl FnOnce(KeyWriter) -> KeyWriter) -> Vec<u8> {
        fill(KeyWriter::on_disk(1, table)).finish()
    }

    proptest! {
        #[test]
        fn different_rows_have_different_keys(a in rows(), b in rows()) {
            prop_assert_eq!(a == b, portable(&a) == portable(&b));
        }

        #[test]
        fn keys_on_disk_are_the_portable_ones_behind_the_incarnation(row in rows(), incarnation: u64) {
            let on_disk = on_disk(incarnation, &row);
            prop_assert_eq!(&on_disk[..INCARNATION], &incarnation.to_be_bytes()[..]);
            prop_assert_eq!(&on_disk[INCARNATION..], &portable(&row)[..]);
            prop_assert!(Family::of(&on_disk[INCARNATION..]).is_some());
        }

        #[test]
        fn a_workflows_run_or_queues_prefix_begins_no_others_key(a in runs(), b in runs(), p in queues(), q in queues()) {
            let (of_a, of_b) = (prefix(4, |k| k.workflow(&a.workflow)), prefix(4, |k| k.workflow(&b.workflow)));
            prop_assert_eq!(of_b.starts_with(&of_a), a.workflow == b.workflow);
            let (of_a, of_b) = (prefix(4, |k| k.run(&a)), prefix(4, |k| k.run(&b)));
            prop_assert_eq!(of_b.starts_with(&of_a), a == b);
            let (of_p, of_q) = (prefix(65, |k| k.queue(&p)), prefix(65, |k| k.queue(&q)));
            prop_assert_eq!(of_q.starts_with(&of_p), p == q);
        }

        #[test]
        fn timers_sort_by_due_time(a: i64, b: i64, x in subjects(), y in subjects()) {
            prop_assume!(a != b && TimerTable::of(&x) == TimerTable::of(&y));
            let key = |due, subject| portable(&RowKey::Timer { due: Timestamp(due), subject });
            prop_assert_eq!(a < b, key(a, x) < key(b, y));
        }

        #[test]
        fn ready_tasks_sort_by_priority_then_stamp(q in queues(), a in (any::<u8>(), stamps()), b in (any::<u8>(), stamps())) {
            let key = |(priority, stamp)| portable(&RowKey::Ready { queue: q.clone(), priority, stamp });
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        /// A leader that scans the outbox goes by this order.
        #[test]
        fn messages_sort_by_slot_sender_and_stamp(a in (subjects(), stamps()), b in (subjects(), stamps())) {
            let place = |(from, stamp): &(Subject, Stamp)| (from.lane.slot(), from.clone(), *stamp);
            let key = |(from, stamp): &(Subject, Stamp)| portable(&RowKey::Outbox { from: from.clone(), stamp: *stamp });
            prop_assert_eq!(place(&a).cmp(&place(&b)), key(&a).cmp(&key(&b)));
        }

        #[test]
        fn history_sorts_by_event(run in runs(), a: i64, b: i64) {
            let key = |first_event_id| portable(&RowKey::History { run: run.clone(), first_event_id });
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn what_is_read_back_from_keys_is_what_was_written(due: i64, subject in subjects(), queue in queues(), stamp in stamps()) {
            let key = KeyWriter::table(table::OUTBOX).message(&subject, stamp).finish();
            prop_assert_eq!(KeyReader::new(&key[1..]).message(), Some((subject.clone(), stamp)));
            let key = KeyWriter::table(table::TIMER).due(Timestamp(due), &subject).finish();
            prop_assert_eq!(KeyReader::new(&key[1..]).due(), Some((Timestamp(due), subject)));
            let key = KeyWriter::table(table::READY).queue(&queue).u8(3).finish();
            let mut reader = KeyReader::new(&key[1..]);
            prop_assert_eq!(reader.queue(), Some(queue));
            prop_assert_eq!(reader.rest(), &[3]);
        }

        #[test]
        fn the_end_of_a_prefix_is_above_all_that_it_begins(prefix in prop::collection::vec(any::<u8>(), 1..5), rest in prop::collection::vec(any::<u8>(), 0..5)) {
            if let Some(end) = after_prefix(&prefix) {
                prop_assert!([&prefix[..], &rest].concat() < end);
                prop_assert!(!end.starts_with(&prefix));
            }
        }
    }
}
