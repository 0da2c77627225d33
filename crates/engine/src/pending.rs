//! Pending things of one kind (activities, timers, buffered events), by event id and by their own keys.
//!
//! The first few live in the execution's core row; more spill into rows of their own, and a thing with a row of its own
//! keeps it. In memory the copies of a state share what they have in common. So a command costs what it touches,
//! however much is pending beside it: copying is constant, finding and changing one thing is logarithmic.

mod shared_map;

use crate::{
    codec::{self, DecodeError},
    key::RunKey,
    row::{Op, PendingKind, RowKey},
};
use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteSlice, decode, encode, encode::Write};
use shared_map::SharedMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::{Deref, DerefMut, RangeInclusive},
    sync::Arc,
};

/// The number of things of a kind that the core row holds.
const MAX_INLINE: usize = 8;

/// The approximate size in bytes of the map nodes that lead to one thing.
const NODE_BYTES: usize = 128;

/// A pending thing, which is found by keys besides its event id.
pub trait Keyed {
    /// The type of its keys. Keys of one sort sort together, so that they can be walked in order (deadlines).
    type Key: Ord + Clone + fmt::Debug;

    fn keys(&self) -> impl IntoIterator<Item = Self::Key>;

    /// The approximate size in bytes of what it holds besides its own fields.
    fn heap_bytes(&self) -> usize;
}

/// The key of things that are found by event id alone.
pub(crate) type NoKey = std::convert::Infallible;

/// The pending things of one kind.
#[derive(Clone)]
pub struct Pending<T: Keyed> {
    things: SharedMap<i64, Arc<T>>,
    index: SharedMap<(T::Key, i64), ()>,
    /// The things in the core row, in their encoding.
    inline: Arc<BTreeMap<i64, Bytes>>,
    /// The number of things that have a row of their own.
    spilled: usize,
    /// The approximate size in bytes of all of them in memory.
    bytes: usize,
    /// The ids of the things that this transition has to encode again, or whose rows it has to delete.
    dirty: BTreeSet<i64>,
}

impl<T: Keyed> Default for Pending<T> {
    fn default() -> Self {
        Pending {
            things: SharedMap::default(),
            index: SharedMap::default(),
            inline: Arc::default(),
            spilled: 0,
            bytes: 0,
            dirty: BTreeSet::new(),
        }
    }
}

/// Shows the things by their ids, wherever they live.
impl<T: Keyed + fmt::Debug> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Two are equal when the same things are pending, wherever they live, and as many rows are still to be read.
impl<T: Keyed + PartialEq> PartialEq for Pending<T> {
    fn eq(&self, other: &Self) -> bool {
        self.missing() == other.missing() && self.iter().eq(other.iter())
    }
}

impl<T: Keyed> Pending<T> {
    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.things.len() == 0
    }

    /// The number of rows that have to be loaded after the core row was decoded.
    pub(crate) fn missing(&self) -> usize {
        self.spilled.saturating_add(self.inline.len()).abs_diff(self.things.len())
    }

    /// The approximate size in bytes of the things in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn bytes_of(thing: &T) -> usize {
        NODE_BYTES + size_of::<T>() + thing.heap_bytes()
    }

    pub fn get(&self, id: i64) -> Option<&T> {
        self.things.get(&id).map(|thing| &**thing)
    }

    /// The things in the order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        self.things.iter().map(|(&id, thing)| (id, &**thing))
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.iter().map(|(_, thing)| thing)
    }

    pub fn ids(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.iter().map(|(id, _)| id)
    }

    /// The id of the first thing with this key.
    pub fn find(&self, key: &T::Key) -> Option<i64> {
        self.range(key.clone()..=key.clone()).next().map(|(_, id)| id)
    }

    /// The keys in order, with the ids of the things that have them; things with the same key in the order of ids.
    pub fn range(&self, keys: RangeInclusive<T::Key>) -> impl Iterator<Item = (&T::Key, i64)> {
        let (from, to) = keys.into_inner();
        self.index
            .iter_from(&(from, i64::MIN))
            .map(|((key, id), ())| (key, *id))
            .take_while(move |(key, _)| **key <= to)
    }

    /// Adds a thing, in the core row if that has room.
    ///
    /// # Panics
    ///
    /// When something is pending under this id: event ids are never used twice.
    pub fn insert(&mut self, id: i64, value: T) {
        self.place(id, value, self.inline.len() >= MAX_INLINE);
    }

    /// Adds a large thing, which gets a row of its own in any case. Panics as [`Pending::insert`] does.
    pub fn insert_large(&mut self, id: i64, value: T) {
        self.place(id, value, true);
    }

    fn place(&mut self, id: i64, value: T, spilled: bool) {
        assert!(self.things.get(&id).is_none(), "{id} is pending already");
        if spilled {
            self.spilled += 1;
        } else {
            Arc::make_mut(&mut self.inline).insert(id, Bytes::new());
        }
        self.dirty.insert(id);
        self.put(id, Arc::new(value));
    }

    /// Moves a thing that has become large into a row of its own.
    pub fn spill(&mut self, id: i64) {
        if self.inline.contains_key(&id) {
            Arc::make_mut(&mut self.inline).remove(&id);
            self.spilled += 1;
            self.dirty.insert(id);
        }
    }

    pub fn remove(&mut self, id: i64) -> Option<Arc<T>> {
        let thing = self.things.get(&id)?.clone();
        self.things.remove(&id);
        self.bytes -= Self::bytes_of(&thing);
        for key in thing.keys() {
            self.index.remove(&(key, id));
        }
        if self.inline.contains_key(&id) {
            Arc::make_mut(&mut self.inline).remove(&id);
            self.dirty.remove(&id);
        } else {
            self.spilled -= 1;
            self.dirty.insert(id);
        }
        Some(thing)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        let ids: Vec<i64> = self.ids().collect();
        for id in ids {
            self.remove(id);
        }
    }

    fn put(&mut self, id: i64, thing: Arc<T>) {
        if let Some(before) = self.things.get(&id) {
            self.bytes -= Self::bytes_of(before);
            for key in before.keys() {
                self.index.remove(&(key, id));
            }
        }
        for key in thing.keys() {
            self.index.insert((key, id), ());
        }
        self.bytes += Self::bytes_of(&thing);
        self.things.insert(id, thing);
    }
}

