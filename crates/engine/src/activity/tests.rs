//! Activities from the workflow command to the event that closes them.

mod control;

use crate::{
    command::{ActivityRef, Poll, Reply, RunRequest, ShardCommand, StartTask, WorkflowTaskStarted},
    id::ProposalId,
    key::TaskKind,
    rows::{Op, PendingKind, ReadyTask, RowKey},
    testing::{self, Sim},
    token::TaskToken,
    transition::Refused,
};
use expect_test::{Expect, expect};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        CompleteWorkflowExecutionCommandAttributes, RecordMarkerCommandAttributes,
        RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{ActivityType, Payload, Payloads, RetryPolicy},
    enums::v1::PendingActivityState,
    error::ApiError,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::v1::HistoryEvent,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        PollActivityTaskQueueResponse as Task, RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledRequest,
        RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest, RespondWorkflowTaskCompletedRequest,
        TerminateWorkflowExecutionRequest,
    },
};

const WORKER: &str = "worker";

type Schedule = ScheduleActivityTaskCommandAttributes;

fn seconds(seconds: f64) -> Option<prost_types::Duration> {
    Some(tenure_api::time::duration_to_proto(Duration::from_secs_f64(seconds)))
}

fn payloads(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![Payload { data: text.to_owned().into(), ..Default::default() }] })
}

/// Schedules `a1` with a minute for everything, changed by `with`.
fn schedule(with: impl FnOnce(&mut Schedule)) -> Verb {
    let mut attributes = Schedule {
        activity_id: "a1".into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        input: payloads("in"),
        schedule_to_close_timeout: seconds(60.0),
        ..Default::default()
    };
    with(&mut attributes);
    Verb::ScheduleActivityTaskCommandAttributes(attributes)
}

fn attempts(attributes: &mut Schedule, maximum_attempts: i32) {
    attributes.retry_policy = Some(RetryPolicy { maximum_attempts, ..Default::default() });
}

fn cancel(scheduled_event_id: i64) -> Verb {
    let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
    Verb::RequestCancelActivityTaskCommandAttributes(attributes)
}

fn marker() -> Verb {
    let attributes = RecordMarkerCommandAttributes { marker_name: "m".into(), ..Default::default() };
    Verb::RecordMarkerCommandAttributes(attributes)
}

fn complete_workflow() -> Verb {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    Verb::CompleteWorkflowExecutionCommandAttributes(attributes)
}

