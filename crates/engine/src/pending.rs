//! Pending things of one kind (activities, timers, buffered events), by event id.
//!
//! The first few live in the execution's core row; more spill into rows of their own, so that a command's cost
//! follows what it touches. What has a row of its own keeps it.

use crate::{
    codec::{self, DecodeError},
    key::RunKey,
    rows::{Op, PendingKind, RowKey},
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many things of a kind the core row holds.
const INLINE: usize = 8;

#[derive(Clone, Debug)]
pub struct Pending<T> {
    things: BTreeMap<i64, Thing<T>>,
    spilled: usize,
    /// Ids whose rows this transition has to write or delete.
    dirty: BTreeSet<i64>,
}

#[derive(Clone, Debug)]
struct Thing<T> {
    value: Arc<T>,
    spilled: bool,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Pending { things: BTreeMap::new(), spilled: 0, dirty: BTreeSet::new() }
    }
}

/// Equal when the same things are pending, wherever they live.
impl<T: PartialEq> PartialEq for Pending<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T> Pending<T> {
    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    pub fn get(&self, id: i64) -> Option<&T> {
        self.things.get(&id).map(|thing| &*thing.value)
    }

    /// In the order of ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        self.things.iter().map(|(&id, thing)| (id, &*thing.value))
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.things.values().map(|thing| &*thing.value)
    }

    pub fn ids(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.things.keys().copied()
    }

    /// # Panics
    /// When something is pending under this id: event ids are never used twice.
    pub fn insert(&mut self, id: i64, value: T) {
        let spilled = self.things.len() - self.spilled >= INLINE;
        self.place(id, value, spilled);
    }

    /// As [`Pending::insert`] for a large thing, which gets a row of its own in any case.
    pub fn insert_large(&mut self, id: i64, value: T) {
        self.place(id, value, true);
    }

    /// Moves a thing that has become large into a row of its own.
    pub fn spill(&mut self, id: i64) {
        if let Some(thing) = self.things.get_mut(&id).filter(|thing| !thing.spilled) {
            thing.spilled = true;
            self.spilled += 1;
            self.dirty.insert(id);
        }
    }

    fn place(&mut self, id: i64, value: T, spilled: bool) {
        if spilled {
            self.spilled += 1;
            self.dirty.insert(id);
        }
        let before = self.things.insert(id, Thing { value: Arc::new(value), spilled });
        assert!(before.is_none(), "{id} is pending already");
    }

    pub fn remove(&mut self, id: i64) -> Option<Arc<T>> {
        let thing = self.things.remove(&id)?;
        if thing.spilled {
            self.spilled -= 1;
            self.dirty.insert(id);
        }
        Some(thing.value)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for (id, thing) in std::mem::take(&mut self.things) {
            if thing.spilled {
                self.dirty.insert(id);
            }
        }
        self.spilled = 0;
    }
}

impl<T: Clone> Pending<T> {
    pub fn get_mut(&mut self, id: i64) -> Option<&mut T> {
        let thing = self.things.get_mut(&id)?;
        if thing.spilled {
            self.dirty.insert(id);
        }
        Some(Arc::make_mut(&mut thing.value))
    }
}

impl<T: Serialize> Pending<T> {
    /// The writes of the rows that changed since the last call.
    pub(crate) fn take_writes(&mut self, run: &RunKey, kind: PendingKind) -> Vec<Op> {
        let row = |id| RowKey::Pending { run: run.clone(), kind, id };
        std::mem::take(&mut self.dirty)
            .into_iter()
            .map(|id| match self.things.get(&id) {
                Some(thing) => Op::Put(row(id), codec::encode(&*thing.value)),
                None => Op::Delete(row(id)),
            })
            .collect()
    }
}

impl<T: DeserializeOwned> Pending<T> {
    /// How many rows [`Pending::load`] has to be given after the core row was decoded.
    pub(crate) fn missing(&self) -> usize {
        self.spilled - self.things.values().filter(|thing| thing.spilled).count()
    }

    pub(crate) fn load(&mut self, rows: Vec<(i64, Bytes)>) -> Result<(), DecodeError> {
        for (id, value) in rows {
            let value = Arc::new(codec::decode(&value)?);
            self.things.insert(id, Thing { value, spilled: true });
        }
        Ok(())
    }
}

/// The core row's part: what is inline, and how many rows there are besides.
impl<T: Serialize> Serialize for Pending<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inline: Vec<(i64, &T)> =
            self.things.iter().filter(|(_, thing)| !thing.spilled).map(|(&id, thing)| (id, &*thing.value)).collect();
        (inline, self.spilled).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pending<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (inline, spilled) = <(Vec<(i64, T)>, usize)>::deserialize(deserializer)?;
        let things =
            inline.into_iter().map(|(id, value)| (id, Thing { value: Arc::new(value), spilled: false })).collect();
        Ok(Pending { things, spilled, dirty: BTreeSet::new() })
    }
}
