//! The tails of the logs: what was just written is read from memory, for replication and to be applied.

use crate::{entry, types::Entry};
use metrics::{Gauge, gauge};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Bytes that an entry takes beside its contents.
const OVERHEAD: usize = size_of::<(Entry, u64)>() + 64;

/// The memory that a node has for tails; the groups that are open share it equally. Clones share it.
#[derive(Clone)]
pub(crate) struct Tails {
    pool: Arc<Pool>,
}

struct Pool {
    budget: usize,
    open: AtomicUsize,
    bytes: Gauge,
}

/// The last entries of a log. An entry that is not yet on disk is always here.
pub(crate) struct Tail {
    pool: Arc<Pool>,
    first: u64,
    /// Each with the number of the append that wrote it.
    entries: VecDeque<(Entry, u64)>,
    bytes: usize,
    /// Numbers of the last append that was submitted, and of the last that is on disk.
    submitted: u64,
    written: u64,
}

impl Tails {
    /// Tails that hold `budget` bytes together, and beyond that what is not yet on disk.
    pub(crate) fn new(budget: usize) -> Self {
        let pool = Pool { budget, open: AtomicUsize::new(0), bytes: gauge!("tenure_raft_tail_bytes") };
        Tails { pool: Arc::new(pool) }
    }

    /// The tail of a log whose next entry has this index.
    pub(crate) fn tail(&self, next: u64) -> Tail {
        self.pool.open.fetch_add(1, Relaxed);
        let pool = self.pool.clone();
        Tail { pool, first: next, entries: VecDeque::new(), bytes: 0, submitted: 0, written: 0 }
    }
}

impl Tail {
    /// Index of the first entry that is here, or of the next one to be appended.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The entries of a range that begins here, up to the one with which they hold more than `max_bytes`, but at least
    /// one.
    pub(crate) fn read(&self, range: Range<u64>, max_bytes: usize) -> Vec<Entry> {
        let skip = (range.start - self.first) as usize;
        let mut bytes = 0;
        let fits = |(entry, _): &&(Entry, u64)| {
            let first = bytes == 0;
            bytes += entry::size(entry);
            first || bytes <= max_bytes
        };
        let wanted = self.entries.iter().skip(skip).take((range.end - range.start) as usize);
        wanted.take_while(fits).map(|(entry, _)| entry.clone()).collect()
    }

    /// The number of an append, whose entries are pushed next.
    pub(crate) fn begin_append(&mut self) -> u64 {
        self.submitted += 1;
        self.submitted
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.log_id.index, self.first + self.entries.len() as u64, "the log has no holes");
        self.count(cost(&entry));
        self.entries.push_back((entry, self.submitted));
    }

    /// The append of this number is on disk, and so are all before it. The oldest entries go, as far as the budget asks
    /// for it.
    pub(crate) fn written(&mut self, append: u64) {
        self.written = append;
        let budget = self.pool.budget / self.pool.open.load(Relaxed).max(1);
        while self.bytes > budget && self.entries.front().is_some_and(|(_, append)| *append <= self.written) {
            self.pop_front();
        }
        if self.entries.capacity() > 64 && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Keeps what comes before `end`.
    pub(crate) fn truncate(&mut self, end: u64) {
        while self.first + self.entries.len() as u64 > end
            && let Some((entry, _)) = self.entries.pop_back()
        {
            self.discount(cost(&entry));
        }
        self.first = self.first.min(end);
    }

    /// Keeps what comes from `start` on.
    pub(crate) fn purge(&mut self, start: u64) {
        while self.first < start && !self.entries.is_empty() {
            self.pop_front();
        }
        self.first = self.first.max(start);
    }

    fn pop_front(&mut self) {
        if let Some((entry, _)) = self.entries.pop_front() {
            self.discount(cost(&entry));
            self.first += 1;
        }
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.pool.bytes.increment(bytes as f64);
    }

    fn discount(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.pool.bytes.decrement(bytes as f64);
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.pool.open.fetch_sub(1, Relaxed);
        self.discount(self.bytes);
    }
}

fn cost(entry: &Entry) -> usize {
    entry::size(entry) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;
    use openraft::EntryPayload;

    fn append(tail: &mut Tail, indexes: Range<u64>) -> u64 {
        let number = tail.begin_append();
        for index in indexes {
            tail.push(Entry { log_id: log_id(1, index), payload: EntryPayload::Blank });
        }
        number
    }

    #[test]
    fn what_is_not_on_disk_stays_whatever_the_budget() {
        let mut tail = Tails::new(0).tail(5);
        let first = append(&mut tail, 5..10);
        let second = append(&mut tail, 10..12);
        assert_eq!(tail.read(5..12, usize::MAX).len(), 7);
        tail.written(first);
        assert_eq!(tail.first(), 10);
        tail.written(second);
        assert_eq!((tail.first(), tail.bytes), (12, 0));
    }

    /// F4's kind: each group had its own budget, whatever their number.
    #[test]
    fn open_groups_share_the_budget() {
        let tails = Tails::new(100 * OVERHEAD * 2);
        let mut one = tails.tail(0);
        let written = |tail: &mut Tail, indexes| {
            let number = append(tail, indexes);
            tail.written(number);
            tail.entries.len()
        };
        let alone = written(&mut one, 0..1_000);
        let others: Vec<Tail> = (0..9).map(|_| tails.tail(0)).collect();
        let among_ten = written(&mut one, 1_000..1_001);
        assert!(alone > 100 && among_ten * 9 < alone, "{alone} alone, {among_ten} among ten");
        drop(others);
        assert_eq!(written(&mut one, 1_001..2_000), alone);
    }
}
