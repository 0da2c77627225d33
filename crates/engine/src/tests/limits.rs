//! What happens where a run grows beyond its limits.

use super::{check, check_error};
use crate::{
    command::{Reply, ShardCommand},
    testing::Sim,
};
use expect_test::expect;
use tenure_api::{history::v1::history_event::Attributes, workflowservice::v1 as api};

fn signal(sim: &mut Sim) -> Result<Reply, crate::transition::Refused> {
    sim.run(ShardCommand::SignalWorkflow(Box::new(api::SignalWorkflowExecutionRequest {
        signal_name: "s".into(),
        ..Default::default()
    })))
}

#[test]
fn what_would_make_history_too_long_ends_the_run_instead() {
    let mut sim = Sim::started();
    sim.limits.history_count = 5;
    for _ in 0..3 {
        signal(&mut sim).unwrap();
    }
    check_error(signal(&mut sim), expect!["InvalidArgument: Workflow history count exceeds limit."]);
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_EXECUTION_SIGNALED s
        4 WORKFLOW_EXECUTION_SIGNALED s
        5 WORKFLOW_EXECUTION_SIGNALED s
        6 WORKFLOW_EXECUTION_TERMINATED "Workflow history count exceeds limit."
    "#]]
    .assert_eq(&sim.history());
    check_error(signal(&mut sim), expect!["NotFound: workflow execution already completed"]);
}

#[test]
fn a_completion_that_would_make_history_too_long_fails_its_task() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.limits.history_size = sim.state().history_size as usize + 1;
    check_error(sim.complete(&task, vec![]), expect!["InvalidArgument: Workflow history size exceeds limit."]);
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ForceCloseCommand
        5 WORKFLOW_EXECUTION_TERMINATED "Workflow history size exceeds limit."
    "#]]
    .assert_eq(&sim.history());
}

#[test]
fn too_many_buffered_events_fail_the_task_that_they_wait_for() {
    check(
        |sim| {
            sim.limits.buffered_events = 2;
            let task = sim.poll();
            for _ in 0..2 {
                signal(sim).unwrap();
            }
            assert!(!sim.history().contains("SIGNALED"));
            signal(sim).unwrap();
            check_error(sim.complete(&task, vec![]), expect!["NotFound: Workflow task not found."]);
            assert_eq!(sim.poll().attempt, 2);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ForceCloseCommand
            5 WORKFLOW_EXECUTION_SIGNALED s
            6 WORKFLOW_EXECUTION_SIGNALED s
            7 WORKFLOW_EXECUTION_SIGNALED s
        "#]],
    );
}

#[test]
fn a_payload_that_is_too_large_ends_the_run() {
    check(
        |sim| {
            sim.limits.blob_size = 10;
            let task = sim.poll();
            let data = vec![b'x'; 11].into();
            let result = tenure_api::common::v1::Payloads {
                payloads: vec![tenure_api::common::v1::Payload { data, ..Default::default() }],
            };
            let verb = tenure_api::command::v1::CompleteWorkflowExecutionCommandAttributes { result: Some(result) };
            let verb = tenure_api::command::v1::command::Attributes::CompleteWorkflowExecutionCommandAttributes(verb);
            check_error(
                sim.complete(&task, vec![verb]),
                expect![
                    "InvalidArgument: BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."
                ],
            );
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 BadScheduleActivityAttributes "BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."
            5 WORKFLOW_EXECUTION_TERMINATED "BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."
        "#]],
    );
}

/// F80, F34: as the failures of activities are.
#[test]
fn a_failure_of_a_workflow_task_that_is_too_large_is_cut() {
    use tenure_api::failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo};
    let mut sim = Sim::started();
    sim.limits.blob_size = 100;
    let task = sim.poll();
    let info = ApplicationFailureInfo { r#type: "T".into(), ..Default::default() };
    let failure = Failure {
        message: "x".repeat(200),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    };
    let request = api::RespondWorkflowTaskFailedRequest { failure: Some(failure), ..Default::default() };
    sim.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request: Box::new(request) }).unwrap();
    let events = sim.rows.history(&sim.current_run());
    let failure = events.iter().find_map(|event| match &event.attributes {
        Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => failed.failure.clone(),
        _ => None,
    });
    let failure = failure.unwrap();
    assert_eq!(failure.message, "Failure exceeds size limit.");
    assert_eq!(failure.cause.unwrap().open().message, "x".repeat(100));
}
