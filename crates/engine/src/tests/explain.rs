//! Why a run does not go on, along many a run's life.

use super::{complete_workflow, timer};
use crate::{
    command::{ActivityRef, Poll, Reply, RunRequest, ShardCommand, StartTask},
    explain::{EVENTS, explain},
    key::TaskKind,
    testing::{Sim, schedule_activity, start_request},
    time::Timestamp,
    update::tests::update_command,
};
use expect_test::{Expect, expect};
use std::{fmt::Write, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        FailWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb,
    },
    common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::WorkflowTaskFailedCause,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::v1::HistoryEvent,
    tenure::v1::{Cause, subject::Subject},
    workflowservice::v1::{self as api, pause_activity_request},
};

/// A line for each cause; times are seconds since the run's start.
fn told(sim: &Sim) -> String {
    let (run, state) = (sim.current_run(), sim.state());
    let events: Vec<HistoryEvent> = sim.rows.history(&run).into_iter().rev().take(EVENTS).collect();
    let start = state.info.started_at;
    let mut out = String::new();
    for cause in explain(&state, &events, &sim.limits) {
        let _ = writeln!(out, "{}", line(&cause, start));
    }
    out
}

fn line(cause: &Cause, start: Timestamp) -> String {
    let mut out = cause.kind().as_str_name().trim_start_matches("CAUSE_KIND_").to_owned();
    let seconds = |time: &prost_types::Timestamp| (Timestamp::from_proto(time).0 - start.0) as f64 / 1e9;
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(out, " {name}={value}");
        }
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    fact(
        "of",
        cause.subject.as_ref().and_then(|it| it.subject.as_ref()).map(|subject| match subject {
            Subject::ActivityId(id) | Subject::TimerId(id) | Subject::ChildWorkflowId(id) | Subject::UpdateId(id) => {
                id.clone()
            }
        }),
    );
    fact("since", cause.since.as_ref().map(|it| seconds(it).to_string()));
    fact("next", cause.next.as_ref().map(|it| seconds(it).to_string()));
    fact("event", (cause.event_id > 0).then(|| cause.event_id.to_string()));
    fact("attempt", (cause.attempt > 0).then(|| cause.attempt.to_string()));
    fact("queue", cause.queue.as_ref().map(|_| cause.task_queue.clone()));
    fact("worker", text(&cause.worker));
    fact("by", text(&cause.identity));
    fact("reason", text(&cause.reason));
    fact("failure", cause.failure.as_ref().map(|failure| failure.message.clone()));
    fact("heartbeat", cause.last_heartbeat.as_ref().map(|it| seconds(it).to_string()));
    fact("run", cause.execution.as_ref().map(|_| "another".to_owned()));
    fact("limit", cause.limit.as_ref().map(|limit| format!("{}/{} {}", limit.used, limit.limit, limit.name)));
    fact("more", (cause.more > 0).then(|| cause.more.to_string()));
    fact("trouble", cause.trouble.then(|| "yes".to_owned()));
    out
}

#[track_caller]
fn check(script: impl FnOnce(&mut Sim), expected: Expect) {
    let mut sim = Sim::started();
    script(&mut sim);
    expected.assert_eq(&told(&sim));
}

fn wait(sim: &mut Sim, seconds: u64) {
    sim.advance(Duration::from_secs(seconds));
}

fn step(sim: &mut Sim, commands: Vec<Verb>) {
    let task = sim.poll();
    sim.complete(&task, commands).unwrap();
}

/// Starts the first activity that is ready.
fn poll_activity(sim: &mut Sim) {
    let start = StartTask::of(&sim.ready(TaskKind::Activity)[0], Poll { identity: "w1".into(), ..Poll::default() });
    let Ok(Reply::ActivityTaskStarted(_)) = sim.run(ShardCommand::StartActivityTask(start)) else {
        panic!("not started")
    };
}

fn by_id(id: &str) -> ActivityRef {
    ActivityRef::ById { run_id: None, activity_id: id.to_owned() }
}

