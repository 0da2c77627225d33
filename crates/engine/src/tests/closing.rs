//! Ends of runs that no worker asked for, and what a closed run answers.

use super::{check, check_error, complete_workflow, timer};
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    rows::RowKey,
    testing::{Sim, start_request},
};
use expect_test::expect;
use std::time::Duration;
use tenure_api::workflowservice::v1 as api;
use uuid::Uuid;

#[test]
fn a_terminated_run_fails_its_task_and_tells_what_waited() {
    check(
        |sim| {
            sim.poll();
            sim.signal("a");
            sim.terminate().unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ForceCloseCommand
            5 WORKFLOW_EXECUTION_SIGNALED a
            6 WORKFLOW_EXECUTION_TERMINATED "enough"
        "#]],
    );
    check(
        |sim| drop(sim.terminate().unwrap()),
        expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_EXECUTION_TERMINATED "enough"
    "#]],
    );
}

#[test]
fn a_run_ends_when_its_time_is_up() {
    let mut sim = Sim::default();
    sim.start(api::StartWorkflowExecutionRequest {
        workflow_run_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        ..start_request()
    });
    let task = sim.poll();
    sim.complete(&task, vec![timer("t", 3), timer("late", 60)]).unwrap();
    sim.advance(Duration::from_secs(60));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 5s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 TIMER_STARTED t task=4
        6 TIMER_STARTED late task=4
        7 TIMER_FIRED t started=5
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 5s
        9 WORKFLOW_EXECUTION_TIMED_OUT RetryPolicyNotSet
    "#]]
    .assert_eq(&sim.history());
}

#[test]
fn a_closed_run_leaves_no_tasks_and_only_waits_for_its_removal() {
    let mut sim = Sim::started();
    let task = sim.poll();
    let timers = (0..20).map(|i| timer(&i.to_string(), 60 + i)).collect();
    sim.complete(&task, timers).unwrap();
    sim.signal("a");
    sim.terminate().unwrap();
    let left: Vec<_> = sim
        .rows
        .rows()
        .map(|(key, _)| key)
        .filter(|key| matches!(key, RowKey::Ready { .. } | RowKey::Pending { .. }))
        .collect();
    assert_eq!(left, Vec::<&RowKey>::new());
    let removal = sim.now.plus(sim.retention.unwrap());
    assert_eq!(sim.rows.timers(), [(removal, sim.current_run())]);
}

#[test]
fn a_closed_run_refuses_what_would_change_it() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    let signal = ShardCommand::SignalWorkflow(RunRequest::default());
    check_error(sim.run(signal), expect!["NotFound: workflow execution already completed"]);
    check_error(sim.terminate(), expect!["NotFound: workflow execution already completed"]);
    check_error(sim.complete(&task, vec![]), expect!["NotFound: Workflow task not found."]);
    assert!(matches!(sim.request_cancel(), Ok(Reply::Done)), "it needs no asking");
}

#[test]
fn an_unknown_run_is_named() {
    let unknown = |run_id| ShardCommand::SignalWorkflow(RunRequest { run_id, ..Default::default() });
    check_error(Sim::default().run(unknown(None)), expect!["NotFound: workflow not found for ID: w"]);
    check_error(
        Sim::started().run(unknown(Some(Uuid::from_u128(7)))),
        expect![[
            r#"NotFound: workflow execution not found for workflow ID "w" and run ID "00000000-0000-0000-0000-000000000007""#
        ]],
    );
}

#[test]
fn a_workflow_is_asked_to_cancel_once() {
    check(
        |sim| {
            let task = sim.poll();
            sim.complete(&task, vec![]).unwrap();
            sim.request_cancel().unwrap();
            sim.request_cancel().unwrap();
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
            5 WORKFLOW_EXECUTION_CANCEL_REQUESTED
            6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}
