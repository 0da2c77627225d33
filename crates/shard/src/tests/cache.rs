//! The node's cache of decoded states.

use super::{options, whole};
use crate::leader::cache::{LeaderStates, StateCache};
use std::sync::Arc;
use tenure_engine::{Op, RowKey, RunKey, WriteSet, state::ExecutionState, subject::WrittenState};
use uuid::Uuid;

const BUDGET: u64 = 1 << 20;

async fn state() -> (RunKey, Arc<ExecutionState>) {
    let (_cluster, leader, workflow, _) = whole::started(&options()).await;
    leader.execution(&workflow, None).await.unwrap()
}

fn put(states: &LeaderStates, run: &RunKey, state: &Arc<ExecutionState>) {
    let bytes = Some(size_of::<ExecutionState>() as u64 + 1024);
    states.applied(&WriteSet::default(), vec![WrittenState { subject: run.into(), state: state.clone(), bytes }]);
}

/// F89.
#[tokio::test]
async fn all_leaders_of_a_node_share_one_budget_and_leave_nothing_behind() {
    let cache = StateCache::new(BUDGET);
    let leaders: Vec<_> = (0..64).map(|_| cache.leader()).collect();
    let (run, state) = state().await;
    for leader in &leaders {
        for n in 0..100 {
            put(leader, &run.workflow.run(Uuid::from_u128(n)), &state);
        }
    }
    assert!((BUDGET / 2..=BUDGET).contains(&cache.bytes()), "{}", cache.bytes());
    drop(leaders);
    assert_eq!(cache.bytes(), 0);
}

#[tokio::test]
async fn a_leader_finds_what_it_put_there_and_nothing_else() {
    let cache = StateCache::new(BUDGET);
    let (first, second) = (cache.leader(), cache.leader());
    let (run, state) = state().await;
    put(&first, &run, &state);
    assert!(first.get(&(&run).into()).is_some());
    assert!(second.get(&(&run).into()).is_none());
    let deleted = WriteSet { ops: vec![Op::Delete(RowKey::Execution(run.clone()))] };
    first.applied(&deleted, Vec::new());
    assert!(first.get(&(&run).into()).is_none());
}
