//! Decoded states of hot subjects: one cache of the whole node, within a budget of bytes, however many shards it leads.

use quick_cache::{Weighter, sync::Cache};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tenure_engine::{
    Op, Subject, WriteSet,
    subject::{SubjectState, WrittenState},
};

/// An average entry; the cache reserves its table by it.
const TYPICAL: u64 = 4096;

/// The node's cache.
pub(crate) struct StateCache {
    states: Cache<Key, Cached, Weigh>,
    leaders: AtomicU64,
}

/// A leader's part of the cache; its states leave with it.
///
/// Filled by the lanes alone, after apply; whoever is not in the lane of a subject reads rows instead.
pub(crate) struct LeaderStates {
    cache: Arc<StateCache>,
    leader: u64,
}

/// A subject of one leader: the next one of its shard must not find what the last one left.
type Key = (u64, Subject);

#[derive(Clone)]
struct Cached {
    state: SubjectState,
    bytes: u64,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Cached> for Weigh {
    fn weight(&self, _: &Key, cached: &Cached) -> u64 {
        cached.bytes
    }
}

impl StateCache {
    pub(crate) fn new(budget: u64) -> Arc<Self> {
        let states = Cache::with_weighter((budget / TYPICAL) as usize + 1, budget, Weigh);
        Arc::new(StateCache { states, leaders: AtomicU64::new(0) })
    }

    pub(crate) fn leader(self: &Arc<Self>) -> LeaderStates {
        LeaderStates { cache: self.clone(), leader: self.leaders.fetch_add(1, Ordering::Relaxed) }
    }

    /// Bytes that all states take, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.states.weight()
    }
}

impl LeaderStates {
    pub(crate) fn get(&self, subject: &Subject) -> Option<SubjectState> {
        self.cache.states.get(&(self.leader, subject.clone())).map(|cached| cached.state)
    }

    /// The rows were applied, and hold these states.
    pub(crate) fn applied(&self, writes: &WriteSet, states: Vec<WrittenState>) {
        for op in &writes.ops {
            if let Op::Delete(key) = op
                && let Some(subject) = key.core_of()
            {
                self.cache.states.remove(&(self.leader, subject));
            }
        }
        for WrittenState { subject, state, bytes } in states {
            let key = (self.leader, subject);
            match bytes {
                Some(bytes) => self.cache.states.insert(key, Cached { state, bytes }),
                None => _ = self.cache.states.remove(&key),
            }
        }
    }
}

impl Drop for LeaderStates {
    fn drop(&mut self) {
        self.cache.states.retain(|(leader, _), _| *leader != self.leader);
    }
}
