//! Chains of runs: what follows a run that ends, and what it takes along.

use super::{check_error, complete_workflow};
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    id::ProposalId,
    key::{RunKey, TaskKind},
    rows::{RowKey, StateReader},
    testing::{self, Sim, start_request},
    transition::Refused,
};
use expect_test::{Expect, expect};
use std::{fmt::Write, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        ContinueAsNewWorkflowExecutionCommandAttributes as ContinueAsNew, FailWorkflowExecutionCommandAttributes,
        RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{ActivityType, Header, Memo, Payload, Payloads, RetryPolicy},
    enums::v1::WorkflowIdConflictPolicy as Conflict,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::v1::{HistoryEvent, WorkflowExecutionStartedEventAttributes as Started, history_event::Attributes},
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        RespondWorkflowTaskCompletedRequest, SignalWithStartWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
        StartWorkflowExecutionRequest,
    },
};

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn payload(text: &str) -> Payload {
    Payload { data: text.to_owned().into(), ..Default::default() }
}

fn payloads(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload(text)] })
}

fn retrying(maximum_attempts: i32) -> StartWorkflowExecutionRequest {
    let retry_policy = Some(RetryPolicy { maximum_attempts, ..Default::default() });
    StartWorkflowExecutionRequest { retry_policy, ..full_request() }
}

fn cron(schedule: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest { cron_schedule: schedule.into(), ..full_request() }
}

/// A start with something of everything that a run may take along.
fn full_request() -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        input: payloads("in"),
        memo: Some(Memo { fields: [("m".to_owned(), payload("memo"))].into() }),
        header: Some(Header { fields: [("h".to_owned(), payload("header"))].into() }),
        user_metadata: Some(tenure_api::sdk::v1::UserMetadata { summary: Some(payload("summary")), details: None }),
        priority: Some(tenure_api::common::v1::Priority { priority_key: 2, ..Default::default() }),
        ..start_request()
    }
}

fn fail_with(message: &str, change: impl FnOnce(&mut ApplicationFailureInfo)) -> Verb {
    let mut info = ApplicationFailureInfo { r#type: "E".into(), ..Default::default() };
    change(&mut info);
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
    let failure = Some(Failure { message: message.into(), failure_info, ..Default::default() });
    Verb::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes { failure })
}

fn fail(message: &str) -> Verb {
    fail_with(message, |_| ())
}

fn complete_with(result: &str) -> Verb {
    Verb::CompleteWorkflowExecutionCommandAttributes(
        tenure_api::command::v1::CompleteWorkflowExecutionCommandAttributes { result: payloads(result) },
    )
}

fn continue_as_new(attributes: ContinueAsNew) -> Verb {
    Verb::ContinueAsNewWorkflowExecutionCommandAttributes(attributes)
}

/// The runs of the chain, oldest first.
fn chain(sim: &Sim) -> Vec<RunKey> {
    let mut runs = vec![sim.current_run()];
    loop {
        let before = started(sim, &runs[0]).continued_execution_run_id;
        if before.is_empty() {
            return runs;
        }
        runs.insert(0, runs[0].workflow.run(before.parse().unwrap()));
    }
}

fn started(sim: &Sim, run: &RunKey) -> Started {
    match sim.rows.history(run).swap_remove(0).attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started,
        other => panic!("history begins with {other:?}"),
    }
}

fn text(payloads: Option<&Payloads>) -> String {
    let payloads = payloads.into_iter().flat_map(|p| &p.payloads);
    payloads.map(|payload| String::from_utf8_lossy(&payload.data)).collect()
}

