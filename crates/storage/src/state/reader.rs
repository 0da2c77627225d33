//! Reading a shard's rows: by key for the engine, in order for the leader and for history.

use super::{ShardRows, StateDb, rows::Incarnation, within};
use crate::{
    StorageError,
    key::{self, Family, INCARNATION, KeyReader, KeyWriter, table, timer_table},
};
use bytes::Bytes;
use rocksdb::{DB, DBRawIterator, Range, ReadOptions, Snapshot};
use std::{cmp::Ordering, sync::Arc};
use tenure_api::history::v1::HistoryEvent;
use tenure_engine::{
    codec,
    id::Stamp,
    key::{NamespaceId, QueueKey, RunKey},
    outbox::{OutboxEntry, OutboxMessage},
    proto::event_in,
    rows::{
        ListRange, ListTable, ListVisit, PendingKind, ReadError, ReadyTask, RowKey, StateReader, SystemTable,
        TimerTable,
    },
    state::ExecutionState,
    subject::Subject,
    time::Timestamp,
};

/// A shard's rows as they are at each read. Cheap to clone. Where several reads must see the same rows, take a
/// [`ShardReader::view`].
///
/// # Errors
/// All reads fail once the rows were replaced by a snapshot: a new reader is to be asked for.
#[derive(Clone)]
pub struct ShardReader(ShardRows);

/// A shard's rows as they were at one moment. Holds back the deletion of old versions, so it should not live long.
pub struct View<'a> {
    state: &'a StateDb,
    incarnation: &'a Incarnation,
    /// `None`: each read sees the rows of its own moment.
    snapshot: Option<Snapshot<'a>>,
}

/// A stretch of a run's history as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryChunk {
    pub first_event_id: i64,
    /// An encoded `temporal.api.history.v1.History`. Those of chunks that follow each other may be concatenated.
    pub events: Bytes,
}

/// A place among the ready tasks of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadyAfter {
    pub priority: u8,
    pub stamp: Stamp,
}

impl ShardReader {
    pub(super) fn new(rows: ShardRows) -> Self {
        ShardReader(rows)
    }

    /// The rows of this moment, for several reads.
    pub fn view(&self) -> Result<View<'_>, ReadError> {
        let view = View { snapshot: Some(self.0.state.db().snapshot()), ..self.latest() };
        // Whoever deletes the rows marks them first, so what this snapshot holds is whole for ever.
        self.0.incarnation.check()?;
        Ok(view)
    }

    fn latest(&self) -> View<'_> {
        View { state: &self.0.state, incarnation: &self.0.incarnation, snapshot: None }
    }

    /// A single read, or one iterator, needs no snapshot; but what it did not find may have been deleted with all.
    fn once<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let result = read(&self.latest());
        self.0.incarnation.check()?;
        result
    }
}

impl StateReader for ShardReader {
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        // Its core row and what spilled out of it must be of one moment.
        self.view()?.execution(run)
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        self.once(|view| view.get(key))
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        self.once(|view| view.event(run, event_id))
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        self.once(|view| view.history_rows(run, from, max_bytes))
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        self.once(|view| view.system_rows(table))
    }
}

