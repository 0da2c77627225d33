//! What gathers for a place while the message before it is under way.

use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash};

/// Things `T` for places `K`.
pub(crate) struct Batches<K, T>(Mutex<HashMap<K, Vec<T>>>);

impl<K, T> Default for Batches<K, T> {
    fn default() -> Self {
        Batches(Mutex::default())
    }
}

impl<K: Eq + Hash, T> Batches<K, T> {
    /// True if nothing is under way to the place: the caller sends what [`Batches::take`] gives, until that gives nothing.
    pub(crate) fn add(&self, place: K, thing: T) -> bool {
        use std::collections::hash_map::Entry;
        match self.0.lock().entry(place) {
            Entry::Occupied(mut things) => {
                things.get_mut().push(thing);
                false
            }
            Entry::Vacant(things) => {
                things.insert(vec![thing]);
                true
            }
        }
    }

    /// What has gathered; `None` when nothing has, and the sender is done.
    pub(crate) fn take(&self, place: K) -> Option<Vec<T>> {
        let mut places = self.0.lock();
        let things = std::mem::take(places.get_mut(&place)?);
        if things.is_empty() {
            places.remove(&place);
            return None;
        }
        Some(things)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_takes_all_that_gathers() {
        let batches = Batches::default();
        assert!(batches.add(1, "a"));
        assert_eq!(batches.take(1), Some(vec!["a"]));
        assert!(!batches.add(1, "b") && !batches.add(1, "c"), "the first message is under way");
        assert!(batches.add(2, "d"));
        assert_eq!(batches.take(1), Some(vec!["b", "c"]));
        assert_eq!(batches.take(1), None);
        assert!(batches.add(1, "e"), "the sender is done");
    }
}
