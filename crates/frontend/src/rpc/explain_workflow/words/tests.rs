use super::*;
use expect_test::{Expect, expect};
use std::sync::Arc;
use tenure_api::{
    common::v1::WorkflowExecution,
    failure::v1::ApplicationFailureInfo,
    tenure::v1::{LimitState, QueueState, Subject as Of},
};
use tenure_engine::{NamespaceId, WorkflowKey};
use uuid::Uuid;

/// A moment so many seconds after noon; the words are said at noon.
fn at(seconds: i64) -> Option<ProtoTimestamp> {
    Some(Timestamp((NOON + seconds) * 1_000_000_000).to_proto())
}

const NOON: i64 = 1_800_000_000;

fn words(namespace: &str, workflow_id: &str) -> Words {
    let workflow = WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: Arc::from(workflow_id) };
    let info = ExecutionInfo { workflow_type: "Order".into(), task_queue: "orders".into(), ..Default::default() };
    Words::new(namespace, &workflow.run(Uuid::nil()), &info, Timestamp(NOON * 1_000_000_000))
}

/// A cause in words, and below it what to do.
#[track_caller]
fn check(cause: Cause, expected: Expect) {
    let mut causes = [cause];
    words("default", "order-1").say(&mut causes);
    expected.assert_eq(&format!("{}\n{}\n", causes[0].text, causes[0].advice));
}

fn of(kind: Kind) -> Cause {
    Cause { kind: kind.into(), ..Default::default() }
}