impl StateReader for View<'_> {
    fn execution(&self, run: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        let key = RowKey::Execution(run.clone());
        let Some(core) = self.get(&key)? else { return Ok(None) };
        match ExecutionState::decode(&core, || self.get(&RowKey::Info(run.clone())), |kind| self.spilled(run, kind))? {
            Ok(state) => Ok(Some(Arc::new(state))),
            Err(cause) => Err(ReadError::corrupt(key, cause)),
        }
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        let on_disk = key::on_disk(self.incarnation.number, key);
        let family = Family::of(&on_disk[INCARNATION..]).expect("every row has a family");
        let mut options = ReadOptions::default();
        self.pin(&mut options);
        let value = self.db().get_cf_opt(self.state.family(family), on_disk, &options).map_err(StorageError::from)?;
        Ok(value.map(Bytes::from))
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        let mut chunks = self.history_before(run, event_id, 0)?;
        let Some(chunk) = chunks.pop() else { return Ok(None) };
        event_in(&chunk.events, event_id).map_err(|error| ReadError::history(run, chunk.first_event_id, error))
    }

    fn history_rows(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let prefix = self.prefix(table::HISTORY).run(run).finish();
        let mut scan = self.scan(Family::History, &prefix);
        scan.seek(self.prefix(table::HISTORY).run(run).i64(from).finish());
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = chunk(&scan, &prefix)? {
            if bytes >= max_bytes && !rows.is_empty() {
                break;
            }
            bytes += chunk.events.len();
            rows.push((chunk.first_event_id, chunk.events));
            scan.next();
        }
        ended(&scan)?;
        Ok(rows)
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        let prefix = self.prefix(table::SYSTEM).system(table).finish();
        let mut scan = self.scan(Family::Rows, &prefix);
        let mut rows = Vec::new();
        scan.seek_to_first();
        while let Some((key, value)) = scan.item() {
            let key = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| malformed("system row", key))?;
            rows.push((key.into(), Bytes::copy_from_slice(value)));
            scan.next();
        }
        ended(&scan)?;
        Ok(rows)
    }
}

