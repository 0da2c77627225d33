//! openraft's log, on the node's log database.
//!
//! The log's tail is kept in memory: replication and apply read what was just written from there, and never touch
//! the disk while they keep up.

use crate::{
    codec, entry,
    log_sizes::LogSizes,
    tail::{Tail, Tails},
    types::{Entry, LogId, TypeConfig, Vote},
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use parking_lot::Mutex;
use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::Arc,
};
use tenure_storage::{LogDb, LogOp, Purged, ShardId, ShardLog};
use tokio::sync::watch;

/// An append request to a follower stops at this size, but holds at least one entry.
const APPEND_BYTES: usize = 1 << 20;

/// The log of one shard. Clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    shard: ShardId,
    db: LogDb,
    shared: Arc<Mutex<Shared>>,
    /// Index up to which the state machine has applied.
    applied: watch::Receiver<u64>,
}

struct Shared {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    tail: Tail,
    sizes: LogSizes,
}

impl LogStore {
    pub(crate) fn new(
        shard: ShardId,
        db: LogDb,
        found: ShardLog,
        tails: &Tails,
        applied: watch::Receiver<u64>,
    ) -> io::Result<LogStore> {
        let purged: Option<LogId> = found.purged.map(|p| codec::decode(&p.log_id)).transpose()?;
        let last = match found.last {
            Some((index, row)) => Some(entry::decode(index, row)?.log_id),
            None => purged,
        };
        let shared = Shared {
            vote: found.vote.as_deref().map(codec::decode).transpose()?,
            committed: found.committed.as_deref().map(codec::decode).transpose()?,
            purged,
            last,
            tail: tails.tail(last.map_or(0, |id| id.index + 1)),
            sizes: LogSizes::default(),
        };
        Ok(LogStore { shard, db, shared: Arc::new(Mutex::new(shared)), applied })
    }

    /// The last vote that was given here. A later one is seen here before anyone outside learns of it.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.shared.lock().vote
    }

    /// The index up to which entries are to be purged, so that those from there to `upto` hold about `keep` bytes at most.
    pub(crate) fn beyond(&self, upto: u64, keep: u64) -> Option<u64> {
        self.shared.lock().sizes.beyond(upto, keep)
    }

    /// About how many bytes the entries hold that are here. It may read from disk.
    pub(crate) fn bytes(&self) -> u64 {
        let (older, bytes) = {
            let shared = self.shared.lock();
            let [purged, last] = [shared.purged, shared.last].map(|id| id.map_or(0, |id| id.index));
            let (counted_from, bytes) = shared.sizes.counted().unwrap_or((last + 1, 0));
            (purged + 1..counted_from, bytes)
        };
        // Those of the process before were written to files when this one began.
        bytes + if older.is_empty() { 0 } else { self.db.file_bytes(self.shard, older) }
    }

    /// Entries from the start of the range, in order, until it ends or they hold `max_bytes`.
    async fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let first_in_memory = {
            let shared = self.shared.lock();
            if range.start >= shared.tail.first() {
                return Ok(shared.tail.read(range, max_bytes));
            }
            shared.tail.first()
        };
        let (db, shard) = (self.db.clone(), self.shard);
        let on_disk = range.start..range.end.min(first_in_memory);
        let rows = tokio::task::spawn_blocking(move || db.read(shard, on_disk, max_bytes)).await??;
        match rows.first() {
            Some((index, _)) if *index == range.start => {}
            found => {
                let found = found.map(|(index, _)| *index);
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("shard {}: log entry {} is gone; the next is {found:?}", self.shard, range.start),
                ));
            }
        }
        rows.into_iter().map(|(index, row)| entry::decode(index, row)).collect()
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.entries_stream(range).await.try_collect().await
    }

    /// Reads on as the consumer does, so that a long range is never in memory as a whole.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let mut range = bounds(&range);
        range.end = range.end.min(self.shared.lock().last.map_or(0, |id| id.index + 1));
        let store = self.clone();
        let chunks = stream::try_unfold(range, move |range| {
            let store = store.clone();
            async move {
                let entries = store.read(range.clone(), APPEND_BYTES).await?;
                let Some(last) = entries.last() else { return Ok(None) };
                let rest = last.log_id.index + 1..range.end;
                Ok::<_, io::Error>(Some((stream::iter(entries.into_iter().map(Ok)), rest)))
            }
        });
        Box::pin(chunks.try_flatten())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, APPEND_BYTES).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.lock().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let shared = self.shared.lock();
        Ok(LogState { last_purged_log_id: shared.purged, last_log_id: shared.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.db.write(LogOp::Vote { shard: self.shard, vote: codec::encode(vote) }).await?;
        self.shared.lock().vote = Some(*vote);
        Ok(())
    }

    /// Only remembers: it reaches the disk with the next sync, which something that matters will cause.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        self.shared.lock().committed = Some(committed);
        self.db.save_committed(self.shard, codec::encode(&committed));
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows: Vec<(u64, Bytes)> = Vec::new();
        let number = {
            let mut shared = self.shared.lock();
            let number = shared.tail.begin_append();
            for entry in entries {
                rows.push((entry.log_id.index, entry::encode(&entry)));
                shared.sizes.push(entry.log_id.index, entry::size(&entry) as u64);
                shared.last = Some(entry.log_id);
                shared.tail.push(entry);
            }
            number
        };
        let shared = self.shared.clone();
        self.db.submit(LogOp::Append { shard: self.shard, entries: rows }, move |written| {
            if written.is_ok() {
                shared.lock().tail.written(number);
            }
            callback.io_completed(written);
        });
        Ok(())
    }

    /// Waits for the disk: rows of entries that come in the place of these may be flushed before the log is synced again, and a
    /// log that still has the others would contradict them.
    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        {
            let mut shared = self.shared.lock();
            shared.tail.truncate(from);
            shared.sizes.truncate(from);
            shared.last = last.max(shared.purged);
        }
        self.db.write(LogOp::Truncate { shard: self.shard, from }).await
    }

    /// Waits until the entries are applied: the core may ask for this while the state machine still has to read them
    /// (openraft#2116), and finding them gone would be its end.
    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let applied = self.applied.wait_for(|applied| *applied >= upto.index).await;
        applied.map_err(|_| io::Error::other("the state machine is gone"))?;
        {
            let mut shared = self.shared.lock();
            shared.tail.purge(upto.index + 1);
            shared.sizes.purge(upto.index + 1);
            shared.purged = shared.purged.max(Some(upto));
            shared.last = shared.last.max(Some(upto));
        }
        let purged = Purged { index: upto.index, log_id: codec::encode(&upto) };
        self.db.submit(LogOp::Purge { shard: self.shard, purged }, |_| {});
        Ok(())
    }
}
