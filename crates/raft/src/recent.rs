//! What the last entries of a shard wrote, so that who follows its rows need not read all of them again after each.

use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tenure_limits::{RECENT_BYTES, RECENT_ENTRIES};

/// The rows of the last entries that were applied. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recent(Arc<Mutex<Inner>>);

struct Inner {
    /// All entries after this one are there.
    after: u64,
    entries: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

impl Recent {
    /// Knows nothing of the entries up to `applied`.
    pub(crate) fn new(applied: u64) -> Recent {
        Recent(Arc::new(Mutex::new(Inner { after: applied, entries: VecDeque::new(), bytes: 0 })))
    }

    /// Copies the rows: they may be a part of a large frame, which would stay in memory with them.
    pub(crate) fn add(&self, index: u64, rows: &[u8]) {
        let mut inner = self.0.lock();
        inner.bytes += rows.len();
        inner.entries.push_back((index, Bytes::copy_from_slice(rows)));
        while inner.entries.len() > RECENT_ENTRIES || inner.bytes > RECENT_BYTES {
            let Some((oldest, rows)) = inner.entries.pop_front() else { break };
            inner.after = oldest;
            inner.bytes -= rows.len();
        }
    }

    /// Other rows have been put in the place of those that entries wrote.
    pub(crate) fn replaced(&self, applied: u64) {
        *self.0.lock() = Inner { after: applied, entries: VecDeque::new(), bytes: 0 };
    }

    /// The rows of all entries after `index` that were applied; `None` if that is not known (any more).
    pub(crate) fn since(&self, index: u64) -> Option<Vec<Bytes>> {
        let inner = self.0.lock();
        let after = |entry: &&(u64, Bytes)| entry.0 > index;
        (index >= inner.after).then(|| {
            let mut rows: Vec<_> = inner.entries.iter().rev().take_while(after).map(|(_, rows)| rows.clone()).collect();
            rows.reverse();
            rows
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: u64) -> Bytes {
        n.to_be_bytes().to_vec().into()
    }

    #[test]
    fn entries_after_an_index_are_told_as_long_as_all_of_them_are_known() {
        let recent = Recent::new(10);
        assert_eq!(recent.since(9), None);
        assert_eq!(recent.since(10), Some(vec![]));
        // 12 wrote nothing.
        recent.add(11, &rows(11));
        recent.add(13, &rows(13));
        assert_eq!(recent.since(10), Some(vec![rows(11), rows(13)]));
        assert_eq!(recent.since(12), Some(vec![rows(13)]));
        assert_eq!(recent.since(13), Some(vec![]));
        recent.replaced(20);
        assert_eq!(recent.since(13), None);
        assert_eq!(recent.since(20), Some(vec![]));
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_in_bytes() {
        let recent = Recent::new(0);
        for index in 1..=RECENT_ENTRIES as u64 + 5 {
            recent.add(index, &rows(index));
        }
        assert_eq!(recent.since(4), None);
        assert_eq!(recent.since(5).unwrap().len(), RECENT_ENTRIES);
        recent.add(1000, &vec![0; RECENT_BYTES]);
        assert_eq!(recent.since(999).unwrap().len(), 1);
        recent.add(1001, &rows(1));
        assert_eq!(recent.since(999), None);
        assert_eq!(recent.since(1000), Some(vec![rows(1)]));
    }
}
