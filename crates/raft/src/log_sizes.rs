//! How many bytes the entries of a log hold, roughly by position: enough to say from where on they are few enough.

use std::collections::VecDeque;

/// Neighbours share a stretch until it holds so many bytes.
const STRETCH: u64 = 128 << 10;

/// Entries that were there before this process are not counted; the process before has kept few enough of them.
#[derive(Default)]
pub(crate) struct LogSizes {
    /// Oldest first.
    stretches: VecDeque<Stretch>,
}

struct Stretch {
    first: u64,
    last: u64,
    bytes: u64,
}

impl LogSizes {
    /// An entry was appended.
    pub(crate) fn push(&mut self, index: u64, bytes: u64) {
        match self.stretches.back_mut() {
            Some(last) if last.bytes + bytes <= STRETCH => {
                last.last = index;
                last.bytes += bytes;
            }
            _ => self.stretches.push_back(Stretch { first: index, last: index, bytes }),
        }
    }

    /// Entries from this index on are no more. What is left of a stretch goes on to count as a whole.
    pub(crate) fn truncate(&mut self, from: u64) {
        while self.stretches.back().is_some_and(|stretch| stretch.first >= from) {
            self.stretches.pop_back();
        }
        if let Some(last) = self.stretches.back_mut() {
            last.last = last.last.min(from.saturating_sub(1));
        }
    }

    /// Entries before this index are no more.
    pub(crate) fn purge(&mut self, start: u64) {
        while self.stretches.front().is_some_and(|stretch| stretch.last < start) {
            self.stretches.pop_front();
        }
    }

    /// The first entry that is counted, and the bytes of all that are.
    pub(crate) fn counted(&self) -> Option<(u64, u64)> {
        let first = self.stretches.front()?.first;
        Some((first, self.stretches.iter().map(|stretch| stretch.bytes).sum()))
    }

    /// The index up to which entries are to go, so that those from there to `upto` hold about `keep` bytes at most.
    pub(crate) fn beyond(&self, upto: u64, keep: u64) -> Option<u64> {
        let mut bytes = 0;
        let mut older = self.stretches.iter().rev().skip_while(|stretch| stretch.last > upto);
        older
            .find(|stretch| {
                bytes += stretch.bytes;
                bytes > keep
            })
            .map(|stretch| stretch.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F8.
    #[test]
    fn the_margin_is_counted_in_bytes() {
        let mut sizes = LogSizes::default();
        assert_eq!(sizes.beyond(100, 0), None);
        assert_eq!(sizes.counted(), None);
        for index in 1..=100 {
            sizes.push(index, 100 << 10);
        }
        assert_eq!(sizes.beyond(100, 20 << 20), None);
        assert_eq!(sizes.counted(), Some((1, 100 * (100 << 10))));
        assert_eq!(sizes.beyond(100, 1 << 20), Some(90));
        assert_eq!(sizes.beyond(50, 1 << 20), Some(40), "what is not flushed stays anyway, and does not count");
        assert_eq!(sizes.beyond(100, 0), Some(100));
        sizes.purge(91);
        assert_eq!(sizes.counted(), Some((91, 10 * (100 << 10))));
        assert_eq!(sizes.beyond(100, 1 << 20), None);
        sizes.truncate(96);
        assert_eq!(sizes.beyond(100, 400 << 10), Some(91));
        for index in 96..10_000 {
            sizes.push(index, 100);
        }
        assert!(sizes.stretches.len() < 20);
    }
}
