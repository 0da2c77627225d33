//! Decoded states of hot executions, within a budget of bytes.

use quick_cache::{Weighter, sync::Cache};
use std::sync::Arc;
use tenure_engine::{Op, RowKey, RunKey, WriteSet, state::ExecutionState};

/// A decoded state takes about this many times its encoding.
const DECODED: u64 = 4;
/// What an entry costs besides.
const OVERHEAD: u64 = 256;

/// Filled by the lanes alone, after apply; whoever is not in the lane of a workflow id reads rows instead.
pub(crate) struct StateCache(Cache<RunKey, Cached, Weigh>);

#[derive(Clone)]
struct Cached {
    state: Arc<ExecutionState>,
    bytes: u64,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<RunKey, Cached> for Weigh {
    fn weight(&self, _: &RunKey, cached: &Cached) -> u64 {
        cached.bytes
    }
}

impl StateCache {
    pub(crate) fn new(budget: u64) -> Self {
        StateCache(Cache::with_weighter((budget / 4096) as usize + 1, budget, Weigh))
    }

    pub(crate) fn get(&self, run: &RunKey) -> Option<Arc<ExecutionState>> {
        self.0.get(run).map(|cached| cached.state)
    }

    /// The rows were applied, and hold these states.
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
                self.0.remove(run);
            }
        }
        for (run, state) in states {
            match size(&run).flatten() {
                Some(bytes) => self.0.insert(run, Cached { state, bytes: bytes * DECODED + OVERHEAD }),
                None => _ = self.0.remove(&run),
            }
        }
    }
}