impl View<'_> {
    /// The first timers of a table.
    pub fn timers(&self, of: TimerTable, limit: usize) -> Result<Vec<(Timestamp, Subject)>, ReadError> {
        let prefix = self.prefix(timer_table(of)).finish();
        let mut scan = self.scan(Family::Index, &prefix);
        scan.seek_to_first();
        let mut timers = Vec::new();
        while timers.len() < limit
            && let Some(key) = scan.key()
        {
            timers.push(KeyReader::new(&key[prefix.len()..]).due().ok_or_else(|| malformed("timer", key))?);
            scan.next();
        }
        ended(&scan)?;
        Ok(timers)
    }

    /// Ready tasks of a queue in the order in which they should start, strictly after `after`.
    pub fn ready_tasks(
        &self,
        queue: &QueueKey,
        after: Option<ReadyAfter>,
        limit: usize,
    ) -> Result<Vec<ReadyTask>, ReadError> {
        let mut scan = self.scan_ready(queue, after);
        let mut tasks = Vec::new();
        while tasks.len() < limit
            && let Some((key, value)) = scan.item()
        {
            let task = codec::decode::<ReadyTask>(value)
                .map_err(|e| ReadError::Storage(format!("ready task {}: {e}", key.escape_ascii())))?;
            tasks.push(task);
            scan.next();
        }
        ended(&scan)?;
        Ok(tasks)
    }

    /// How many ready tasks of a queue follow `after`, up to a limit. Reads keys only.
    pub fn count_ready(&self, queue: &QueueKey, after: Option<ReadyAfter>, limit: usize) -> Result<usize, ReadError> {
        let mut scan = self.scan_ready(queue, after);
        let mut count = 0;
        while count < limit && scan.valid() {
            count += 1;
            scan.next();
        }
        ended(&scan)?;
        Ok(count)
    }

    fn scan_ready(&self, queue: &QueueKey, after: Option<ReadyAfter>) -> DBRawIterator<'_> {
        let of_queue = || self.prefix(table::READY).queue(queue);
        let mut scan = self.scan(Family::Index, &of_queue().finish());
        match after {
            Some(after) => scan.seek(behind(of_queue().u8(after.priority).stamp(after.stamp))),
            None => scan.seek_to_first(),
        }
        scan
    }

    /// The queues that have ready tasks. Costs a seek for each, however many tasks wait in it.
    pub fn ready_queues(&self) -> Result<Vec<QueueKey>, ReadError> {
        let prefix = self.prefix(table::READY).finish();
        let mut scan = self.scan(Family::Index, &prefix);
        let mut queues = Vec::new();
        scan.seek_to_first();
        while let Some(key) = scan.key() {
            let mut reader = KeyReader::new(&key[prefix.len()..]);
            let queue = reader.queue().ok_or_else(|| malformed("ready task", key))?;
            let of_queue = &key[..key.len() - reader.rest().len()];
            let next = key::after_prefix(of_queue).expect("an incarnation is never the last number");
            queues.push(queue);
            scan.seek(next);
        }
        ended(&scan)?;
        Ok(queues)
    }

    /// The first messages, by sender and then in the order in which they were sent.
    pub fn outbox(&self, after: Option<&(Subject, Stamp)>, limit: usize) -> Result<Vec<OutboxEntry>, ReadError> {
        let prefix = self.prefix(table::OUTBOX).finish();
        let mut scan = self.scan(Family::Index, &prefix);
        let mut entries = Vec::new();
        match after {
            Some((from, stamp)) => scan.seek(behind(self.prefix(table::OUTBOX).message(from, *stamp))),
            None => scan.seek_to_first(),
        }
        while entries.len() < limit
            && let Some((key, value)) = scan.item()
        {
            let named = KeyReader::new(&key[prefix.len()..]).message();
            let (from, stamp) = named.ok_or_else(|| malformed("message", key))?;
            let message = codec::decode::<OutboxMessage>(value)
                .map_err(|e| ReadError::Storage(format!("message {}: {e}", key.escape_ascii())))?;
            entries.push(OutboxEntry { from, stamp, to: message.to });
            scan.next();
        }
        ended(&scan)?;
        Ok(entries)
    }

    /// The chunks that hold the events from `from` to before `to`, in order; the first and the last may hold events
    /// beyond. Ends early once there are `max_bytes`, but not before one chunk.
    pub fn history(&self, run: &RunKey, from: i64, to: i64, max_bytes: usize) -> Result<Vec<HistoryChunk>, ReadError> {
        let of_run = || self.prefix(table::HISTORY).run(run);
        let prefix = of_run().finish();
        let mut scan = self.scan(Family::History, &prefix);
        // The chunk that holds `from` may begin before it.
        scan.seek_for_prev(of_run().i64(from).finish());
        if !scan.valid() {
            ended(&scan)?;
            scan.seek_to_first();
        }
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = chunk(&scan, &prefix)? {
            if chunk.first_event_id >= to || (bytes >= max_bytes && !chunks.is_empty()) {
                break;
            }
            bytes += chunk.events.len();
            chunks.push(chunk);
            scan.next();
        }
        ended(&scan)?;
        Ok(chunks)
    }

    /// The chunks that hold the events from `from` down to the first, the latest chunk first; the first one may hold
    /// events after `from`. Ends early once there are `max_bytes`, but not before one chunk.
    pub fn history_before(&self, run: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<HistoryChunk>, ReadError> {
        let of_run = || self.prefix(table::HISTORY).run(run);
        let prefix = of_run().finish();
        let mut scan = self.scan(Family::History, &prefix);
        scan.seek_for_prev(of_run().i64(from).finish());
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = chunk(&scan, &prefix)? {
            if bytes >= max_bytes && !chunks.is_empty() {
                break;
            }
            bytes += chunk.events.len();
            chunks.push(chunk);
            scan.prev();
        }
        ended(&scan)?;
        Ok(chunks)
    }

    /// Visits rows of a table of lists in order, each with the last part of its key, for as long as `visit` says so.
    pub fn list_rows(
        &self,
        table: &ListTable<'_>,
        range: &ListRange,
        visit: &mut ListVisit<'_>,
    ) -> Result<(), ReadError> {
        let prefix = KeyWriter::list_table(self.incarnation.number, table).finish();
        let bounds = bounds(&prefix, range);
        let mut options = ReadOptions::default();
        options.set_iterate_range(bounds.0..bounds.1);
        self.pin(&mut options);
        let family = if table.field.is_some() { Family::Index } else { Family::Rows };
        let mut scan = self.db().raw_iterator_cf_opt(self.state.family(family), options);
        if range.reverse {
            scan.seek_to_last()
        } else {
            scan.seek_to_first()
        }
        while let Some((key, value)) = scan.item() {
            if visit(&key[prefix.len()..], value).is_break() {
                return Ok(());
            }
            if range.reverse { scan.prev() } else { scan.next() }
        }
        ended(&scan)
    }

    /// The approximate bytes on disk of a part of a table of lists, without what is not flushed yet.
    pub fn list_bytes(&self, table: &ListTable<'_>, range: &ListRange) -> u64 {
        let prefix = KeyWriter::list_table(self.incarnation.number, table).finish();
        let (start, end) = bounds(&prefix, range);
        let family = if table.field.is_some() { Family::Index } else { Family::Rows };
        self.db().get_approximate_sizes_cf(self.state.family(family), &[Range::new(&start, &end)]).into_iter().sum()
    }

    /// The runs that have a core row, in the order of these, strictly after one.
    pub fn runs(&self, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>, ReadError> {
        let prefix = self.prefix(table::EXECUTION).finish();
        let mut scan = self.scan(Family::Rows, &prefix);
        let behind = |run: &RunKey| {
            let of_run = self.prefix(table::EXECUTION).run(run).finish();
            key::after_prefix(&of_run).expect("an incarnation is never the last number")
        };
        match after {
            Some(run) => scan.seek(behind(run)),
            None => scan.seek_to_first(),
        }
        let mut runs = Vec::new();
        while runs.len() < limit
            && let Some(key) = scan.key()
        {
            let run = KeyReader::new(&key[prefix.len()..]).run().ok_or_else(|| malformed("core row", key))?;
            scan.seek(behind(&run));
            runs.push(run);
        }
        ended(&scan)?;
        Ok(runs)
    }

    /// The runs of a namespace that have a core row, as [`View::runs`] gives them. Costs a seek for each slot that has runs.
    pub fn runs_of(
        &self,
        namespace: NamespaceId,
        after: Option<&RunKey>,
        limit: usize,
    ) -> Result<Vec<RunKey>, ReadError> {
        let mut runs = Vec::new();
        let begin = match after {
            Some(run) => self.behind_run(run),
            None => self.prefix(table::EXECUTION).in_slot(0, namespace).finish(),
        };
        self.slots(table::EXECUTION, namespace, begin, |key| {
            let run = KeyReader::new(key).run().ok_or_else(|| malformed("core row", key))?;
            let next = self.behind_run(&run);
            runs.push(run);
            Ok(Some(next).filter(|_| runs.len() < limit))
        })?;
        Ok(runs)
    }

    /// Rows of a namespace besides those that go with their runs: current runs, request ids, histories, ready tasks, and
    /// configurations of queues.
    pub fn leftovers(&self, namespace: NamespaceId, limit: usize) -> Result<Vec<RowKey>, ReadError> {
        let mut rows = Vec::new();
        type Parse = fn(&mut KeyReader<'_>) -> Option<RowKey>;
        let by_slot: [(u8, Parse); 3] = [
            (table::CURRENT, |key| Some(RowKey::Current(key.workflow()?))),
            (table::REQUEST_ID, |key| {
                let workflow = key.workflow()?;
                Some(RowKey::RequestId { workflow, request_id: std::str::from_utf8(key.rest()).ok()?.into() })
            }),
            (table::HISTORY, |key| Some(RowKey::History { run: key.run()?, first_event_id: key.i64()? })),
        ];
        for (of, parse) in by_slot {
            if rows.len() >= limit {
                return Ok(rows);
            }
            let begin = self.prefix(of).in_slot(0, namespace).finish();
            self.slots(of, namespace, begin, |key| {
                let row = parse(&mut KeyReader::new(key)).ok_or_else(|| malformed("row", key))?;
                let next = behind(KeyWriter::on_disk(self.incarnation.number, of).row(&row));
                rows.push(row);
                Ok(Some(next).filter(|_| rows.len() < limit))
            })?;
        }
        let by_queue: [(u8, Parse); 2] = [
            (table::QUEUE_CONFIG, |key| Some(RowKey::QueueConfig(key.queue()?))),
            (table::READY, |key| Some(RowKey::Ready { queue: key.queue()?, priority: key.u8()?, stamp: key.stamp()? })),
        ];
        for (of, parse) in by_queue {
            let prefix = self.prefix(of).namespace(namespace).finish();
            let mut scan = self.scan(family_of(of), &prefix);
            scan.seek_to_first();
            while rows.len() < limit
                && let Some(key) = scan.key()
            {
                let key = &key[INCARNATION + 1..];
                rows.push(parse(&mut KeyReader::new(key)).ok_or_else(|| malformed("row", key))?);
                scan.next();
            }
            ended(&scan)?;
        }
        Ok(rows)
    }

    fn behind_run(&self, run: &RunKey) -> Vec<u8> {
        let of_run = self.prefix(table::EXECUTION).run(run).finish();
        key::after_prefix(&of_run).expect("an incarnation is never the last number")
    }

    /// Visits the rows of a namespace in a table whose keys begin with a slot, from a key on. `visit` gets a row's own key, and
    /// says from where to go on.
    fn slots(
        &self,
        of: u8,
        namespace: NamespaceId,
        begin: Vec<u8>,
        mut visit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, ReadError>,
    ) -> Result<(), ReadError> {
        let prefix = self.prefix(of).finish();
        let mut scan = self.scan(family_of(of), &prefix);
        scan.seek(begin);
        while let Some(key) = scan.key() {
            let key = &key[prefix.len()..];
            let (slot, found) = KeyReader::new(key).slot().ok_or_else(|| malformed("row", key))?;
            let next = match found.cmp(&namespace) {
                Ordering::Less => self.prefix(of).in_slot(slot, namespace).finish(),
                Ordering::Equal => match visit(key)? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Ordering::Greater => match slot.checked_add(1) {
                    Some(slot) => self.prefix(of).in_slot(slot, namespace).finish(),
                    None => break,
                },
            };
            scan.seek(next);
        }
        ended(&scan)
    }

    /// What spilled out of a run's core row, by event id.
    fn spilled(&self, run: &RunKey, kind: PendingKind) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let prefix = self.prefix(table::EXECUTION).pending(run, kind).finish();
        let mut scan = self.scan(Family::Rows, &prefix);
        let mut rows = Vec::new();
        scan.seek_to_first();
        while let Some((key, value)) = scan.item() {
            let id = KeyReader::new(&key[prefix.len()..]).i64().ok_or_else(|| malformed("pending row", key))?;
            rows.push((id, Bytes::copy_from_slice(value)));
            scan.next();
        }
        ended(&scan)?;
        Ok(rows)
    }

    fn prefix(&self, table: u8) -> KeyWriter {
        KeyWriter::on_disk(self.incarnation.number, table)
    }

    fn db(&self) -> &DB {
        self.state.db()
    }

    fn pin(&self, options: &mut ReadOptions) {
        if let Some(snapshot) = &self.snapshot {
            options.set_snapshot(snapshot);
        }
    }

    fn scan(&self, family: Family, prefix: &[u8]) -> DBRawIterator<'_> {
        let mut options = within(prefix);
        self.pin(&mut options);
        self.db().raw_iterator_cf_opt(self.state.family(family), options)
    }
}

