//! Runs that grow beyond their limits.

use super::{check, check_error};
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    testing::Sim,
};
use expect_test::expect;
use std::sync::Arc;
use tenure_api::{history::v1::history_event::Attributes, workflowservice::v1 as api};

fn signal(sim: &mut Sim) -> Result<Reply, crate::transition::Refused> {
    sim.run(ShardCommand::SignalWorkflow(RunRequest::new(
        None,
        api::SignalWorkflowExecutionRequest { signal_name: "s".into(), ..Default::default() },
    )))
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

/// F2: what is to be written at once when the task ends has a size, too.
#[test]
fn too_large_buffered_events_fail_the_task_that_they_wait_for() {
    check(
        |sim| {
            let task = sim.poll();
            signal(sim).unwrap();
            let one = sim.state().buffered.values().map(crate::proto::Encoded::size).sum::<usize>();
            sim.limits.buffered_events_size = 2 * one;
            signal(sim).unwrap();
            assert!(!sim.history().contains("SIGNALED"), "so much is allowed");
            signal(sim).unwrap();
            check_error(sim.complete(&task, vec![]), expect!["NotFound: Workflow task not found."]);
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

/// F30: only what is still running afterwards is terminated.
#[test]
fn a_run_that_ends_at_the_limit_of_its_history_keeps_its_end() {
    use tenure_api::{
        command::v1::ContinueAsNewWorkflowExecutionCommandAttributes, enums::v1::WorkflowIdConflictPolicy as Conflict,
    };
    type End = fn(&mut Sim, &crate::command::WorkflowTaskStarted) -> Result<Reply, crate::transition::Refused>;
    #[track_caller]
    fn check(end: End, last: &str, follows: bool) {
        let mut sim = Sim::started();
        let run = sim.current_run();
        let task = sim.poll();
        sim.limits.history_size = sim.state().history_size as usize + 1;
        sim.limits.history_count = 3;
        let reply = end(&mut sim, &task);
        assert!(matches!(reply, Ok(ref reply) if !matches!(reply, Reply::Failed(_))), "{reply:?}");
        let history = crate::testing::render(&sim.rows.history(&run));
        assert!(history.lines().last().unwrap().contains(last), "{history}");
        assert_eq!(sim.current_run() != run, follows);
    }
    check(|sim, task| sim.complete(task, vec![super::complete_workflow()]), "WORKFLOW_EXECUTION_COMPLETED", false);
    let continue_as_new: End = |sim, task| {
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
        let verb =
            tenure_api::command::v1::command::Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
        sim.complete(task, vec![verb])
    };
    check(continue_as_new, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW", true);
    let replace: End = |sim, _| {
        sim.try_start(api::StartWorkflowExecutionRequest {
            request_id: "another".into(),
            workflow_id_conflict_policy: Conflict::TerminateExisting.into(),
            ..crate::testing::start_request()
        })
    };
    check(replace, "WORKFLOW_EXECUTION_TERMINATED \"TerminateIfRunning", true);
    let delete: End = |sim, _| {
        let reply = sim.run(ShardCommand::DeleteWorkflow { run_id: None });
        assert!(sim.state().is_deleted());
        reply
    };
    check(delete, "WORKFLOW_EXECUTION_TERMINATED \"Delete workflow execution", false);
    check(|sim, _| sim.terminate(), "WORKFLOW_EXECUTION_TERMINATED \"enough", false);
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
    sim.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request: Arc::new(request) }).unwrap();
    let events = sim.rows.history(&sim.current_run());
    let failure = events.iter().find_map(|event| match &event.attributes {
        Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => failed.failure.clone(),
        _ => None,
    });
    let failure = failure.unwrap();
    assert_eq!(failure.message, "Failure exceeds size limit.");
    let (kind, of_a_field) = ("T".len() + 8, 4);
    assert_eq!(failure.cause.unwrap().open().message, "x".repeat(100 - kind - of_a_field));
}