fn failure(message: &str) -> Failure {
    let info = ApplicationFailureInfo { r#type: "E".into(), ..Default::default() };
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
    Failure { message: message.into(), failure_info, ..Default::default() }
}

/// A run, and a worker that reports on its activities.
struct Test {
    sim: Sim,
}

impl Test {
    /// A workflow whose first task brought these commands.
    #[track_caller]
    fn with(commands: impl IntoIterator<Item = Verb>) -> Test {
        let mut test = Test { sim: Sim::started() };
        test.work(commands).expect("the commands are good");
        test
    }

    fn advance(&mut self, seconds: f64) {
        self.sim.advance(Duration::from_secs_f64(seconds));
    }

    /// The start of the first ready activity task for a poll.
    fn ready(&self) -> Option<StartTask> {
        self.sim.ready(TaskKind::Activity).first().map(start_task)
    }

    #[track_caller]
    fn poll(&mut self) -> Task {
        let start = self.ready().expect("an activity task is ready");
        self.start(start)
    }

    #[track_caller]
    fn start(&mut self, start: StartTask) -> Task {
        match self.send(ShardCommand::StartActivityTask(start)) {
            Ok(Reply::ActivityTaskStarted(task)) => *task,
            other => panic!("not started: {other:?}"),
        }
    }

    fn send(&mut self, command: ShardCommand) -> Result<Reply, ApiError> {
        let proposal = ProposalId(1 << 100 | self.sim.log.len() as u128);
        self.send_as(proposal, command)
    }

    fn send_as(&mut self, proposal: ProposalId, command: ShardCommand) -> Result<Reply, ApiError> {
        match self.sim.propose(proposal, command) {
            Ok(Reply::Failed(error)) | Err(Refused::Api(error)) => Err(error),
            Ok(reply) => Ok(reply),
            Err(Refused::Read(error)) => panic!("{error}"),
        }
    }

    /// Completes a workflow task with these commands; signals first where none is ready.
    fn work(&mut self, commands: impl IntoIterator<Item = Verb>) -> Result<Reply, ApiError> {
        if self.sim.ready(TaskKind::Workflow).is_empty() {
            self.sim.signal("s");
        }
        let task = self.sim.poll();
        self.respond(&task, commands)
    }

    fn respond(
        &mut self,
        task: &WorkflowTaskStarted,
        commands: impl IntoIterator<Item = Verb>,
    ) -> Result<Reply, ApiError> {
        let commands = commands.into_iter().map(testing::command).collect();
        let request = RespondWorkflowTaskCompletedRequest { commands, identity: WORKER.into(), ..Default::default() };
        self.send(ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request: Arc::new(request) })
    }

    fn complete(&mut self, activity: ActivityRef) -> Result<Reply, ApiError> {
        let request = RespondActivityTaskCompletedRequest {
            identity: WORKER.into(),
            result: payloads("ok"),
            ..Default::default()
        };
        self.send(ShardCommand::CompleteActivity { activity, request: Arc::new(request) })
    }

    fn fail(&mut self, activity: ActivityRef, failure: Failure) -> Result<Reply, ApiError> {
        let request =
            RespondActivityTaskFailedRequest { identity: WORKER.into(), failure: Some(failure), ..Default::default() };
        self.send(ShardCommand::FailActivity { activity, request: Arc::new(request) })
    }

    fn cancel(&mut self, activity: ActivityRef) -> Result<Reply, ApiError> {
        let request = RespondActivityTaskCanceledRequest {
            identity: WORKER.into(),
            details: payloads("stopped"),
            ..Default::default()
        };
        self.send(ShardCommand::CancelActivity { activity, request: Arc::new(request) })
    }

    fn heartbeat(&mut self, activity: ActivityRef, details: &str) -> Result<bool, ApiError> {
        let request = RecordActivityTaskHeartbeatRequest { details: payloads(details), ..Default::default() };
        match self.send(ShardCommand::HeartbeatActivity { activity, request: Arc::new(request) })? {
            Reply::ActivityHeartbeat(answer) => Ok(answer.cancel_requested),
            other => panic!("not an answer to a heartbeat: {other:?}"),
        }
    }

    fn by_id(&self) -> ActivityRef {
        ActivityRef::ById { run_id: None, activity_id: "a1".into() }
    }

    /// The writes of the last transition.
    fn last_ops(&self) -> &[Op] {
        &self.sim.log.last().expect("something was written").ops
    }

    /// History from this event on.
    fn since(&self, event_id: usize) -> String {
        testing::render(&self.events()[event_id - 1..])
    }

    fn events(&self) -> Vec<HistoryEvent> {
        self.sim.rows.history(&self.sim.current_run())
    }

    /// History after the first workflow task.
    #[track_caller]
    fn check(&self, expected: Expect) {
        expected.assert_eq(&self.since(5));
    }
}

fn start_task(task: &ReadyTask) -> StartTask {
    let poll = Poll { identity: WORKER.into(), queue: "q".into(), ..Default::default() };
    StartTask::of(task, poll)
}

/// The activity that a poll gave.
fn by_token(task: &Task) -> ActivityRef {
    ActivityRef::Token(TaskToken::decode(&task.task_token).expect("it is our token"))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>, message: &str) {
    assert_eq!(result.expect_err("it is refused").message, message);
}

const NOT_RUNNING: &str = "invalid activityID or activity already timed out or invoking workflow is completed";
const NO_SUCH_ID: &str =
    "cannot find pending activity with ActivityID a1, check workflow execution history for more details";

#[test]
fn a_start_enters_history_with_the_end() {
    let mut t = Test::with([schedule(|_| ())]);
    let task = t.poll();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
    "#]]);
    assert_eq!(task.input, payloads("in"));
    t.advance(2.0);
    t.complete(by_token(&task)).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        7 ACTIVITY_TASK_COMPLETED scheduled=5 started=6 ok
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
    let history = t.events();
    let time = |id: usize| history[id - 1].event_time.as_ref().unwrap().seconds;
    assert_eq!(time(7) - time(6), 2, "the started event has the time of the start");
    refused(t.complete(by_token(&task)), NOT_RUNNING);
}

