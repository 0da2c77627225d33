//! Starts: request ids, policies, delays.

use super::{check_error, complete_workflow};
use crate::{
    chain::Start,
    command::{Reply, ShardCommand},
    id::ProposalId,
    key::TaskKind,
    testing::{Sim, start_request},
    transition::Refused,
};
use expect_test::expect;
use std::time::Duration;
use tenure_api::{
    enums::v1::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse},
    workflow::v1::OnConflictOptions,
    workflowservice::v1::StartWorkflowExecutionRequest,
};

fn request(id: &str, reuse: Reuse, conflict: Conflict) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        request_id: id.into(),
        workflow_id_reuse_policy: reuse.into(),
        workflow_id_conflict_policy: conflict.into(),
        ..start_request()
    }
}

fn start(sim: &mut Sim, id: &str, reuse: Reuse, conflict: Conflict) -> Result<Reply, Refused> {
    sim.try_start(request(id, reuse, conflict))
}

/// The result of a start, by the runs that it names.
#[track_caller]
fn kind_of(sim: &Sim, result: Result<Reply, Refused>) -> &'static str {
    match result {
        Ok(Reply::WorkflowStarted { run_id, started, .. }) => match (run_id == sim.current_run().run_id, started) {
            (true, true) => "started",
            (true, false) => "existing",
            (false, _) => "an older run",
        },
        Err(Refused::Api(error)) if error.code == tenure_api::error::Code::AlreadyExists => "already started",
        other => panic!("unexpected answer: {other:?}"),
    }
}

#[test]
fn a_request_id_starts_one_run() {
    let mut sim = Sim::default();
    let first = sim.start(request("r1", Reuse::Unspecified, Conflict::Unspecified));
    let entries = sim.log.len();
    assert_eq!(sim.start(request("r1", Reuse::Unspecified, Conflict::Unspecified)), first);
    assert_eq!(sim.log.len(), entries);
    sim.terminate().unwrap();
    let second = sim.start(request("r2", Reuse::Unspecified, Conflict::Unspecified));
    assert_ne!(second, first);
    // A late retry does not start the workflow once more.
    assert_eq!(sim.start(request("r1", Reuse::Unspecified, Conflict::Unspecified)), first);
}

#[test]
fn policies_decide_over_a_second_run() {
    #[track_caller]
    fn check(end: Option<fn(&mut Sim)>, reuse: Reuse, conflict: Conflict, expected: &str) {
        let mut sim = Sim::default();
        sim.start(request("r1", Reuse::Unspecified, Conflict::Unspecified));
        if let Some(end) = end {
            end(&mut sim);
        }
        let answer = start(&mut sim, "r2", reuse, conflict);
        assert_eq!(kind_of(&sim, answer), expected);
    }
    let completed: Option<fn(&mut Sim)> = Some(|sim| {
        let task = sim.poll();
        sim.complete(&task, vec![complete_workflow()]).unwrap();
    });
    let terminated: Option<fn(&mut Sim)> = Some(|sim| drop(sim.terminate().unwrap()));
    let running = None;

    check(completed, Reuse::Unspecified, Conflict::Unspecified, "started");
    check(completed, Reuse::AllowDuplicate, Conflict::Fail, "started");
    check(completed, Reuse::AllowDuplicateFailedOnly, Conflict::Fail, "already started");
    check(completed, Reuse::RejectDuplicate, Conflict::Fail, "already started");
    check(completed, Reuse::TerminateIfRunning, Conflict::Unspecified, "started");
    check(terminated, Reuse::AllowDuplicateFailedOnly, Conflict::Fail, "started");
    check(terminated, Reuse::RejectDuplicate, Conflict::UseExisting, "already started");
    check(running, Reuse::Unspecified, Conflict::Unspecified, "already started");
    check(running, Reuse::AllowDuplicate, Conflict::Fail, "already started");
    check(running, Reuse::AllowDuplicate, Conflict::UseExisting, "existing");
    check(running, Reuse::RejectDuplicate, Conflict::UseExisting, "existing");
    check(running, Reuse::AllowDuplicate, Conflict::TerminateExisting, "started");
    check(running, Reuse::TerminateIfRunning, Conflict::Unspecified, "started");
}