impl<T: Keyed + Clone> Pending<T> {
    /// The thing, to be changed. The change takes effect when the guard is dropped.
    pub fn get_mut(&mut self, id: i64) -> Option<PendingMut<'_, T>> {
        let value = self.things.get(&id)?.clone();
        Some(PendingMut { pending: self, id, value, changed: false })
    }
}

/// A pending thing that is being changed.
pub struct PendingMut<'a, T: Keyed + Clone> {
    pending: &'a mut Pending<T>,
    id: i64,
    value: Arc<T>,
    changed: bool,
}

impl<T: Keyed + Clone> Deref for PendingMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Keyed + Clone> DerefMut for PendingMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        Arc::make_mut(&mut self.value)
    }
}

impl<T: Keyed + Clone> Drop for PendingMut<'_, T> {
    fn drop(&mut self) {
        if self.changed {
            self.pending.dirty.insert(self.id);
            self.pending.put(self.id, self.value.clone());
        }
    }
}

/// The rows of pending things of any kind.
pub(crate) trait PendingRows {
    /// The number of rows that have to be loaded after the core row was decoded.
    fn missing(&self) -> usize;

    /// Loads the rows of a state that is read from disk. `rows` are all rows of the kind.
    fn load(&mut self, kind: PendingKind, rows: Vec<(i64, Bytes)>) -> Result<(), DecodeError>;

    /// Takes the writes of the rows that changed since the last call; the core row is encoded afterwards.
    fn take_writes(&mut self, run: &RunKey, kind: PendingKind) -> Vec<Op>;
}

impl<T: Keyed + Encode<()> + for<'b> Decode<'b, ()>> PendingRows for Pending<T> {
    fn missing(&self) -> usize {
        self.missing()
    }

    fn load(&mut self, kind: PendingKind, rows: Vec<(i64, Bytes)>) -> Result<(), DecodeError> {
        for (id, value) in rows {
            let unreadable = |cause| DecodeError::Row { row: format!("{kind:?} {id}"), cause: Box::new(cause) };
            self.put(id, Arc::new(codec::decode(&value).map_err(unreadable)?));
        }
        Ok(())
    }

    fn take_writes(&mut self, run: &RunKey, kind: PendingKind) -> Vec<Op> {
        let row = |id| RowKey::Pending { run: run.clone(), kind, id };
        let mut ops = Vec::new();
        for id in std::mem::take(&mut self.dirty) {
            let encoded = self.things.get(&id).map(|thing| codec::encode(&**thing));
            match (self.inline.contains_key(&id), encoded) {
                (true, Some(encoded)) => _ = Arc::make_mut(&mut self.inline).insert(id, encoded),
                (false, Some(encoded)) => ops.push(Op::Put(row(id), encoded)),
                (_, None) => ops.push(Op::Delete(row(id))),
            }
        }
        ops
    }
}

/// The part of the core row that holds the pending things of a kind.
#[derive(Encode, Decode)]
struct InCore<'a> {
    /// The things that are in the core row, each in its encoding, by id.
    #[b(0)]
    inline: BTreeMap<i64, &'a ByteSlice>,
    /// The number of things that have rows of their own.
    #[n(1)]
    spilled: usize,
}

impl<C, T: Keyed> Encode<C> for Pending<T> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, cx: &mut C) -> Result<(), encode::Error<W::Error>> {
        debug_assert!(self.dirty.is_empty(), "what changed is encoded first");
        let inline = self.inline.iter().map(|(&id, value)| (id, <&ByteSlice>::from(&**value))).collect();
        InCore { inline, spilled: self.spilled }.encode(to, cx)
    }
}

impl<'b, C, T: Keyed + for<'t> Decode<'t, ()>> Decode<'b, C> for Pending<T> {
    fn decode(from: &mut Decoder<'b>, cx: &mut C) -> Result<Self, decode::Error> {
        let InCore { inline, spilled } = InCore::decode(from, cx)?;
        let mut pending = Pending { spilled, ..Pending::default() };
        for (&id, value) in &inline {
            pending.put(id, Arc::new(codec::decode(value).map_err(decode::Error::message)?));
        }
        pending.inline = Arc::new(inline.into_iter().map(|(id, value)| (id, Bytes::copy_from_slice(value))).collect());
        Ok(pending)
    }
}