/// A line for each run: how it began and how it ended.
fn render(sim: &Sim) -> String {
    let mut lines = String::new();
    let runs = chain(sim);
    for (n, run) in runs.iter().enumerate() {
        let history = sim.rows.history(run);
        let a = started(sim, run);
        assert_eq!(a.first_execution_run_id, runs[0].run_id.to_string());
        assert_eq!(a.original_execution_run_id, run.run_id.to_string());
        write!(lines, "{:?} {} on {}", a.initiator(), a.workflow_type.unwrap().name, a.task_queue.unwrap().name)
            .unwrap();
        let backoff = a.first_workflow_task_backoff.unwrap_or_default();
        write!(lines, " attempt={} after {}s", a.attempt, backoff.seconds as f64 + f64::from(backoff.nanos) / 1e9)
            .unwrap();
        let timeouts = [a.workflow_execution_timeout, a.workflow_run_timeout, a.workflow_task_timeout];
        write!(lines, " {:?}", timeouts.map(|t| t.map(|t| t.seconds))).unwrap();
        let memo = a.memo.iter().flat_map(|m| m.fields.keys()).cloned();
        let header = a.header.iter().flat_map(|h| h.fields.keys()).cloned();
        let carried = [
            text(a.input.as_ref()),
            text(a.last_completion_result.as_ref()),
            a.continued_failure.map(|f| f.message).unwrap_or_default(),
            memo.chain(header).collect(),
            a.cron_schedule,
        ];
        writeln!(lines, " {:?}", carried.map(|c| if c.is_empty() { "-".to_owned() } else { c })).unwrap();
        let next = runs.get(n + 1).map(|run| run.run_id.to_string()).unwrap_or_default();
        writeln!(lines, "  {}", ending(history.last().unwrap(), &next)).unwrap();
    }
    lines
}

fn ending(last: &HistoryEvent, next: &str) -> String {
    let (retry_state, new) = match last.attributes.as_ref().unwrap() {
        Attributes::WorkflowExecutionCompletedEventAttributes(a) => (None, &a.new_execution_run_id),
        Attributes::WorkflowExecutionFailedEventAttributes(a) => (Some(a.retry_state()), &a.new_execution_run_id),
        Attributes::WorkflowExecutionTimedOutEventAttributes(a) => (Some(a.retry_state()), &a.new_execution_run_id),
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a) => (None, &a.new_execution_run_id),
        _ => return format!("{:?}", last.event_type()),
    };
    assert_eq!(new, next, "the last event names the next run");
    match retry_state {
        Some(state) => format!("{:?} {state:?}", last.event_type()),
        None => format!("{:?}", last.event_type()),
    }
}

/// Runs the script, in which each verb ends a task that is polled once it is ready, and compares the chain.
#[track_caller]
fn check(request: StartWorkflowExecutionRequest, verbs: impl IntoIterator<Item = Verb>, expected: Expect) -> Sim {
    let mut sim = Sim::default();
    sim.start(request);
    for verb in verbs {
        step(&mut sim, verb);
    }
    expected.assert_eq(&render(&sim));
    sim
}

#[track_caller]
fn step(sim: &mut Sim, verb: Verb) {
    if sim.ready(TaskKind::Workflow).is_empty() {
        sim.advance(Duration::from_secs(60));
    }
    let task = sim.poll();
    sim.complete(&task, vec![verb]).unwrap();
}

