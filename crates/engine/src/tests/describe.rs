//! The description of a workflow along its run's life.

use super::{complete_workflow, timer};
use crate::{
    command::{RunRequest, ShardCommand},
    describe::describe,
    key::TaskKind,
    testing::{Sim, schedule_activity, start_request},
};
use expect_test::{Expect, expect};
use std::time::Duration;
use tenure_api::workflowservice::v1::{self as api, pause_activity_request};

/// Status, events, the pending workflow task, and the seconds that the run took.
#[track_caller]
fn check(sim: &Sim, expected: Expect) {
    let shown = describe(&sim.current_run(), &sim.state());
    let info = shown.workflow_execution_info.unwrap();
    let task = shown.pending_workflow_task.map(|task| format!("{:?} attempt={}", task.state(), task.attempt));
    let took = info.execution_duration.map(|d| d.seconds);
    expected.assert_eq(&format!("{:?} events={} task={task:?} took={took:?}", info.status(), info.history_length));
    let bytes: usize = sim
        .rows
        .rows()
        .filter(|(key, _)| matches!(key, crate::RowKey::History { .. }))
        .map(|(_, chunk)| chunk.len())
        .sum();
    assert_eq!(info.history_size_bytes, bytes as i64);
}

#[test]
fn a_run_is_shown_as_it_is() {
    let mut sim = Sim::default();
    sim.start(api::StartWorkflowExecutionRequest {
        workflow_start_delay: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        ..start_request()
    });
    check(&sim, expect!["Running events=1 task=None took=None"]);
    sim.advance(Duration::from_secs(5));
    check(&sim, expect![[r#"Running events=2 task=Some("Scheduled attempt=1") took=None"#]]);
    let task = sim.poll();
    sim.fail(&task).unwrap();
    let task = sim.poll();
    check(&sim, expect![[r#"Running events=4 task=Some("Started attempt=2") took=None"#]]);
    sim.complete(&task, vec![timer("t", 7)]).unwrap();
    check(&sim, expect!["Running events=8 task=None took=None"]);
    sim.advance(Duration::from_secs(7));
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    check(&sim, expect!["Completed events=13 task=None took=Some(7)"]);
}

#[test]
fn a_worker_that_forgot_the_run_gets_no_sticky_task() {
    let mut sim = Sim::started();
    let task = sim.poll();
    let mut request = api::RespondWorkflowTaskCompletedRequest::default();
    request.sticky_attributes.get_or_insert_default().worker_task_queue =
        Some(tenure_api::taskqueue::v1::TaskQueue { name: "sticky".into(), ..Default::default() });
    sim.complete_with(&task, request).unwrap();
    sim.signal("a");
    assert_eq!(&*sim.ready(TaskKind::Workflow)[0].queue.name, "sticky");
    sim.run(ShardCommand::ResetStickyTaskQueue { run_id: None }).unwrap();
    let ready = sim.ready(TaskKind::Workflow);
    assert_eq!((ready.len(), &*ready[0].queue.name), (1, "q"));
    let entries = sim.log.len();
    sim.run(ShardCommand::ResetStickyTaskQueue { run_id: None }).unwrap();
    assert_eq!(sim.log.len(), entries, "there is nothing more to reset");
}

/// The search attributes that the run shows, with their values.
fn reported_problems(sim: &Sim) -> Vec<String> {
    let shown = describe(&sim.current_run(), &sim.state()).workflow_execution_info.unwrap();
    let all = shown.search_attributes.unwrap().indexed_fields;
    all.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(&value.data))).collect()
}

#[test]
fn a_run_reports_why_its_tasks_keep_failing_until_one_completes() {
    let mut sim = Sim::started();
    for _ in 0..4 {
        let task = sim.poll();
        sim.fail(&task).unwrap();
    }
    assert_eq!(reported_problems(&sim), [""; 0]);
    let task = sim.poll();
    sim.fail(&task).unwrap();
    let problem =
        r#"TemporalReportedProblems=["category=WorkflowTaskFailed","cause=WorkflowTaskFailedCauseUnspecified"]"#;
    assert_eq!(reported_problems(&sim), [problem]);
    let task = sim.poll();
    assert_eq!(reported_problems(&sim), [problem]);
    sim.complete(&task, vec![]).unwrap();
    assert_eq!(reported_problems(&sim), [""; 0]);
}

#[test]
fn a_run_shows_which_activities_are_paused() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![schedule_activity("a"), schedule_activity("b")]).unwrap();
    let activity = Some(pause_activity_request::Activity::Type("A".into()));
    let pause = api::PauseActivityRequest { activity, ..Default::default() };
    sim.run(ShardCommand::PauseActivity(RunRequest::new(None, pause))).unwrap();
    assert_eq!(reported_problems(&sim), [r#"TemporalPauseInfo=["property:activityType=A"]"#]);
}