#[test]
fn a_new_run_replaces_the_running_one() {
    let mut sim = Sim::started();
    let old = sim.current_run();
    sim.poll();
    start(&mut sim, "r2", Reuse::Unspecified, Conflict::TerminateExisting).unwrap();
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_FAILED scheduled=2 started=3 ForceCloseCommand
        5 WORKFLOW_EXECUTION_TERMINATED "TerminateIfRunning WorkflowIdReusePolicy"
    "#]]
    .assert_eq(&crate::testing::render(&sim.rows.history(&old)));
    assert_eq!(sim.history().lines().count(), 2);
    assert_eq!(sim.ready(TaskKind::Workflow).len(), 1);
    let timers = sim.rows.timers();
    assert_eq!(timers.iter().map(|(_, run)| run).collect::<Vec<_>>(), [&old], "only its removal is left to wait for");
}

#[test]
fn links_are_left_once_however_often_that_is_tried() {
    let mut sim = Sim::started();
    let mut attach = request("r2", Reuse::Unspecified, Conflict::UseExisting);
    attach.on_conflict_options = Some(OnConflictOptions { attach_links: true, ..Default::default() });
    for _ in 0..2 {
        let reply =
            sim.propose(ProposalId(7), ShardCommand::StartWorkflow(Box::new(Start::new(attach.clone()).unwrap())));
        assert!(matches!(reply, Ok(Reply::WorkflowStarted { started: false, attached: false, .. })), "{reply:?}");
    }
    assert_eq!(sim.state().last_event_id(), 3);
}

#[test]
fn a_start_may_be_attached_to_the_running_run() {
    let mut sim = Sim::started();
    let mut attach = request("r2", Reuse::Unspecified, Conflict::UseExisting);
    attach.on_conflict_options = Some(OnConflictOptions { attach_request_id: true, ..Default::default() });
    let task = sim.poll();
    let attached = |reply| matches!(reply, Ok(Reply::WorkflowStarted { started: false, attached: true, .. }));
    assert!(attached(sim.try_start(attach.clone())));
    assert_eq!(sim.state().info.request_ids[1].event_id, 0);
    sim.complete(&task, vec![]).unwrap();
    assert_eq!(sim.state().info.request_ids[1].event_id, 5);
    let entries = sim.log.len();
    assert!(attached(sim.try_start(attach)));
    assert_eq!(sim.log.len(), entries, "the id is known");
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 WORKFLOW_EXECUTION_OPTIONS_UPDATED r2
        6 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
}

#[test]
fn a_delayed_start_waits_through_signals_but_not_through_a_cancellation() {
    let delayed = || {
        let mut sim = Sim::default();
        sim.start(StartWorkflowExecutionRequest {
            workflow_start_delay: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            ..start_request()
        });
        sim.signal("a");
        assert_eq!(sim.ready(TaskKind::Workflow).len(), 0);
        sim
    };
    let mut sim = delayed();
    sim.advance(Duration::from_secs(60));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED a
        3 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    let mut sim = delayed();
    sim.request_cancel().unwrap();
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED a
        3 WORKFLOW_EXECUTION_CANCEL_REQUESTED
        4 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
}

/// F35.
#[test]
fn options_that_are_wrong_make_no_start() {
    #[track_caller]
    fn check(change: fn(&mut StartWorkflowExecutionRequest), expected: expect_test::Expect) {
        let mut request = start_request();
        change(&mut request);
        check_error(Sim::default().try_start(request), expected);
    }
    check(
        |r| r.workflow_run_timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        expect!["InvalidArgument: An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration"],
    );
    check(
        |r| {
            r.workflow_id_reuse_policy = Reuse::TerminateIfRunning.into();
            r.workflow_id_conflict_policy = Conflict::Fail.into();
        },
        expect![
            "InvalidArgument: Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy"
        ],
    );
    check(
        |r| r.retry_policy = Some(tenure_api::common::v1::RetryPolicy { maximum_attempts: -1, ..Default::default() }),
        expect!["InvalidArgument: MaximumAttempts cannot be negative on retry policy."],
    );
}