#[test]
fn a_run_continues_as_new() {
    let request = StartWorkflowExecutionRequest {
        workflow_execution_timeout: seconds(1000),
        workflow_run_timeout: seconds(500),
        workflow_task_timeout: seconds(7),
        ..retrying(3)
    };
    let other = ContinueAsNew {
        workflow_type: Some(tenure_api::common::v1::WorkflowType { name: "W2".into() }),
        task_queue: Some(tenure_api::taskqueue::v1::TaskQueue { name: "q2".into(), ..Default::default() }),
        input: payloads("in2"),
        workflow_run_timeout: seconds(5000),
        workflow_task_timeout: seconds(3),
        backoff_start_interval: seconds(2),
        failure: Some(Failure { message: "so far".into(), ..Default::default() }),
        last_completion_result: payloads("result"),
        memo: Some(Memo { fields: [("m2".to_owned(), payload("memo"))].into() }),
        ..Default::default()
    };
    let sim = check(
        request,
        [continue_as_new(ContinueAsNew::default()), continue_as_new(other)],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [Some(1000), Some(500), Some(7)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionContinuedAsNew
        Workflow W on q attempt=1 after 1s [Some(1000), Some(500), Some(7)] ["-", "-", "-", "-", "-"]
          WorkflowExecutionContinuedAsNew
        Workflow W2 on q2 attempt=1 after 2s [Some(1000), Some(1000), Some(3)] ["in2", "result", "so far", "m2", "-"]
          WorkflowExecutionStarted
    "#]],
    );
    let runs = chain(&sim);
    let [first, last] = [&runs[0], &runs[2]].map(|run| sim.rows.execution(run).unwrap().unwrap());
    assert_eq!(last.info.execution_expires_at, first.info.execution_expires_at, "the chain has one time limit");
    assert_eq!(last.info.retry, None, "a retry policy is not handed down");
    assert_eq!(last.info.user_metadata, None);
    assert_eq!(last.info.priority, first.info.priority);
}

#[test]
fn a_run_that_was_short_gives_way_late() {
    #[track_caller]
    fn check(lived_ms: u64, asked_s: i64, expected_ms: i64) {
        let mut sim = Sim::started();
        let task = sim.poll();
        sim.now = sim.now.plus(Duration::from_millis(lived_ms));
        let backoff_start_interval = seconds(asked_s);
        sim.complete(&task, vec![continue_as_new(ContinueAsNew { backoff_start_interval, ..Default::default() })])
            .unwrap();
        let backoff = started(&sim, &sim.current_run()).first_workflow_task_backoff.unwrap_or_default();
        assert_eq!(backoff.seconds * 1000 + i64::from(backoff.nanos) / 1_000_000, expected_ms);
    }
    check(0, 0, 1000);
    check(300, 0, 700);
    check(1000, 0, 0);
    check(300, 1, 1000);
    check(300, 5, 5000);
}

#[test]
fn a_run_that_was_woken_early_leaves_the_next_its_turn() {
    let mut sim = Sim::default();
    sim.start(cron("0 * * * *"));
    let turn = sim.state().info.execution_at;
    sim.run(signal_with_start("s", Conflict::Unspecified)).unwrap();
    step(&mut sim, complete_workflow());
    assert_eq!(sim.state().info.execution_at, turn);
}

#[test]
fn a_bad_continuation_fails_its_task() {
    #[track_caller]
    fn check(change: fn(&mut ContinueAsNew), expected: Expect) {
        let mut sim = Sim::started();
        let task = sim.poll();
        let mut attributes = ContinueAsNew::default();
        change(&mut attributes);
        check_error(sim.complete(&task, vec![continue_as_new(attributes)]), expected);
        assert!(sim.state().is_running());
    }
    check(
        |a| a.task_queue = Some(tenure_api::taskqueue::v1::TaskQueue { name: "/_sys/q".into(), ..Default::default() }),
        expect![[
            r#"InvalidArgument: BadContinueAsNewAttributes: error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: task queue name cannot start with reserved prefix /_sys/. WorkflowType=W TaskQueue=name:"/_sys/q"  kind:TASK_QUEUE_KIND_NORMAL"#
        ]],
    );
    check(
        |a| a.workflow_run_timeout = seconds(-1),
        expect![[
            r#"InvalidArgument: BadContinueAsNewAttributes: Invalid WorkflowRunTimeout on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=W TaskQueue=name:"q"  kind:TASK_QUEUE_KIND_NORMAL"#
        ]],
    );
    check(
        |a| a.workflow_task_timeout = seconds(-1),
        expect![[
            r#"InvalidArgument: BadContinueAsNewAttributes: Invalid WorkflowTaskTimeout on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=W TaskQueue=name:"q"  kind:TASK_QUEUE_KIND_NORMAL"#
        ]],
    );
    check(
        |a| a.backoff_start_interval = seconds(-1),
        expect![[
            r#"InvalidArgument: BadContinueAsNewAttributes: Invalid BackoffStartInterval on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=W TaskQueue=name:"q"  kind:TASK_QUEUE_KIND_NORMAL"#
        ]],
    );
    check(
        |a| a.retry_policy = Some(RetryPolicy { maximum_attempts: -1, ..Default::default() }),
        expect![[
            r#"InvalidArgument: BadContinueAsNewAttributes: invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: MaximumAttempts cannot be negative on retry policy.. WorkflowType=W TaskQueue=name:"q"  kind:TASK_QUEUE_KIND_NORMAL"#
        ]],
    );
}

#[test]
fn a_run_does_not_continue_past_what_it_has_not_seen() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.signal("s");
    check_error(
        sim.complete(&task, vec![continue_as_new(ContinueAsNew::default())]),
        expect!["InvalidArgument: UnhandledCommand"],
    );
    step(&mut sim, continue_as_new(ContinueAsNew::default()));
    assert_eq!(chain(&sim).len(), 2);
}

