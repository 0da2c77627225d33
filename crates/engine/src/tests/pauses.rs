//! Pauses of runs, where the reference server's answers do not tell how they should go.

use super::{check, check_error};
use crate::{
    FeatureLevel,
    command::{RunRequest, ShardCommand},
    key::TaskKind,
    testing::{Sim, schedule_activity, start_request},
    update::tests::update_command,
};
use expect_test::expect;
use std::time::Duration;
use tenure_api::workflowservice::v1 as api;

fn pause(sim: &mut Sim) {
    sim.run(ShardCommand::PauseWorkflow(RunRequest::default())).expect("paused");
    assert!(sim.ready(TaskKind::Workflow).is_empty());
}

fn unpause(sim: &mut Sim) {
    sim.run(ShardCommand::UnpauseWorkflow(RunRequest::default())).expect("unpaused");
}

fn delayed(sim: &mut Sim) {
    let workflow_start_delay = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    sim.start(api::StartWorkflowExecutionRequest { workflow_start_delay, ..start_request() });
}

#[test]
fn a_task_that_did_not_reach_its_worker_fails_before_what_came_meanwhile() {
    check(
        |sim| {
            let task = sim.poll();
            sim.signal("s");
            sim.run(ShardCommand::ReturnTask { token: task.token }).unwrap();
            pause(sim);
            unpause(sim);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 WorkflowPauseRequestedBeforeTaskStarted
            5 WORKFLOW_EXECUTION_SIGNALED s
            6 WORKFLOW_EXECUTION_PAUSED
            7 WORKFLOW_EXECUTION_UNPAUSED
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn a_task_that_comes_back_during_the_pause_is_no_task_of_it() {
    check(
        |sim| {
            let task = sim.poll();
            pause(sim);
            sim.signal("s");
            sim.run(ShardCommand::ReturnTask { token: task.token }).unwrap();
            assert!(sim.ready(TaskKind::Workflow).is_empty());
            unpause(sim);
        },
        expect![[r#"
            1 WORKFLOW_EXECUTION_STARTED
            2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
            3 WORKFLOW_TASK_STARTED scheduled=2
            4 WORKFLOW_TASK_FAILED scheduled=2 started=3 WorkflowPauseRequestedBeforeTaskStarted
            5 WORKFLOW_EXECUTION_PAUSED
            6 WORKFLOW_EXECUTION_SIGNALED s
            7 WORKFLOW_EXECUTION_UNPAUSED
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn an_update_that_waits_for_its_task_gets_one_after_the_pause() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![]).unwrap();
    sim.run(update_command("u")).unwrap();
    pause(&mut sim);
    check_error(
        sim.run(update_command("v")),
        expect!["FailedPrecondition: Workflow is paused. Cannot update the workflow."],
    );
    unpause(&mut sim);
    assert!(sim.poll().updates);
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_FAILED scheduled=5 started=0 WorkflowPauseRequestedBeforeTaskStarted
        7 WORKFLOW_EXECUTION_PAUSED
        8 WORKFLOW_EXECUTION_UNPAUSED
        9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        10 WORKFLOW_TASK_STARTED scheduled=9
    "#]]
    .assert_eq(&sim.history());
}

#[test]
fn an_update_that_comes_before_the_pause_waits_for_its_end() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.run(update_command("u")).unwrap();
    pause(&mut sim);
    let inline = api::RespondWorkflowTaskCompletedRequest { return_new_workflow_task: true, ..Default::default() };
    sim.complete_with(&task, inline).unwrap();
    assert!(sim.ready(TaskKind::Workflow).is_empty());
    unpause(&mut sim);
    assert!(sim.poll().updates);
}

#[test]
fn a_delayed_start_is_as_late_as_the_later_of_both() {
    for paused_for in [30, 90] {
        let mut sim = Sim::default();
        delayed(&mut sim);
        pause(&mut sim);
        sim.advance(Duration::from_secs(paused_for));
        unpause(&mut sim);
        let begins = paused_for > 60;
        assert_eq!(sim.ready(TaskKind::Workflow).len(), usize::from(begins), "after {paused_for} s");
        sim.advance(Duration::from_secs(60));
        assert_eq!(sim.ready(TaskKind::Workflow).len(), 1);
    }
}

#[test]
fn an_activity_that_is_scheduled_during_the_pause_is_held() {
    let mut sim = Sim::started();
    let task = sim.poll();
    pause(&mut sim);
    sim.complete(&task, vec![schedule_activity("a")]).unwrap();
    assert!(sim.ready(TaskKind::Activity).is_empty());
    unpause(&mut sim);
    assert_eq!(sim.ready(TaskKind::Activity).len(), 1);
}

#[test]
fn a_cluster_that_is_not_upgraded_does_not_pause() {
    let mut sim = Sim::default();
    sim.level = FeatureLevel::SCHEDULES;
    sim.start(start_request());
    check_error(
        sim.run(ShardCommand::PauseWorkflow(RunRequest::default())),
        expect!["FailedPrecondition: the cluster has feature level 5, and pauses of workflows need 6"],
    );
}