#[test]
fn a_failed_attempt_is_retried_without_a_trace_until_the_last() {
    let mut t = Test::with([schedule(|a| attempts(a, 3))]);
    let first = t.poll();
    t.heartbeat(by_token(&first), "half").unwrap();
    t.fail(by_token(&first), failure("one")).unwrap();
    assert!(t.ready().is_none(), "the back-off is not over");
    t.advance(1.0);
    let second = t.poll();
    assert_eq!((second.attempt, second.heartbeat_details.clone()), (2, payloads("half")));
    refused(t.complete(by_token(&first)), NOT_RUNNING);
    refused(t.heartbeat(by_token(&first), "more"), NOT_RUNNING);
    t.fail(by_token(&second), failure("two")).unwrap();
    t.advance(1.0);
    assert!(t.ready().is_none(), "the back-off has doubled");
    t.advance(1.0);
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
    "#]]);
    let third = t.poll();
    t.fail(by_token(&third), failure("three")).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=3 by worker after (E "two")
        7 ACTIVITY_TASK_FAILED scheduled=5 started=6 MaximumAttemptsReached (E "three")
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn non_retryable_types_fail_at_once() {
    let listed = RetryPolicy { non_retryable_error_types: vec!["E".into()], ..Default::default() };
    let mut t = Test::with([schedule(|a| a.retry_policy = Some(listed))]);
    let task = t.poll();
    t.fail(by_token(&task), failure("boom")).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        7 ACTIVITY_TASK_FAILED scheduled=5 started=6 NonRetryableFailure (E "boom")
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

/// Runs one activity with timeouts of (schedule-to-close, schedule-to-start, start-to-close, heartbeat) seconds, at
/// most two attempts, each polled as soon as it is ready and given one heartbeat, for half a minute.
#[track_caller]
fn check_timeout(timeouts: [f64; 4], polled: usize, expected: Expect) {
    let field = |s: f64| (s > 0.0).then(|| seconds(s)).flatten();
    let mut t = Test::with([schedule(|a| {
        attempts(a, 2);
        a.schedule_to_close_timeout = field(timeouts[0]);
        a.schedule_to_start_timeout = field(timeouts[1]);
        a.start_to_close_timeout = field(timeouts[2]);
        a.heartbeat_timeout = field(timeouts[3]);
    })]);
    let mut polled = polled;
    for _ in 0..300 {
        if polled > 0 && t.ready().is_some() {
            polled -= 1;
            let task = t.poll();
            t.heartbeat(by_token(&task), "beat").unwrap();
        }
        t.advance(0.1);
    }
    t.check(expected);
}

#[test]
fn timeouts_retry_or_close() {
    check_timeout(
        [30.0, 1.0, 0.0, 0.0],
        0,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=0 Timeout (ScheduleToStart "activity ScheduleToStart timeout")
            7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    check_timeout(
        [30.0, 5.0, 2.0, 0.0],
        1,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=0 Timeout (ScheduleToStart beat "activity ScheduleToStart timeout" because (StartToClose "activity StartToClose timeout"))
            7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    check_timeout(
        [30.0, 0.0, 2.0, 0.0],
        2,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_STARTED scheduled=5 attempt=2 by worker after (StartToClose "activity StartToClose timeout")
            7 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=6 MaximumAttemptsReached (StartToClose beat "activity StartToClose timeout" because (StartToClose "activity StartToClose timeout"))
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    check_timeout(
        [30.0, 0.0, 20.0, 1.0],
        2,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_STARTED scheduled=5 attempt=2 by worker after (Heartbeat "activity Heartbeat timeout")
            7 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=6 MaximumAttemptsReached (Heartbeat beat "activity Heartbeat timeout" because (Heartbeat "activity Heartbeat timeout"))
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    check_timeout(
        [2.0, 0.0, 20.0, 0.0],
        2,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
            7 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=6 Timeout (ScheduleToClose beat "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying")
            8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
    check_timeout(
        [3.2, 0.0, 1.0, 0.0],
        1,
        expect![[r#"
            5 ACTIVITY_TASK_SCHEDULED a1 task=4
            6 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=0 Timeout (ScheduleToClose beat "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying" because (StartToClose "activity StartToClose timeout"))
            7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]],
    );
}

#[test]
fn a_timeout_after_a_cancel_request_is_not_retried() {
    let mut t = Test::with([schedule(|a| a.start_to_close_timeout = seconds(2.0))]);
    t.poll();
    t.work([cancel(5)]).unwrap();
    t.advance(3.0);
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 WORKFLOW_EXECUTION_SIGNALED s
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        8 WORKFLOW_TASK_STARTED scheduled=7
        9 WORKFLOW_TASK_COMPLETED scheduled=7 started=8
        10 ACTIVITY_TASK_CANCEL_REQUESTED scheduled=5
        11 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        12 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=11 CancelRequested (StartToClose "activity StartToClose timeout")
        13 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn what_no_worker_has_is_cancelled_at_once() {
    let ready = Test::with([schedule(|_| ())]);
    let mut backing_off = Test::with([schedule(|_| ())]);
    let task = backing_off.poll();
    backing_off.fail(by_token(&task), failure("boom")).unwrap();
    for mut t in [ready, backing_off] {
        // The end of the activity follows what the commands bring.
        t.work([cancel(5), marker()]).unwrap();
        expect![[r#"
            10 ACTIVITY_TASK_CANCEL_REQUESTED scheduled=5
            11 MARKER_RECORDED m
            12 ACTIVITY_TASK_CANCELED scheduled=5 started=0 requested=10 "ACTIVITY_ID_NOT_STARTED"
            13 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        "#]]
        .assert_eq(&t.since(10));
        assert!(t.ready().is_none());
    }
}

#[test]
fn a_run_may_end_with_the_command_after_a_cancel_request() {
    let t = Test::with([schedule(|_| ()), cancel(5), complete_workflow()]);
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_CANCEL_REQUESTED scheduled=5
        7 WORKFLOW_EXECUTION_COMPLETED task=4
    "#]]);
    assert!(t.ready().is_none());
}

#[test]
fn a_worker_that_has_it_is_told_to_cancel() {
    let mut t = Test::with([schedule(|_| ())]);
    let task = t.poll();
    refused(
        t.cancel(by_token(&task)),
        "unable to mark activity as canceled without activity being request canceled first",
    );
    assert!(!t.heartbeat(by_token(&task), "1").unwrap());
    t.work([cancel(5)]).unwrap();
    assert!(t.heartbeat(by_token(&task), "2").unwrap());
    refused(
        t.work([cancel(5)]),
        "BadRequestCancelActivityAttributes: invalid history builder state for action: \
         add-activitytask-cancel-requested-event, ScheduledEventID: 5",
    );
    t.cancel(by_token(&task)).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 WORKFLOW_EXECUTION_SIGNALED s
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        8 WORKFLOW_TASK_STARTED scheduled=7
        9 WORKFLOW_TASK_COMPLETED scheduled=7 started=8
        10 ACTIVITY_TASK_CANCEL_REQUESTED scheduled=5
        11 WORKFLOW_EXECUTION_SIGNALED s
        12 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        13 WORKFLOW_TASK_STARTED scheduled=12
        14 WORKFLOW_TASK_FAILED scheduled=12 started=13 BadRequestCancelActivityAttributes "BadRequestCancelActivityAttributes: invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: 5"
        15 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        16 ACTIVITY_TASK_CANCELED scheduled=5 started=15 requested=10 stopped
    "#]]);
}

#[test]
fn ends_wait_for_the_running_workflow_task() {
    let mut t = Test::with([schedule(|_| ()), schedule(|a| a.activity_id = "a2".into())]);
    let (first, second) = (t.poll(), t.poll());
    t.sim.signal("s");
    let task = t.sim.poll();
    t.complete(by_token(&first)).unwrap();
    t.sim.signal("late");
    t.complete(by_token(&second)).unwrap();
    refused(t.complete(by_token(&first)), NOT_RUNNING);
    // The worker asks to cancel what is over: nothing comes of it. The id is free again.
    t.respond(&task, [cancel(5), schedule(|_| ())]).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_SCHEDULED a2 task=4
        7 WORKFLOW_EXECUTION_SIGNALED s
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        9 WORKFLOW_TASK_STARTED scheduled=8
        10 WORKFLOW_TASK_COMPLETED scheduled=8 started=9
        11 ACTIVITY_TASK_CANCEL_REQUESTED scheduled=5
        12 ACTIVITY_TASK_SCHEDULED a1 task=10
        13 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        14 WORKFLOW_EXECUTION_SIGNALED late
        15 ACTIVITY_TASK_STARTED scheduled=6 attempt=1 by worker
        16 ACTIVITY_TASK_COMPLETED scheduled=5 started=13 ok
        17 ACTIVITY_TASK_COMPLETED scheduled=6 started=15 ok
        18 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn an_activity_is_completed_by_its_id_even_before_its_start() {
    let mut t = Test::with([schedule(|_| ())]);
    refused(t.fail(t.by_id(), failure("boom")), NOT_RUNNING);
    refused(t.cancel(t.by_id()), NOT_RUNNING);
    refused(t.heartbeat(t.by_id(), "1"), NOT_RUNNING);
    t.complete(t.by_id()).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        7 ACTIVITY_TASK_COMPLETED scheduled=5 started=6 ok
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
    assert!(t.ready().is_none());
    refused(t.complete(t.by_id()), NO_SUCH_ID);
    refused(t.heartbeat(t.by_id(), "1"), NO_SUCH_ID);

    let mut t = Test::with([schedule(|_| ())]);
    t.poll();
    assert!(!t.heartbeat(t.by_id(), "1").unwrap());
    t.fail(t.by_id(), failure("boom")).unwrap();
    t.complete(t.by_id()).unwrap();
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=2 by worker after (E "boom")
        7 ACTIVITY_TASK_COMPLETED scheduled=5 started=6 ok
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn a_closed_run_takes_no_reports() {
    const CLOSED: &str = "workflow execution already completed";
    let mut t = Test::with([schedule(|_| ()), schedule(|a| a.activity_id = "a2".into())]);
    let task = t.poll();
    let request = TerminateWorkflowExecutionRequest::default();
    t.send(ShardCommand::TerminateWorkflow(RunRequest::new(None, request))).unwrap();
    assert!(t.ready().is_none(), "its ready tasks are gone");
    for activity in [by_token(&task), t.by_id()] {
        refused(t.complete(activity.clone()), CLOSED);
        refused(t.fail(activity.clone(), failure("boom")), CLOSED);
        refused(t.cancel(activity.clone()), CLOSED);
        refused(t.heartbeat(activity, "1"), CLOSED);
    }
}

#[test]
fn a_start_that_is_tried_again_gives_the_same_task() {
    let mut t = Test::with([schedule(|a| attempts(a, 1))]);
    let start = t.ready().unwrap();
    let mut again = |proposal| {
        let command = ShardCommand::StartActivityTask(start.clone());
        match t.send_as(ProposalId(proposal), command) {
            Ok(Reply::ActivityTaskStarted(task)) => Ok(*task),
            Ok(other) => panic!("not a task: {other:?}"),
            Err(error) => Err(error),
        }
    };
    let first = again(1000).unwrap();
    assert_eq!(again(1000).unwrap(), first);
    refused(again(1001), "the activity task is obsolete");
}

#[test]
fn a_returned_task_is_the_same_attempt_under_another_token() {
    let mut t = Test::with([schedule(|a| attempts(a, 1))]);
    let lost = t.poll();
    let ActivityRef::Token(token) = by_token(&lost) else { unreachable!() };
    t.send(ShardCommand::ReturnTask { token: token.clone() }).unwrap();
    refused(t.complete(by_token(&lost)), NOT_RUNNING);
    refused(t.send(ShardCommand::ReturnTask { token }), NOT_RUNNING);
    let task = t.poll();
    assert_eq!(task.attempt, 1);
    t.complete(by_token(&task)).unwrap();
}

#[test]
fn a_completion_that_is_tried_again_is_answered_as_before() {
    let mut t = Test::with([schedule(|_| ())]);
    let task = t.poll();
    let request = Arc::new(RespondActivityTaskCompletedRequest::default());
    let command = ShardCommand::CompleteActivity { activity: by_token(&task), request };
    for _ in 0..2 {
        let reply = t.send_as(ProposalId(1000), command.clone());
        assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    }
    assert_eq!(t.events().len(), 8);
}

#[test]
fn a_heartbeat_writes_the_core_row_alone() {
    let mut t = Test::with([schedule(|a| a.heartbeat_timeout = seconds(2.0))]);
    let task = t.poll();
    for _ in 0..10 {
        t.advance(1.5);
        t.heartbeat(by_token(&task), "alive").unwrap();
        assert!(matches!(t.last_ops(), [Op::Put(RowKey::Execution(_), _)]), "{:?}", t.last_ops());
    }
    t.advance(2.0);
    assert_eq!(t.sim.state().activities.get(5).unwrap().attempt, 2, "it timed out at last");
}

#[test]
fn large_heartbeat_details_leave_the_core_row() {
    let mut t = Test::with([schedule(|_| ())]);
    let task = t.poll();
    t.heartbeat(by_token(&task), &"x".repeat(100_000)).unwrap();
    t.sim.signal("s");
    let bytes: usize = t.last_ops().iter().map(|op| if let Op::Put(_, value) = op { value.len() } else { 0 }).sum();
    assert!(bytes < 4096, "a signal writes {bytes} bytes");
    t.complete(by_token(&task)).unwrap();
}

/// F4.
#[test]
fn what_is_pending_counts_whichever_row_it_is_in() {
    let many = (1..=20).map(|i| schedule(|a| a.activity_id = format!("a{i}")));
    let mut t = Test::with(many);
    let before = t.sim.state().pending_bytes();
    let tasks: Vec<_> = t.sim.ready(TaskKind::Activity).iter().map(|ready| t.start(start_task(ready))).collect();
    for task in &tasks {
        t.heartbeat(by_token(task), &"x".repeat(100_000)).unwrap();
    }
    let with_heartbeats = t.sim.state().pending_bytes();
    assert!((2_000_000..2_100_000).contains(&(with_heartbeats - before)), "{with_heartbeats} bytes");
    for task in &tasks {
        t.heartbeat(by_token(task), "").unwrap();
    }
    assert_eq!(t.sim.state().pending_bytes().abs_diff(before) / 100_000, 0, "the heartbeats are gone");
    for task in &tasks {
        t.complete(by_token(task)).unwrap();
    }
    assert_eq!(t.sim.state().pending_bytes(), 0);
}

#[test]
fn completing_one_of_many_leaves_the_others_alone() {
    let many = (1..=2000).map(|i| schedule(|a| a.activity_id = format!("a{i}")));
    let mut t = Test::with(many);
    let last = t.sim.ready(TaskKind::Activity).pop().unwrap();
    let task = t.start(start_task(&last));
    t.complete(by_token(&task)).unwrap();
    let spilled: Vec<&Op> = t.last_ops().iter().filter(|op| touches_pending(op)).collect();
    assert!(matches!(spilled[..], [Op::Delete(_)]), "{spilled:?}");
    let core = t.last_ops().iter().find_map(|op| match op {
        Op::Put(RowKey::Execution(_), value) => Some(value.len()),
        _ => None,
    });
    assert!(core.is_some_and(|size| size < 4096), "the core row has {core:?} bytes");
    refused(
        t.work([schedule(|a| a.activity_id = "b1".into()), schedule(|a| a.activity_id = "b2".into())]),
        "PendingActivitiesLimitExceeded: the number of pending activities, 2000, has reached the per-workflow limit \
         of 2000",
    );
}

fn touches_pending(op: &Op) -> bool {
    let (Op::Put(key, _) | Op::Delete(key)) = op;
    matches!(key, RowKey::Pending { kind: PendingKind::Activity, .. })
}

#[test]
fn bad_commands_are_named() {
    #[track_caller]
    fn check(commands: impl IntoIterator<Item = Verb>, message: &str) {
        refused(Test { sim: Sim::started() }.work(commands), message);
    }
    let bad = |with: fn(&mut Schedule), message: &str| {
        check([schedule(with)], &format!("BadScheduleActivityAttributes: {message}"));
    };
    bad(|a| a.activity_id.clear(), "activityId is not set");
    bad(|a| a.activity_type = None, "activityType is not set");
    bad(|a| a.task_queue = None, "taskQueue is not set");
    bad(|a| a.task_queue.as_mut().unwrap().name.clear(), "missing task queue name");
    bad(|a| a.task_queue.as_mut().unwrap().name = "x".repeat(1001), "taskQueue length exceeds limit");
    bad(
        |a| a.task_queue.as_mut().unwrap().name = "/_sys/x".into(),
        "task queue name cannot start with reserved prefix /_sys/",
    );
    bad(|a| a.activity_id = "x".repeat(1001), "activityId exceeds length limit. Length=1001 Limit=1000");
    bad(
        |a| a.schedule_to_close_timeout = None,
        "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a1 \
         ActivityType=A",
    );
    bad(|a| attempts(a, -1), "MaximumAttempts cannot be negative on retry policy.");
    bad(
        |a| a.priority = Some(tenure_api::common::v1::Priority { priority_key: -1, ..Default::default() }),
        "invalid priorities: priority key can't be negative",
    );
    // F34.
    let weight = |fairness_weight| Some(tenure_api::common::v1::Priority { fairness_weight, ..Default::default() });
    for out_of_range in [f32::NAN, -1.0, f32::NEG_INFINITY] {
        let priority = weight(out_of_range);
        let message = "BadScheduleActivityAttributes: invalid priorities: must be greater than zero";
        check([schedule(|a| a.priority = priority)], message);
    }
    bad(
        |a| a.input = payloads(&"x".repeat(3 << 20)),
        "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.",
    );
    check(
        [schedule(|_| ()), schedule(|_| ())],
        "ScheduleActivityDuplicateId: invalid history builder state for action: add-activitytask-scheduled-event, \
         ActivityID: a1",
    );
    check(
        [cancel(0)],
        "BadRequestCancelActivityAttributes: ScheduledEventId is not set on RequestCancelActivityTaskCommand.",
    );
    check(
        [cancel(3)],
        "BadRequestCancelActivityAttributes: invalid history builder state for action: \
         add-activitytask-cancel-requested-event, ScheduledEventID: 3",
    );
}

#[test]
fn what_is_too_large_to_keep_fails_the_activity() {
    let mut t = Test::with([schedule(|_| ())]);
    let task = t.poll();
    let large = "x".repeat(3 << 20);
    assert!(t.heartbeat(by_token(&task), &large).unwrap(), "the worker is told to stop");
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_STARTED scheduled=5 attempt=1 by worker
        7 ACTIVITY_TASK_FAILED scheduled=5 started=6 NonRetryableFailure (Server "Heartbeat details exceed size limit.")
        8 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn pending_activities_are_described() {
    let mut t = Test::with([schedule(|_| ())]);
    let info = |t: &Test| super::pending_infos(&t.sim.state()).remove(0);
    assert_eq!(info(&t).state(), PendingActivityState::Scheduled);
    let task = t.poll();
    t.heartbeat(by_token(&task), "half").unwrap();
    let started = info(&t);
    assert_eq!(started.state(), PendingActivityState::Started);
    assert_eq!((started.attempt, started.last_worker_identity.as_str()), (1, WORKER));
    assert_eq!((started.heartbeat_details, started.next_attempt_schedule_time), (payloads("half"), None));
    t.fail(by_token(&task), failure("boom")).unwrap();
    let waiting = info(&t);
    assert_eq!((waiting.state(), waiting.attempt), (PendingActivityState::Scheduled, 2));
    assert_eq!(waiting.current_retry_interval, seconds(1.0));
    assert_eq!(waiting.next_attempt_schedule_time, waiting.scheduled_time);
    assert_eq!((waiting.last_failure, waiting.last_started_time), (Some(failure("boom")), None));
    t.advance(1.0);
    t.poll();
    t.work([cancel(5)]).unwrap();
    assert_eq!(info(&t).state(), PendingActivityState::CancelRequested);
}

/// F2: the details of heartbeats go into the events of the time-outs; what is due together does not go in one entry.
#[test]
fn large_details_of_activities_that_time_out_together_go_in_pieces() {
    let details = "x".repeat((2 << 20) - 1000);
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut test = Test::with(names.iter().map(|name| {
        schedule(|attributes| {
            attributes.activity_id.clone_from(name);
            attempts(attributes, 1);
        })
    }));
    for _ in &names {
        let task = test.poll();
        test.heartbeat(by_token(&task), &details).unwrap();
    }
    test.sim.log.clear();
    test.advance(120.0);
    let history = test.sim.history();
    assert_eq!(history.matches("ACTIVITY_TASK_TIMED_OUT").count(), 10);
    let largest = test.sim.log.iter().map(|entry| entry.size()).max().unwrap();
    assert!((4..8 << 20).contains(&largest) && test.sim.log.len() >= 4, "{largest} bytes");
    assert_eq!(test.sim.state().next_deadline(), None);
}