#[test]
fn a_failed_run_is_tried_again() {
    check(
        retrying(3),
        ["a", "b", "c"].map(fail),
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [None, None, Some(10)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed InProgress
        Retry W on q attempt=2 after 1s [None, None, Some(10)] ["in", "-", "a", "mh", "-"]
          WorkflowExecutionFailed InProgress
        Retry W on q attempt=3 after 2s [None, None, Some(10)] ["in", "-", "b", "mh", "-"]
          WorkflowExecutionFailed MaximumAttemptsReached
    "#]],
    );
}

#[test]
fn some_failures_are_final() {
    check(
        retrying(3),
        [fail_with("no", |info| info.non_retryable = true)],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [None, None, Some(10)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed NonRetryableFailure
    "#]],
    );
    let mut request = retrying(3);
    request.retry_policy.as_mut().unwrap().non_retryable_error_types = vec!["E".into()];
    check(
        request,
        [fail("no")],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [None, None, Some(10)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed NonRetryableFailure
    "#]],
    );
    check(
        full_request(),
        [fail("no")],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [None, None, Some(10)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed RetryPolicyNotSet
    "#]],
    );
    let limited = StartWorkflowExecutionRequest { workflow_execution_timeout: seconds(5), ..retrying(0) };
    check(
        limited,
        [fail_with("late", |info| info.next_retry_delay = seconds(6))],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [Some(5), Some(5), Some(5)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed Timeout
    "#]],
    );
}

#[test]
fn a_failure_may_say_when_to_try_again() {
    #[track_caller]
    fn check(delay: Option<prost_types::Duration>, expected: i64) {
        let mut sim = Sim::default();
        let mut request = retrying(0);
        request.retry_policy.as_mut().unwrap().maximum_interval = seconds(20);
        sim.start(request);
        step(&mut sim, fail_with("later", |info| info.next_retry_delay = delay));
        assert_eq!(started(&sim, &sim.current_run()).first_workflow_task_backoff, seconds(expected));
    }
    check(None, 1);
    check(seconds(5), 5);
    check(seconds(50), 20);
    check(seconds(0), 20);
}

#[test]
fn a_run_that_timed_out_is_tried_again_within_the_time_of_the_chain() {
    let mut sim = Sim::default();
    sim.start(StartWorkflowExecutionRequest {
        workflow_run_timeout: seconds(2),
        workflow_execution_timeout: seconds(7),
        ..retrying(0)
    });
    sim.advance(Duration::from_secs(60));
    expect![[r#"
        Unspecified W on q attempt=1 after 0s [Some(7), Some(2), Some(2)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionTimedOut InProgress
        Retry W on q attempt=2 after 1s [Some(7), Some(2), Some(2)] ["in", "-", "workflow timeout", "mh", "-"]
          WorkflowExecutionTimedOut InProgress
        Retry W on q attempt=3 after 2s [Some(7), Some(2), Some(2)] ["in", "-", "workflow timeout", "mh", "-"]
          WorkflowExecutionTimedOut Timeout
    "#]]
    .assert_eq(&render(&sim));
    assert_eq!(sim.deadlines(), []);
    let mut sim = Sim::default();
    sim.start(StartWorkflowExecutionRequest { workflow_execution_timeout: seconds(2), ..full_request() });
    sim.advance(Duration::from_secs(60));
    expect![[r#"
        Unspecified W on q attempt=1 after 0s [Some(2), Some(2), Some(2)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionTimedOut Timeout
    "#]]
    .assert_eq(&render(&sim));
}

#[test]
fn a_cron_run_comes_again_however_it_ended() {
    check(
        cron("@every 30s"),
        [complete_with("r1"), fail("a"), complete_workflow(), complete_with("r2")],
        expect![[r#"
            CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "-", "-", "mh", "@every 30s"]
              WorkflowExecutionCompleted
            CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "r1", "-", "mh", "@every 30s"]
              WorkflowExecutionFailed RetryPolicyNotSet
            CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "r1", "a", "mh", "@every 30s"]
              WorkflowExecutionCompleted
            CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "-", "-", "mh", "@every 30s"]
              WorkflowExecutionCompleted
            CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "r2", "-", "mh", "@every 30s"]
              WorkflowExecutionStarted
        "#]],
    );
    let mut sim = Sim::default();
    sim.start(StartWorkflowExecutionRequest { workflow_run_timeout: seconds(2), ..cron("* * * * *") });
    sim.advance(Duration::from_secs(130));
    expect![[r#"
        CronSchedule W on q attempt=1 after 20s [None, Some(2), Some(2)] ["in", "-", "-", "mh", "* * * * *"]
          WorkflowExecutionTimedOut RetryPolicyNotSet
        CronSchedule W on q attempt=1 after 58s [None, Some(2), Some(2)] ["in", "-", "workflow timeout", "mh", "* * * * *"]
          WorkflowExecutionTimedOut RetryPolicyNotSet
        CronSchedule W on q attempt=1 after 58s [None, Some(2), Some(2)] ["in", "-", "workflow timeout", "mh", "* * * * *"]
          WorkflowExecutionStarted
    "#]].assert_eq(&render(&sim));
}

#[test]
fn a_cron_run_is_tried_again_before_its_next_turn() {
    let request = StartWorkflowExecutionRequest { cron_schedule: "@every 30s".into(), ..retrying(2) };
    check(
        request,
        [complete_with("r1"), fail("a"), fail("b")],
        expect![[r#"
        CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "-", "-", "mh", "@every 30s"]
          WorkflowExecutionCompleted
        CronSchedule W on q attempt=1 after 30s [None, None, Some(10)] ["in", "r1", "-", "mh", "@every 30s"]
          WorkflowExecutionFailed InProgress
        Retry W on q attempt=2 after 1s [None, None, Some(10)] ["in", "-", "a", "mh", "@every 30s"]
          WorkflowExecutionFailed MaximumAttemptsReached
        CronSchedule W on q attempt=1 after 1s [None, None, Some(10)] ["in", "-", "b", "mh", "@every 30s"]
          WorkflowExecutionStarted
    "#]],
    );
}

#[test]
fn a_cron_schedule_has_to_be_one() {
    let refused = |schedule| Sim::default().try_start(cron(schedule));
    check_error(refused("foo"), expect!["InvalidArgument: invalid CronSchedule."]);
    check_error(
        refused("0 0 31 2 *"),
        expect!["InvalidArgument: invalid CronSchedule, no time can be found to satisfy the schedule"],
    );
}

#[test]
fn what_is_asked_of_a_cron_run_between_its_turns() {
    let waiting = || {
        let mut sim = Sim::default();
        sim.start(cron("@every 30s"));
        step(&mut sim, complete_workflow());
        assert!(sim.ready(TaskKind::Workflow).is_empty());
        sim
    };
    let mut sim = waiting();
    sim.terminate().unwrap();
    sim.advance(Duration::from_secs(60));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_TERMINATED "enough"
    "#]]
    .assert_eq(&sim.history());
    let mut sim = waiting();
    sim.signal("s");
    sim.request_cancel().unwrap();
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED s
        3 WORKFLOW_EXECUTION_CANCEL_REQUESTED
        4 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
}

fn signal_with_start(id: &str, conflict: Conflict) -> ShardCommand {
    let request = full_request();
    testing::signal_with_start(SignalWithStartWorkflowExecutionRequest {
        signal_name: id.into(),
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        request_id: id.into(),
        workflow_id_conflict_policy: conflict.into(),
        ..Default::default()
    })
}

#[track_caller]
fn was_started(reply: Result<Reply, Refused>) -> bool {
    match reply {
        Ok(Reply::WorkflowStarted { started, .. }) => started,
        other => panic!("unexpected answer: {other:?}"),
    }
}

#[test]
fn a_signal_starts_the_workflow_that_it_needs() {
    let mut sim = Sim::default();
    assert!(was_started(sim.run(signal_with_start("a", Conflict::Unspecified))));
    assert!(!was_started(sim.run(signal_with_start("b", Conflict::UseExisting))));
    let entries = sim.log.len();
    assert!(!was_started(sim.run(signal_with_start("a", Conflict::Unspecified))));
    assert!(!was_started(sim.run(signal_with_start("b", Conflict::Unspecified))));
    assert_eq!(sim.log.len(), entries, "a request id is received once");
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED a
        3 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        4 WORKFLOW_EXECUTION_SIGNALED b
    "#]]
    .assert_eq(&sim.history());
    let shown = &sim.state().info.request_ids[0];
    assert_eq!((&*shown.request_id, shown.event_id), ("a", 2));
    assert!(was_started(sim.run(signal_with_start("c", Conflict::TerminateExisting))));
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED c
        3 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
    assert_eq!(sim.state().signals, 1);
    sim.terminate().unwrap();
    assert!(was_started(sim.run(signal_with_start("d", Conflict::Unspecified))));
}

#[test]
fn a_signal_with_start_ends_a_delay() {
    let mut sim = Sim::default();
    sim.start(StartWorkflowExecutionRequest { workflow_start_delay: seconds(60), ..start_request() });
    sim.signal("plain");
    sim.run(signal_with_start("s", Conflict::Unspecified)).unwrap();
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_EXECUTION_SIGNALED plain
        3 WORKFLOW_EXECUTION_SIGNALED s
        4 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]
    .assert_eq(&sim.history());
}

#[test]
fn a_start_may_take_the_first_task_along() {
    let eager = |request_id: &str| StartWorkflowExecutionRequest {
        request_eager_execution: true,
        request_id: request_id.into(),
        ..start_request()
    };
    let start = |sim: &mut Sim, request| match sim.try_start(request) {
        Ok(Reply::WorkflowStarted { task, .. }) => task,
        other => panic!("not started: {other:?}"),
    };
    let mut sim = Sim::default();
    let task = start(&mut sim, eager("r")).expect("the task came along");
    assert!(sim.ready(TaskKind::Workflow).is_empty());
    assert_eq!(start(&mut sim, eager("r")).as_ref(), Some(&task), "the answer may have been lost");
    assert_eq!(start(&mut sim, StartWorkflowExecutionRequest { request_eager_execution: false, ..eager("r") }), None);
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    assert_eq!(start(&mut sim, eager("r")), None);
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_TASK_STARTED scheduled=2
        4 WORKFLOW_TASK_COMPLETED scheduled=2 started=3
        5 WORKFLOW_EXECUTION_COMPLETED task=4
    "#]]
    .assert_eq(&sim.history());

    let mut undelivered = Sim::default();
    let task = start(&mut undelivered, eager("r")).expect("the task came along");
    undelivered.run(ShardCommand::ReturnTask { token: task.token }).unwrap();
    assert_eq!(undelivered.ready(TaskKind::Workflow).len(), 1);

    let mut delayed = Sim::default();
    let request = StartWorkflowExecutionRequest { workflow_start_delay: seconds(9), ..eager("r") };
    assert_eq!(start(&mut delayed, request), None);
    assert!(!started(&delayed, &delayed.current_run()).eager_execution_accepted);

    let conflict = Conflict::TerminateExisting.into();
    let request = StartWorkflowExecutionRequest { workflow_id_conflict_policy: conflict, ..eager("r2") };
    assert!(start(&mut delayed, request).is_some());
}

#[test]
fn a_completion_may_take_activities_along() {
    let schedule = |id: &str, request_eager_execution| {
        Verb::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: id.into(),
            activity_type: Some(ActivityType { name: "A".into() }),
            task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
            start_to_close_timeout: seconds(10),
            request_eager_execution,
            ..Default::default()
        })
    };
    let cancel = Verb::RequestCancelActivityTaskCommandAttributes(RequestCancelActivityTaskCommandAttributes {
        scheduled_event_id: 7,
    });
    let mut sim = Sim::started();
    let task = sim.poll();
    let commands = vec![schedule("a", true), schedule("b", false), schedule("c", true), cancel];
    let commands = commands.into_iter().map(crate::testing::command).collect();
    let request = RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
    let command = ShardCommand::CompleteWorkflowTask { token: task.token, request: Arc::new(request) };
    let mut complete = || match sim.propose(ProposalId(7), command.clone()) {
        Ok(Reply::WorkflowTaskCompleted { activities, .. }) => activities,
        other => panic!("not completed: {other:?}"),
    };
    let taken = complete();
    assert_eq!(complete(), taken, "a retry inside the server gives the first answer");
    let ids: Vec<&str> = taken.iter().map(|token| &*token.activity_id).collect();
    assert_eq!(ids, ["a"]);
    let ready = sim.ready(TaskKind::Activity);
    assert_eq!(ready.iter().map(|task| task.scheduled_event_id).collect::<Vec<_>>(), [6]);
    sim.run(ShardCommand::ReturnTask { token: taken[0].clone() }).unwrap();
    assert_eq!(sim.ready(TaskKind::Activity).len(), 2, "what was not delivered is ready again");
}

#[test]
fn a_chain_leaves_one_current_run_and_nothing_ready_of_the_others() {
    let mut sim = check(
        retrying(2),
        [fail("a")],
        expect![[r#"
        Unspecified W on q attempt=1 after 0s [None, None, Some(10)] ["in", "-", "-", "mh", "-"]
          WorkflowExecutionFailed InProgress
        Retry W on q attempt=2 after 1s [None, None, Some(10)] ["in", "-", "a", "mh", "-"]
          WorkflowExecutionStarted
    "#]],
    );
    let timers: Vec<RunKey> = sim.deadlines().into_iter().map(|(_, run)| run).collect();
    assert_eq!(timers, [sim.current_run()]);
    sim.advance(Duration::from_secs(1));
    let ready: Vec<RunKey> = sim.rows.ready_tasks().into_iter().map(|task| task.run).collect();
    assert_eq!(ready, [sim.current_run()]);
    let rows = |kind: fn(&RowKey) -> bool| sim.rows.rows().filter(|(key, _)| kind(key)).count();
    assert_eq!(rows(|key| matches!(key, RowKey::Current(_))), 1);
    assert_eq!(rows(|key| matches!(key, RowKey::RequestId { .. })), 1, "a chain may be long");
}

/// F31.
#[test]
fn a_signals_request_id_counts_for_its_chain_of_runs_and_no_other() {
    let mut sim = Sim::started();
    let paid = || {
        let request = SignalWorkflowExecutionRequest {
            signal_name: "paid".into(),
            request_id: "paid-1".into(),
            ..Default::default()
        };
        ShardCommand::SignalWorkflow(RunRequest::new(None, request))
    };
    let received = |sim: &mut Sim, proposal| {
        let entries = sim.log.len();
        let reply = sim.propose(ProposalId(proposal), paid());
        assert!(matches!(reply, Ok(Reply::WorkflowSignaled { .. })), "{reply:?}");
        sim.log.len() > entries
    };
    assert!(received(&mut sim, 1));
    assert!(!received(&mut sim, 2), "applied once");
    let task = sim.poll();
    sim.complete(&task, vec![continue_as_new(Default::default())]).unwrap();
    assert!(!received(&mut sim, 3), "the chain goes on");
    sim.advance(Duration::from_secs(60));
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    sim.start(StartWorkflowExecutionRequest { request_id: "second".into(), ..start_request() });
    assert!(!received(&mut sim, 1), "the same request, tried again");
    assert!(received(&mut sim, 4), "the workflow id is used again");
    assert!(!received(&mut sim, 5));
    assert_eq!(sim.state().signals, 1);
}

/// F31.
#[test]
fn a_signal_with_start_starts_again_when_the_chain_that_it_signalled_has_ended() {
    let mut sim = Sim::started();
    let received = |sim: &mut Sim, proposal| {
        let reply = sim.propose(ProposalId(proposal), signal_with_start("paid-1", Conflict::UseExisting));
        let Ok(Reply::WorkflowStarted { run_id, .. }) = reply else { panic!("{reply:?}") };
        run_id
    };
    let first = received(&mut sim, 1);
    assert_eq!(received(&mut sim, 2), first);
    assert_eq!(sim.state().signals, 1, "applied once");
    let task = sim.poll();
    sim.complete(&task, vec![complete_workflow()]).unwrap();
    assert_eq!(received(&mut sim, 1), first, "the same request, tried again");
    let second = received(&mut sim, 3);
    assert_ne!(second, first);
    assert_eq!(received(&mut sim, 4), second);
    assert_eq!(sim.state().signals, 1);
}