fn failure(message: &str) -> Failure {
    let details = Payloads { payloads: vec![Payload { data: vec![0xff; 9000].into(), ..Default::default() }] };
    let info = ApplicationFailureInfo { r#type: "E".into(), details: Some(details), ..Default::default() };
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
    Failure { message: message.into(), failure_info, ..Default::default() }
}

fn fail_activity(sim: &mut Sim, id: &str) {
    let failure = Some(failure("card declined"));
    let request = Arc::new(api::RespondActivityTaskFailedRequest { failure, ..Default::default() });
    sim.run(ShardCommand::FailActivity { activity: by_id(id), request }).unwrap();
}

#[test]
fn the_workflow_task_waits_runs_and_fails() {
    check(
        |sim| wait(sim, 5),
        expect![[r#"
        WORKFLOW_TASK_QUEUED since=0 attempt=1 queue=q
    "#]],
    );
    check(
        |sim| {
            wait(sim, 5);
            sim.poll();
        },
        expect![[r#"
            WORKFLOW_TASK_RUNNING since=5 next=15 attempt=1 worker=worker
        "#]],
    );
    check(
        |sim| {
            let task = sim.poll();
            let message = "[TMPRL1100] Nondeterminism error: HistoryEvent(id: 42, Some(TimerStarted))";
            let request = Arc::new(api::RespondWorkflowTaskFailedRequest {
                cause: WorkflowTaskFailedCause::NonDeterministicError.into(),
                failure: Some(failure(message)),
                identity: "w1".into(),
                ..Default::default()
            });
            wait(sim, 1);
            sim.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request }).unwrap();
            wait(sim, 1);
            sim.poll();
            // The further attempts are not in history.
            wait(sim, 60);
            sim.poll();
        },
        expect![[r#"
            WORKFLOW_TASK_FAILING since=1 next=72 event=42 attempt=3 worker=w1 reason=NonDeterministicError failure=[TMPRL1100] Nondeterminism error: HistoryEvent(id: 42, Some(TimerStarted)) trouble=yes
            WORKFLOW_TASK_RUNNING since=62 next=72 attempt=3 worker=worker
        "#]],
    );
    check(
        |sim| {
            sim.poll();
            wait(sim, 11);
        },
        expect![[r#"
            WORKFLOW_TASK_FAILING since=10 attempt=2 reason=TimedOut trouble=yes
            WORKFLOW_TASK_QUEUED since=10 attempt=2 queue=q
        "#]],
    );
}

#[test]
fn a_task_that_failed_in_the_ordinary_course_of_things_is_no_trouble() {
    check(
        |sim| {
            let task = sim.poll();
            sim.signal("s");
            drop(sim.complete(&task, vec![complete_workflow()]));
        },
        expect![[r#"
            WORKFLOW_TASK_QUEUED since=0 attempt=1 queue=q
        "#]],
    );
}

#[test]
fn activities_wait_run_beat_and_fail() {
    check(
        |sim| {
            step(sim, ["waits", "runs", "fails"].map(schedule_activity).into());
            wait(sim, 1);
            for _ in 0..2 {
                // The first one that is ready, in the order of their stamps.
                poll_activity(sim);
            }
            fail_activity(sim, "waits");
            let beat = Arc::new(api::RecordActivityTaskHeartbeatRequest::default());
            sim.now = sim.now.plus(Duration::from_millis(250));
            sim.run(ShardCommand::HeartbeatActivity { activity: by_id("runs"), request: beat }).unwrap();
        },
        expect![[r#"
            ACTIVITY_BACKOFF of=waits since=1 next=2 event=5 attempt=2 worker=w1 failure=Failure exceeds size limit. trouble=yes
            ACTIVITY_QUEUED of=fails since=0 event=7 attempt=1 queue=q
            ACTIVITY_RUNNING of=runs since=1 next=11 event=6 attempt=1 worker=w1 heartbeat=1.25
        "#]],
    );
}

#[test]
fn what_is_paused_says_by_whom() {
    check(
        |sim| {
            step(sim, vec![schedule_activity("a"), schedule_activity("b")]);
            let activity = Some(pause_activity_request::Activity::Id("a".into()));
            let pause = api::PauseActivityRequest {
                activity,
                identity: "ann".into(),
                reason: "no stock".into(),
                ..Default::default()
            };
            sim.run(ShardCommand::PauseActivity(RunRequest::new(None, pause))).unwrap();
            wait(sim, 1);
            let pause = api::PauseWorkflowExecutionRequest { identity: "bob".into(), ..Default::default() };
            sim.run(ShardCommand::PauseWorkflow(RunRequest::new(None, pause))).unwrap();
        },
        expect![[r#"
            PAUSED since=1 by=bob trouble=yes
            ACTIVITY_PAUSED of=a since=0 event=5 attempt=1 by=ann reason=no stock trouble=yes
            ACTIVITY_HELD of=b since=0 event=6 attempt=1
        "#]],
    );
}

#[test]
fn what_is_not_ready_yet_has_its_time() {
    let delay = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let mut sim = Sim::default();
    sim.start(api::StartWorkflowExecutionRequest { workflow_start_delay: delay(60), ..start_request() });
    expect![[r#"
        START_DELAYED since=0 next=60 attempt=1
    "#]]
    .assert_eq(&told(&sim));
    let mut sim = Sim::default();
    sim.start(api::StartWorkflowExecutionRequest { cron_schedule: "0 * * * *".into(), ..start_request() });
    expect![[r#"
        CRON_BACKOFF since=0 next=800 attempt=1 reason=0 * * * *
    "#]]
    .assert_eq(&told(&sim));
    let mut sim = Sim::default();
    let retry_policy = Some(tenure_api::common::v1::RetryPolicy { initial_interval: delay(30), ..Default::default() });
    sim.start(api::StartWorkflowExecutionRequest { retry_policy, ..start_request() });
    let failure = Some(failure("no stock"));
    step(
        &mut sim,
        vec![Verb::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes { failure })],
    );
    expect![[r#"
        RETRY_BACKOFF since=0 next=30 attempt=2 failure=no stock trouble=yes
    "#]]
    .assert_eq(&told(&sim));
}

#[test]
fn timers_children_updates_and_nothing() {
    let child = |id: &str| {
        Verb::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
            workflow_id: id.into(),
            workflow_type: Some(WorkflowType { name: "C".into() }),
            ..Default::default()
        })
    };
    check(
        |sim| {
            step(sim, vec![timer("late", 90), timer("soon", 60), child("c")]);
            sim.run(update_command("u")).unwrap();
        },
        expect![[r#"
            WORKFLOW_TASK_QUEUED since=0 next=5 attempt=1 queue=q
            UPDATE of=u
            CHILD_STARTING of=c event=7
            TIMER of=soon next=60 event=6
            TIMER of=late next=90 event=5
        "#]],
    );
    check(
        |sim| {
            step(sim, vec![child("c")]);
            sim.deliver_all();
            if !sim.ready(TaskKind::Workflow).is_empty() {
                let task = sim.poll_of("w");
                sim.complete(&task, vec![]).unwrap();
            }
        },
        expect![[r#"
            CHILD_RUNNING of=c event=5 run=another
        "#]],
    );
    check(
        |sim| step(sim, vec![]),
        expect![[r#"
        SIGNAL_OR_UPDATE
    "#]],
    );
    check(
        |sim| {
            let execution = Some(WorkflowExecution { workflow_id: "other".into(), ..Default::default() });
            let signal = SignalExternalWorkflowExecutionCommandAttributes {
                execution,
                signal_name: "s".into(),
                ..Default::default()
            };
            step(sim, vec![Verb::SignalExternalWorkflowExecutionCommandAttributes(signal)]);
        },
        expect![[r#"
            EXTERNAL_SIGNAL more=1
        "#]],
    );
    check(
        |sim| {
            step(sim, vec![]);
            wait(sim, 3);
            sim.request_cancel().unwrap();
            step(sim, vec![]);
        },
        expect![[r#"
            CANCEL_REQUESTED since=3 event=5
            SIGNAL_OR_UPDATE
        "#]],
    );
}

#[test]
fn a_closed_run_tells_how_it_ended() {
    check(
        |sim| step(sim, vec![complete_workflow()]),
        expect![[r#"
        COMPLETED since=0 event=5
    "#]],
    );
    check(
        |sim| {
            let failure = Some(failure("no stock"));
            let fail = FailWorkflowExecutionCommandAttributes { failure };
            step(sim, vec![Verb::FailWorkflowExecutionCommandAttributes(fail)]);
        },
        expect![[r#"
            FAILED since=0 event=5 failure=no stock trouble=yes
        "#]],
    );
    check(
        |sim| drop(sim.terminate().unwrap()),
        expect![[r#"
        TERMINATED since=0 event=3 reason=enough
    "#]],
    );
    let mut sim = Sim::default();
    let timeout = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    sim.start(api::StartWorkflowExecutionRequest { workflow_run_timeout: timeout, ..start_request() });
    wait(&mut sim, 70);
    expect![[r#"
        TIMED_OUT since=60 event=3 reason=workflow run timeout of 60s trouble=yes
    "#]]
    .assert_eq(&told(&sim));
}

#[test]
fn of_very_many_the_first_are_listed_and_the_others_are_counted() {
    let mut sim = Sim::started();
    sim.limits.pending_activities = 2000;
    let all = (0..2000).map(|n| schedule_activity(&n.to_string()));
    step(&mut sim, all.collect());
    let told = told(&sim);
    let kinds: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(kinds, [&["LIMIT"][..], &["ACTIVITY_QUEUED"; 11]].concat());
    assert!(told.contains("ACTIVITY_QUEUED more=1990\n"), "{told}");
    assert!(told.contains("LIMIT limit=2000/2000 activities that are open trouble=yes\n"), "{told}");
}

#[test]
fn a_limit_that_is_close_is_told_behind_what_is_waited_for() {
    check(
        |sim| {
            (0..9).for_each(|_| sim.signal("s"));
            step(sim, vec![timer("t", 60)]);
            sim.limits.signals = 10;
        },
        expect![[r#"
            TIMER of=t next=60 event=14
            LIMIT limit=9/10 signals trouble=yes
        "#]],
    );
}

/// What workers wrote into failures is bounded, and no payload comes along.
#[test]
fn failures_are_cut() {
    let mut sim = Sim::started();
    let failure = Some(failure(&"long ".repeat(100_000)));
    let fail = FailWorkflowExecutionCommandAttributes { failure };
    step(&mut sim, vec![Verb::FailWorkflowExecutionCommandAttributes(fail)]);
    let events: Vec<HistoryEvent> = sim.rows.history(&sim.current_run()).into_iter().rev().collect();
    let causes = explain(&sim.state(), &events, &sim.limits);
    let shown = causes[0].failure.as_ref().expect("a failure");
    assert!(prost::Message::encoded_len(shown) < 5000, "{}", prost::Message::encoded_len(shown));
    assert!(shown.message.starts_with("long long"));
}