/// The first key on disk of a part of a table, and the first one behind it.
fn bounds(prefix: &[u8], range: &ListRange) -> (Vec<u8>, Vec<u8>) {
    let end = if range.end.is_empty() {
        key::after_prefix(prefix).expect("an incarnation is never the last number")
    } else {
        [prefix, &range.end].concat()
    };
    ([prefix, &range.start].concat(), end)
}

fn family_of(table: u8) -> Family {
    Family::of(&[table]).expect("every table has a family")
}

/// The least key behind this one.
fn behind(key: KeyWriter) -> Vec<u8> {
    key.u8(0).finish()
}

fn chunk(scan: &DBRawIterator<'_>, prefix: &[u8]) -> Result<Option<HistoryChunk>, ReadError> {
    let Some((key, value)) = scan.item() else { return Ok(None) };
    let first_event_id = KeyReader::new(&key[prefix.len()..]).i64().ok_or_else(|| malformed("history chunk", key))?;
    Ok(Some(HistoryChunk { first_event_id, events: Bytes::copy_from_slice(value) }))
}

/// An iterator that stopped has come to its end, or failed.
fn ended(scan: &DBRawIterator<'_>) -> Result<(), ReadError> {
    Ok(scan.status().map_err(StorageError::from)?)
}

fn malformed(what: &str, key: &[u8]) -> ReadError {
    ReadError::Storage(format!("malformed key of a {what}: {}", key.escape_ascii()))
}
