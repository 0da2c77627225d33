//! What is written for a workflow: row writes are what costs.

use super::{complete_workflow, timer};
use crate::{
    command::{ActivityRef, Poll, Reply, ShardCommand, StartTask},
    key::TaskKind,
    rows::Op,
    testing::Sim,
    token::TaskToken,
};
use expect_test::expect;
use tenure_api::{
    command::v1::{ScheduleActivityTaskCommandAttributes, command::Attributes as Verb},
    common::v1::ActivityType,
    taskqueue::v1::TaskQueue,
};

/// Ops of each entry of the log, by table.
fn entries(sim: &Sim) -> String {
    let name = |op: &Op| {
        let (verb, key) = match op {
            Op::Put(key, _) => ("put", key),
            Op::Delete(key) => ("del", key),
            Op::Merge(key, _) => ("add", key),
        };
        let key = format!("{key:?}");
        format!("{verb} {}", key.split([' ', '(']).next().unwrap_or_default())
    };
    let entry = |set: &crate::rows::WriteSet| {
        let ops: Vec<String> = set.ops.iter().map(name).collect();
        format!("{}: {}\n", ops.len(), ops.join(", "))
    };
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
        6: put Current, put RequestId, put History, put Ready, add Backlog, put Execution
        5: put History, del Ready, add Backlog, put Timer, put Execution
        4: put History, del Timer, put Timer, put Execution
        5: put History, put Ready, add Backlog, del Timer, put Execution
        5: put History, del Ready, add Backlog, put Timer, put Execution
        3: put History, del Timer, put Execution
    "#]]
    .assert_eq(&entries(&sim));
}

#[test]
fn a_workflow_with_one_activity() {
    let mut sim = Sim::started();
    let task = sim.poll();
    let schedule = ScheduleActivityTaskCommandAttributes {
        activity_id: "1".into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..Default::default()
    };
    sim.complete(&task, vec![Verb::ScheduleActivityTaskCommandAttributes(schedule)]).unwrap();
    let ready = sim.ready(TaskKind::Activity).remove(0);
    let start = StartTask { run_id: ready.run.run_id, stamp: ready.stamp, poll: Poll::default() };
    let Ok(Reply::ActivityTaskStarted(started)) = sim.run(ShardCommand::StartActivityTask(start)) else {
        panic!("not started")
    };
    let activity = ActivityRef::Token(TaskToken::decode(&started.task_token).unwrap());
    sim.run(ShardCommand::CompleteActivity { activity, request: Box::default() }).unwrap();
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    expect![[r#"
        6: put Current, put RequestId, put History, put Ready, add Backlog, put Execution
        5: put History, del Ready, add Backlog, put Timer, put Execution
        4: put History, put Ready, add Backlog, put Execution
        3: del Ready, add Backlog, put Execution
        4: put History, put Ready, add Backlog, put Execution
        4: put History, del Ready, add Backlog, put Execution
        3: put History, del Timer, put Execution
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
