//! The rows that are written for a workflow: row writes are what costs.

use super::{complete_workflow, timer};
use crate::{
    command::{ActivityRef, Poll, Reply, ShardCommand, StartTask},
    key::TaskKind,
    rows::{Op, RowKey, WriteSet},
    testing::{Sim, load::PendingActivities, schedule_activity, start_request},
    token::TaskToken,
};
use expect_test::expect;
use std::sync::Arc;
use tenure_api::{
    common::v1::{Memo, Payload},
    workflowservice::v1::StartWorkflowExecutionRequest,
};

/// Ops of an entry, by table.
fn entry(set: &WriteSet) -> String {
    let name = |op: &Op| {
        let (verb, key) = match op {
            Op::Put(key, _) => ("put", key),
            Op::Delete(key) => ("del", key),
        };
        let key = format!("{key:?}");
        format!("{verb} {}", key.split([' ', '(']).next().unwrap_or_default())
    };
    let ops: Vec<String> = set.ops.iter().map(name).collect();
    format!("{}: {}\n", ops.len(), ops.join(", "))
}

fn entries(sim: &Sim) -> String {
    sim.log.iter().map(entry).collect()
}

#[test]
fn a_workflow_that_sleeps_once() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![timer("t", 1)]).unwrap();
    sim.advance(std::time::Duration::from_secs(1));
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    expect![[r#"
        11: put Current, put RequestId, put History, put Ready, put Record, put Index, put Index, put Index, put Index, put Index, put Execution
        4: put History, del Ready, put Timer, put Execution
        4: put History, del Timer, put Timer, put Execution
        4: put History, put Ready, del Timer, put Execution
        4: put History, del Ready, put Timer, put Execution
        16: put History, del Timer, put Timer, del Record, del Index, del Index, del Index, del Index, del Index, put Record, put Index, put Index, put Index, put Index, put Index, put Execution
    "#]]
    .assert_eq(&entries(&sim));
}

#[test]
fn a_workflow_with_one_activity() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![schedule_activity("1")]).unwrap();
    let ready = sim.ready(TaskKind::Activity).remove(0);
    let start = StartTask::of(&ready, Poll::default());
    let Ok(Reply::ActivityTaskStarted(started)) = sim.run(ShardCommand::StartActivityTask(start)) else {
        panic!("not started")
    };
    let activity = ActivityRef::Token(TaskToken::decode(&started.task_token).unwrap());
    sim.run(ShardCommand::CompleteActivity { activity, request: Arc::default() }).unwrap();
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    expect![[r#"
        11: put Current, put RequestId, put History, put Ready, put Record, put Index, put Index, put Index, put Index, put Index, put Execution
        4: put History, del Ready, put Timer, put Execution
        3: put History, put Ready, put Execution
        2: del Ready, put Execution
        3: put History, put Ready, put Execution
        3: put History, del Ready, put Execution
        16: put History, del Timer, put Timer, del Record, del Index, del Index, del Index, del Index, del Index, put Record, put Index, put Index, put Index, put Index, put Index, put Execution
    "#]]
    .assert_eq(&entries(&sim));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 ACTIVITY_TASK_SCHEDULED 1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by
        7 ACTIVITY_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 WORKFLOW_TASK_STARTED scheduled=8
        10 WORKFLOW_TASK_COMPLETED scheduled=8 started=9
        11 WORKFLOW_EXECUTION_COMPLETED task=10
    "#]]
    .assert_eq(&sim.history());
}

/// F43.
#[test]
fn a_large_memo_is_written_once() {
    const BYTES: usize = 100 << 10;
    let payload = Payload { data: vec![7; BYTES].into(), ..Default::default() };
    let memo = Memo { fields: [("m".to_owned(), payload)].into() };
    let mut sim = Sim::default();
    sim.start(StartWorkflowExecutionRequest { memo: Some(memo), ..start_request() });
    let task = sim.poll();
    sim.complete(&task, vec![timer("t", 1)]).unwrap();
    let large = |set: &WriteSet| {
        let values =
            set.ops.iter().filter_map(|op| if let Op::Put(key, value) = op { Some((key, value)) } else { None });
        let large = values.filter(|(_, value)| value.len() >= BYTES).map(|(key, _)| key.clone());
        large.collect::<Vec<_>>()
    };
    let run = sim.current_run();
    let expected = [RowKey::History { run: run.clone(), first_event_id: 1 }, RowKey::Info(run)];
    assert_eq!(large(&sim.log[0]), expected);
    assert!(sim.log.len() > 2);
    for entry in &sim.log[1..] {
        assert_eq!(large(entry), []);
    }
}

#[test]
fn a_signal_costs_the_same_however_much_is_pending() {
    let ops = |timers: i64| {
        let mut sim = Sim::started();
        let task = sim.poll();
        sim.complete(&task, (0..timers).map(|i| timer(&i.to_string(), 1000)).collect()).unwrap();
        sim.signal("first, which makes a task");
        sim.signal("a");
        let last = sim.log.last().unwrap();
        let bytes: usize = last.ops.iter().map(|op| if let Op::Put(_, value) = op { value.len() } else { 0 }).sum();
        (last.ops.len(), bytes)
    };
    let (few, many) = (ops(8), ops(500));
    assert_eq!(few.0, many.0);
    assert!(many.1 < few.1 + 16, "{many:?} against {few:?}");
}

#[test]
fn an_activity_ends_at_the_same_cost_however_many_are_pending() {
    let writes = |count, started| {
        let writes = PendingActivities::new(count, started).complete().writes;
        let bytes: usize = writes.ops.iter().map(|op| if let Op::Put(_, value) = op { value.len() } else { 0 }).sum();
        (entry(&writes), bytes)
    };
    let (alone, _) = writes(1, 0);
    expect!["3: put History, put Ready, put Execution\n"].assert_eq(&alone);
    let (inline, few) = writes(8, 0);
    assert_eq!(inline, alone);
    let (inline, many) = writes(2000, 0);
    assert_eq!(inline, alone);
    assert!(many < few + 16, "{many} bytes against {few}");
    // What has a row of its own takes that row with it, and no other.
    let (spilled, many) = writes(2000, 1999);
    expect!["4: put History, put Ready, del Pending, put Execution\n"].assert_eq(&spilled);
    assert!(many < few * 9 / 8 + 16, "{many} bytes against {few}");
}

/// The best of many tries, because tests share their machine; `cargo bench` measures.
#[test]
fn an_activity_ends_as_fast_however_many_are_pending() {
    let (alone, among_many) = (PendingActivities::new(1, 0), PendingActivities::new(2000, 1999));
    let ratio = || among_many.time(200).as_secs_f64() / alone.time(200).as_secs_f64();
    let best = (0..20).map(|_| ratio()).fold(f64::INFINITY, f64::min);
    assert!(best < 2.0, "{best:.1} times as long");
}
