//! Items of many shards, each in order, become one page in order.

use crate::seam::{
    question::{Budget, Item, StepPlace},
    replica::ShardId,
};
use bytes::Bytes;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};
use tenure_limits::{LIST_PAGE, STEP_ROWS};

/// By so many standard deviations a shard is asked for more items than its share of a page: runs are spread over shards by
/// chance, and a further step costs more than some items that the next page brings again.
const DEVIATIONS: usize = 3;

/// Where a shard's items go on: strictly after the place, or at their beginning.
pub(crate) type After = Option<Bytes>;

/// The items of a page that one of so many shards has, and hardly ever more.
fn share_of(room: usize, shards: usize) -> usize {
    let mean = room.div_ceil(shards);
    (mean + DEVIATIONS * (mean.isqrt() + 1)).min(room)
}

/// A page in the making.
pub(crate) struct Merge {
    cursors: Vec<Cursor>,
    items: Vec<Item>,
    bytes: usize,
    size: usize,
}

/// One shard's items that are not in the page yet.
struct Cursor {
    shard: ShardId,
    /// All items up to here are in this page or in earlier ones.
    taken: After,
    ahead: VecDeque<Item>,
    read: Read,
}

/// How far a shard has answered.
enum Read {
    To(After),
    All,
}

/// The next step of a shard that the page cannot go on without.
pub(crate) struct Wanted {
    /// Which one of the shards, for [`Merge::add`].
    pub(crate) cursor: usize,
    pub(crate) step: StepPlace,
}

impl Cursor {
    /// Where the next step begins, if all that was read is in the page and there may be more.
    fn dry(&self) -> Option<&After> {
        match &self.read {
            Read::To(after) if self.ahead.is_empty() => Some(after),
            _ => None,
        }
    }

    /// Where the next page goes on, once everything up to `seen` was there to be seen; `None` if nothing is left.
    fn next(self, seen: &After) -> Option<(ShardId, After)> {
        let after = match (self.ahead.front(), self.read) {
            // Shards that stand at the same place share it in the token.
            (Some(head), _) if Some(&head.place) > seen.as_ref() => self.taken.max(seen.clone()),
            (Some(_), _) => self.taken,
            (None, Read::To(after)) => after,
            (None, Read::All) => return None,
        };
        Some((self.shard, after))
    }
}

impl Merge {
    /// A page of so many items at most; it is closed early when they are large.
    pub(crate) fn new(places: Vec<(ShardId, After)>, size: usize) -> Merge {
        let begin = |(shard, after): (ShardId, After)| Cursor {
            shard,
            taken: after.clone(),
            ahead: VecDeque::new(),
            read: Read::To(after),
        };
        Merge { cursors: places.into_iter().map(begin).collect(), items: Vec::new(), bytes: 0, size: size.max(1) }
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.size || self.bytes >= LIST_PAGE
    }

    /// The steps that are to be asked for; none once the page is complete. Together they bring about as much as the page
    /// has room for.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        if self.is_full() {
            return Vec::new();
        }
        let dry = || self.cursors.iter().enumerate().filter_map(|(cursor, it)| Some((cursor, it.shard, it.dry()?)));
        let shards = dry().count().max(1);
        let room = self.size - self.items.len();
        let ahead: usize = self.cursors.iter().flat_map(|cursor| &cursor.ahead).map(Item::size).sum();
        let budget = Budget {
            items: share_of(room, shards) as u64,
            bytes: (LIST_PAGE.saturating_sub(ahead) / shards) as u64,
            rows: STEP_ROWS as u64,
        };
        let step = |shard, after: &After| StepPlace { shard, after: after.clone(), budget };
        dry().map(|(cursor, shard, after)| Wanted { cursor, step: step(shard, after) }).collect()
    }

    /// Takes the step that was wanted.
    pub(crate) fn add(&mut self, cursor: usize, items: Vec<Item>, next: After) {
        let cursor = &mut self.cursors[cursor];
        debug_assert!(cursor.dry().is_some(), "a step was wanted of the shard");
        cursor.ahead.extend(items);
        cursor.read = next.map_or(Read::All, |next| Read::To(Some(next)));
    }

    /// Moves items into the page, as long as nothing that is not read yet can come before them.
    pub(crate) fn advance(&mut self) {
        // Everything up to here was read of all shards; `None`: everything.
        let mut known = self.dry_to().cloned();
        let head = |(index, cursor): (usize, &Cursor)| Some(Reverse((cursor.ahead.front()?.place.clone(), index)));
        let mut heads: BinaryHeap<_> = self.cursors.iter().enumerate().filter_map(head).collect();
        while !self.is_full()
            && let Some(Reverse((place, index))) = heads.pop()
            && known.as_ref().is_none_or(|known| Some(&place) <= known.as_ref())
        {
            let cursor = &mut self.cursors[index];
            let item = cursor.ahead.pop_front().expect("its head is in the heap");
            cursor.taken = Some(place);
            self.bytes += item.size();
            self.items.push(item);
            match cursor.ahead.front() {
                Some(next) => heads.push(Reverse((next.place.clone(), index))),
                None => known = self.dry_to().cloned(),
            }
        }
    }

    /// The least place that a shard was read to of which the next step is wanted.
    fn dry_to(&self) -> Option<&After> {
        self.cursors.iter().filter_map(Cursor::dry).min()
    }

    /// The page, and where the shards go on that are not done.
    pub(crate) fn finish(self) -> (Vec<Item>, Vec<(ShardId, After)>) {
        let last = self.items.last().map(|item| item.place.clone());
        let seen = if self.is_full() { last } else { self.dry_to().cloned().unwrap_or(last) };
        let places = self.cursors.into_iter().filter_map(|cursor| cursor.next(&seen)).collect();
        (self.items, places)
    }
}