fn activity(kind: Kind) -> Cause {
    let subject = Of { subject: Some(Subject::ActivityId("7".into())), r#type: "Charge".into() };
    Cause { subject: Some(subject), attempt: 1, task_queue: "cards".into(), ..of(kind) }
}

fn failure(message: &str, kind: &str) -> Option<Failure> {
    let info = ApplicationFailureInfo { r#type: kind.into(), ..Default::default() };
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
    Some(Failure { message: message.into(), failure_info, ..Default::default() })
}

#[test]
fn nobody_polls() {
    let queue = QueueState {
        polled: Some(false),
        last_poll: at(-180),
        last_worker: "4711@shop".into(),
        backlog: Some(3),
        ..Default::default()
    };
    let task = |queue| Cause {
        since: at(-300),
        attempt: 1,
        task_queue: "orders".into(),
        queue: Some(queue),
        ..of(Kind::WorkflowTaskUnpolled)
    };
    check(
        task(queue.clone()),
        expect![[r#"
        A workflow task waits for 5m in task queue "orders", which no worker polls (the last one did 3m ago: "4711@shop").
        Start a worker with workflow type "Order" on task queue "orders", or more of them if those there are busy.
    "#]],
    );
    check(
        task(QueueState { last_poll: None, last_worker: String::new(), ..queue.clone() }),
        expect![[r#"
        A workflow task waits for 5m in task queue "orders", which no worker polls, and none did lately.
        Start a worker with workflow type "Order" on task queue "orders", or more of them if those there are busy.
    "#]],
    );
    let sticky = task(QueueState { sticky: true, ..queue.clone() });
    check(
        Cause { next: at(5), ..sticky },
        expect![[r#"
        A workflow task waits for 5m in the sticky queue of the worker that has it in its cache, which no worker polls (the last one did 3m ago: "4711@shop"); in 5.0s it moves to task queue "orders".

    "#]],
    );
    check(
        Cause { since: at(-60), queue: Some(queue), ..activity(Kind::ActivityUnpolled) },
        expect![[r#"
        Activity "7" (Charge) waits for 1m in task queue "cards", which no worker polls (the last one did 3m ago: "4711@shop").
        Start a worker with activity type "Charge" on task queue "cards", or more of them if those there are busy.
    "#]],
    );
}

#[test]
fn queues_that_are_polled_and_those_that_nobody_knows_of() {
    let task = |queue| Cause {
        since: at(-60),
        attempt: 1,
        task_queue: "orders".into(),
        queue: Some(queue),
        ..of(Kind::WorkflowTaskQueued)
    };
    let polled = QueueState { polled: Some(true), backlog: Some(1), ..Default::default() };
    check(
        task(polled.clone()),
        expect![[r#"
        A workflow task waits for 1m in task queue "orders", which workers poll.
        The workers that poll may be of another kind, or too few: `tenure task-queue describe orders`.
    "#]],
    );
    check(
        task(QueueState { backlog: Some(1200), ..polled.clone() }),
        expect![[r#"
        A workflow task waits for 1m in task queue "orders", which workers poll; 1200 tasks wait there.
        A backlog that grows wants more workers: `tenure task-queue describe orders`.
    "#]],
    );
    check(
        task(QueueState { rate_limit: Some(0.5), backlog: Some(1200), ..polled }),
        expect![[r#"
        A workflow task waits for 1m in task queue "orders", which workers poll; 1200 tasks wait there; no more than 0.5 a second are handed out.
        The queue has a rate limit, which an operator or its workers set: `tenure task-queue describe orders`.
    "#]],
    );
    check(
        task(QueueState::default()),
        expect![[r#"
        A workflow task waits for 1m in task queue "orders"; whether workers poll it is not known, because the queue's home does not answer.
        `tenure cluster status` shows which shards have no leader.
    "#]],
    );
}

#[test]
fn workflow_tasks_that_run_or_fail() {
    let running = Cause { worker: "4711@shop".into(), since: at(-2), next: at(8), ..of(Kind::WorkflowTaskRunning) };
    check(
        running.clone(),
        expect![[r#"
        Worker "4711@shop" has its workflow task for 2.0s; it times out in 8.0s.

    "#]],
    );
    check(
        Cause { since: at(-7), next: at(3), ..running },
        expect![[r#"
        Worker "4711@shop" has its workflow task for 7.0s; it times out in 3.0s.
        See what that worker does: workflow code must not block, and a long history takes time to replay.
    "#]],
    );
    let failing = Cause {
        since: at(-3600),
        attempt: 17,
        reason: "NonDeterministicError".into(),
        event_id: 42,
        failure: failure("[TMPRL1100] Nondeterminism error", ""),
        ..of(Kind::WorkflowTaskFailing)
    };
    check(
        failing.clone(),
        expect![[r#"
        Its workflow task fails, for the first time 1h ago: NonDeterministicError at event 42: [TMPRL1100] Nondeterminism error; attempt 17 is next.
        The workers' code does not fit this history: deploy code that does, or let it go on from before the change with `tenure workflow reset order-1 --to EVENT`, for which `tenure workflow show order-1` lists the workflow tasks that completed before event 42.
    "#]],
    );
    let reason =
        |reason: &str| Cause { reason: reason.into(), event_id: 0, next: at(7), failure: None, ..failing.clone() };
    check(
        reason("TimedOut"),
        expect![[r#"
        Its workflow task fails, for the first time 1h ago: no answer of a worker in time; attempt 17 is running, and ends in 7.0s at the latest.
        A worker took the task and did not answer in time: it died, its code blocks, or the history takes too long to replay.
    "#]],
    );
    check(
        reason("WorkflowWorkerUnhandledFailure"),
        expect![[r#"
        Its workflow task fails, for the first time 1h ago: WorkflowWorkerUnhandledFailure; attempt 17 is running, and ends in 7.0s at the latest.
        The workflow's code failed in a way that does not fail the workflow (a bug, a panic): mend and deploy it; the task is tried again by itself.
    "#]],
    );
    check(
        reason("BadStartTimerAttributes"),
        expect![[r#"
        Its workflow task fails, for the first time 1h ago: BadStartTimerAttributes; attempt 17 is running, and ends in 7.0s at the latest.
        The server refuses what the workflow's code asks for: mend and deploy it; the task is tried again by itself.
    "#]],
    );
    check(
        reason("PendingActivitiesLimitExceeded"),
        expect![[r#"
        Its workflow task fails, for the first time 1h ago: PendingActivitiesLimitExceeded; attempt 17 is running, and ends in 7.0s at the latest.
        The workflow's code asks for more than the server allows: have it do less at once; the task is tried again by itself.
    "#]],
    );
}

#[test]
fn activities() {
    let backoff = Cause {
        since: at(-60),
        next: at(240),
        attempt: 17,
        maximum_attempts: 20,
        failure: failure("card declined", "CardError"),
        ..activity(Kind::ActivityBackoff)
    };
    check(
        backoff.clone(),
        expect![[r#"
        Activity "7" (Charge) failed 16 times, attempt 17 of 20 begins in 4m: card declined (CardError).
        Mend what it fails with; to try it at once: `temporal activity reset --workflow-id order-1 --activity-id 7`.
    "#]],
    );
    check(
        Cause { attempt: 2, maximum_attempts: 0, ..backoff.clone() },
        expect![[r#"
        Activity "7" (Charge) failed once, attempt 2 begins in 4m: card declined (CardError).
        Mend what it fails with; to try it at once: `temporal activity reset --workflow-id order-1 --activity-id 7`.
    "#]],
    );
    let running = Cause { worker: "w1".into(), since: at(-60), next: at(10), ..activity(Kind::ActivityRunning) };
    check(
        running.clone(),
        expect![[r#"
        Activity "7" (Charge) runs on worker "w1" for 1m; it times out in 10s.

    "#]],
    );
    check(
        Cause { last_heartbeat: at(-5), cancel_requested: true, attempt: 3, failure: backoff.failure, ..running },
        expect![[r#"
            Activity "7" (Charge) runs on worker "w1" for 1m, last heartbeat 5.0s ago, and was asked to be cancelled; it times out in 10s; this is attempt 3, the last one failed: card declined (CardError).
            An activity hears that it is to be cancelled in the answers to its heartbeats: it has to send some.
        "#]],
    );
    let paused =
        Cause { since: at(-60), identity: "ann".into(), reason: "no stock".into(), ..activity(Kind::ActivityPaused) };
    check(
        paused,
        expect![[r#"
        Activity "7" (Charge) was paused 1m ago by "ann": no stock.
        `temporal activity unpause --workflow-id order-1 --activity-id 7` lets it go on.
    "#]],
    );
    check(
        activity(Kind::ActivityHeld),
        expect![[r#"
        Activity "7" (Charge) waits for the end of its workflow's pause.
        `tenure workflow unpause order-1` lets it go on.
    "#]],
    );
}

#[test]
fn what_comes_from_outside() {
    let named =
        |kind, subject| Cause { subject: Some(Of { subject: Some(subject), ..Default::default() }), ..of(kind) };
    check(
        Cause { next: at(90), ..named(Kind::Timer, Subject::TimerId("5".into())) },
        expect![[r#"
        Timer "5" fires in 1m 30s.

    "#]],
    );
    check(
        named(Kind::ChildRunning, Subject::ChildWorkflowId("box 1".into())),
        expect![[r#"
        Child workflow "box 1" has not ended.
        See what it waits for: `tenure workflow why 'box 1'`.
    "#]],
    );
    check(
        named(Kind::ChildStarting, Subject::ChildWorkflowId("box 1".into())),
        expect![[r#"
        Child workflow "box 1" is being started.

    "#]],
    );
    let update = named(Kind::Update, Subject::UpdateId("u".into()));
    check(
        Cause { stage: Stage::Admitted.into(), ..update.clone() },
        expect![[r#"
        Update "u" waits for a worker to accept it.

    "#]],
    );
    check(
        Cause { stage: Stage::Accepted.into(), event_id: 7, ..update },
        expect![[r#"
        Update "u" was accepted (event 7), and its handler is not done.

    "#]],
    );
    check(
        Cause { more: 2, ..of(Kind::ExternalSignal) },
        expect![[r#"
        2 signals to other workflows are on the way.

    "#]],
    );
    check(
        Cause { since: at(-9), identity: "ann".into(), ..of(Kind::CancelRequested) },
        expect![[r#"
        It was asked to be cancelled 9.0s ago by "ann", and has not ended.
        Its code decides when it ends. To end it without asking: `tenure workflow terminate order-1`.
    "#]],
    );
    check(
        Cause { next: at(7200), ..of(Kind::SignalOrUpdate) },
        expect![[r#"
        Nothing is pending: its code waits for a signal or an update, or a condition of its own. It times out in 2h.
        `tenure workflow query order-1 --name __stack_trace` shows where its code waits.
    "#]],
    );
    check(
        Cause { since: at(-9), identity: "ann".into(), reason: "no card reader".into(), ..of(Kind::Paused) },
        expect![[r#"
            It was paused 9.0s ago by "ann": no card reader.
            `tenure workflow unpause order-1` lets it go on.
        "#]],
    );
    let limit = LimitState { name: "events of history".into(), used: 50_000, limit: 51_200 };
    check(
        Cause { limit: Some(limit), ..of(Kind::Limit) },
        expect![[r#"
        It is close to a limit: 50000 of 51200 events of history.
        A run beyond it is terminated: have its code continue as new before that.
    "#]],
    );
}

#[test]
fn before_the_beginning_and_after_the_end() {
    check(
        Cause { next: at(60), ..of(Kind::StartDelayed) },
        expect![[r#"
        It begins in 1m: its start was delayed.

    "#]],
    );
    check(
        Cause { next: at(60), reason: "0 * * * *".into(), ..of(Kind::CronBackoff) },
        expect![[r#"
        It begins in 1m, by its cron schedule "0 * * * *".

    "#]],
    );
    let retried = Cause { next: at(60), attempt: 2, failure: failure("no stock", ""), ..of(Kind::RetryBackoff) };
    check(
        retried,
        expect![[r#"
        It begins in 1m: the run before failed, this is attempt 2: no stock.

    "#]],
    );
    check(
        Cause { since: at(-60), ..of(Kind::Completed) },
        expect![[r#"
        It completed 1m ago.

    "#]],
    );
    let failed = Cause { since: at(-60), failure: failure("no stock", "StockError"), ..of(Kind::Failed) };
    check(
        failed.clone(),
        expect![[r#"
        It failed 1m ago: no stock (StockError).
        To let it go on as a new run from its last workflow task: `tenure workflow reset order-1 --run-id 00000000-0000-0000-0000-000000000000 --to last-task`.
    "#]],
    );
    let next = Some(WorkflowExecution { run_id: "0190-next".into(), ..Default::default() });
    check(
        Cause { execution: next.clone(), ..failed },
        expect![[r#"
        It failed 1m ago: no stock (StockError). Run 0190-next follows.
        See what follows: `tenure workflow why order-1 --run-id 0190-next`.
    "#]],
    );
    check(
        Cause { since: at(-60), execution: next, ..of(Kind::ContinuedAsNew) },
        expect![[r#"
        It was continued as new 1m ago. Run 0190-next follows.
        See what follows: `tenure workflow why order-1 --run-id 0190-next`.
    "#]],
    );
    let timed_out = Cause { since: at(-60), reason: "workflow run timeout of 60s".into(), ..of(Kind::TimedOut) };
    check(
        timed_out,
        expect![[r#"
        It timed out 1m ago: its workflow run timeout of 60s was over.
        To let it go on as a new run from its last workflow task: `tenure workflow reset order-1 --run-id 00000000-0000-0000-0000-000000000000 --to last-task`.
    "#]],
    );
    let terminated = Cause { since: at(-60), identity: "ann".into(), reason: "enough".into(), ..of(Kind::Terminated) };
    check(
        terminated,
        expect![[r#"
        It was terminated 1m ago by "ann": enough.
        To let it go on as a new run from its last workflow task: `tenure workflow reset order-1 --run-id 00000000-0000-0000-0000-000000000000 --to last-task`.
    "#]],
    );
    check(
        Cause { since: at(-60), ..of(Kind::Canceled) },
        expect![[r#"
        It was cancelled 1m ago.

    "#]],
    );
}

#[test]
fn the_summary_is_the_first_cause_and_counts_the_others() {
    let mut causes = [
        Cause { more: 0, next: at(9), ..activity(Kind::ActivityBackoff) },
        activity(Kind::ActivityBackoff),
        Cause { more: 1990, ..of(Kind::ActivityBackoff) },
        of(Kind::Timer),
    ];
    causes[0].attempt = 3;
    let summary = words("default", "w").say(&mut causes);
    expect![[r#"Activity "7" (Charge) failed 2 times, attempt 3 begins in 9.0s. Besides: 1991 activities, 1 timer."#]]
        .assert_eq(&summary);
    expect!["And 1990 activities more are tried again after a while."].assert_eq(&causes[2].text);
}

/// Ids, reasons and messages are other people's: a sentence stays one, and a command does what it says.
#[test]
fn texts_of_others_are_harmless() {
    let mut causes = [Cause { identity: "a\u{1b}[2J\n\u{202e}b".into(), reason: "r".repeat(5000), ..of(Kind::Paused) }];
    words("it's mine", "-x\u{1b}$(reboot)\n'").say(&mut causes);
    expect![[r#"It was paused by "a\u{1b}[2J \u{202e}b": rrr…."#]]
        .assert_eq(&causes[0].text.replace(&"r".repeat(MESSAGE), "rrr"));
    expect![[r#"`tenure workflow unpause --workflow-id $'-x\U0000001b$(reboot)\U0000000a\'' --namespace 'it'\''s mine'` lets it go on."#]].assert_eq(&causes[0].advice);
    let shown: Vec<String> = ["order-1", "", "a b", "it's", "a\tb'\\"].map(quoted).into();
    expect![[r#"
        order-1
        ''
        'a b'
        'it'\''s'
        $'a\U00000009b\'\\'"#]]
    .assert_eq(&shown.join("\n"));
}
