//! Decoded states of hot executions: one cache of the whole node, within a budget of bytes, however many shards it leads.

use quick_cache::{Weighter, sync::Cache};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tenure_engine::{Op, RowKey, RunKey, WriteSet, info::ExecutionInfo, state::ExecutionState};

/// What is decoded of a core row and of what the start fixed takes about this many times its encoding, beside the structs themselves.
const DECODED: u64 = 4;
/// What an entry costs besides: its structs, the empty tables in them, its key, and its places in the cache's tables.
const OVERHEAD: u64 = (size_of::<ExecutionState>() + size_of::<ExecutionInfo>()) as u64 + 1024;
/// An average entry; the cache reserves its table by it.
const TYPICAL: u64 = 4096;

/// The node's cache.
pub(crate) struct StateCache {
    states: Cache<Key, Cached, Weigh>,
    leaders: AtomicU64,
}

/// A leader's part of the cache; its states leave with it.
///
/// Filled by the lanes alone, after apply; whoever is not in the lane of a workflow id reads rows instead.
pub(crate) struct LeaderStates {
    cache: Arc<StateCache>,
    leader: u64,
}

/// A run of one leader: the next one of its shard must not find what the last one left.
type Key = (u64, RunKey);

#[derive(Clone)]
struct Cached {
    state: Arc<ExecutionState>,
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
    pub(crate) fn get(&self, run: &RunKey) -> Option<Arc<ExecutionState>> {
        self.cache.states.get(&(self.leader, run.clone())).map(|cached| cached.state)
    }

    /// The rows were applied, and hold these states. Those of closed runs are hardly read any more.
    pub(crate) fn applied(&self, writes: &WriteSet, states: Vec<(RunKey, Arc<ExecutionState>)>) {
        let size = |run: &RunKey| {
            writes.ops.iter().rev().find_map(|op| match op {
                Op::Put(RowKey::Execution(key), value) if key == run => Some(Some(value.len() as u64)),
                Op::Delete(RowKey::Execution(key)) if key == run => Some(None),
                _ => None,
            })
        };
        for op in &writes.ops {
            if let Op::Delete(RowKey::Execution(run)) = op {
                self.cache.states.remove(&(self.leader, run.clone()));
            }
        }
        for (run, state) in states {
            let core = size(&run).flatten().filter(|_| state.is_running());
            let key = (self.leader, run);
            match core {
                Some(core) => {
                    let rows = core + state.info.row_bytes() as u64;
                    let bytes = rows * DECODED + state.pending_bytes() as u64 + OVERHEAD;
                    self.cache.states.insert(key, Cached { state, bytes });
                }
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
