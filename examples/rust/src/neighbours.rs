//! Rust among other languages: activities for their workflows, and workflows that use their activities and workflows.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenure_sdk::{Binary, FailureKind, Raw, TimeoutType, prelude::*};

// What a worker in Python has, by name. Arguments and results are JSON; None is null.
const JOIN: ActivityRef<(Vec<String>, Option<String>), String> = ActivityRef::new("join");
const NOTHING: ActivityRef<(Option<String>,), Option<String>> = ActivityRef::new("nothing");
const BACKWARDS: ActivityRef<(Binary,), Binary> = ActivityRef::new("backwards");
const TOMORROW: ActivityRef<(Raw,), Raw> = ActivityRef::new("tomorrow");
const MISBEHAVE: ActivityRef<(String,), ()> = ActivityRef::new("misbehave");
const SHOUT: WorkflowRef<(String,), String> = WorkflowRef::new("Shout");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errands {
    pub joined: String,
    pub spaced: String,
    pub nothing: Option<String>,
    pub something: Option<String>,
    pub backwards: Vec<u8>,
}

/// Values of every kind go to Python and come back.
#[workflow]
pub async fn errands(cx: WorkflowContext, python: String, words: Vec<String>) -> Result<Errands> {
    let patience = Duration::from_secs(10);
    let joined = cx.activity(JOIN, (words.clone(), Some("-".to_owned()))).task_queue(&python);
    let spaced = cx.activity(JOIN, (words, None)).task_queue(&python);
    let nothing = cx.activity(NOTHING, None).task_queue(&python);
    let something = cx.activity(NOTHING, Some("x".to_owned())).task_queue(&python);
    let bytes = Binary(b"\x00abc\xff".as_slice().into());
    let backwards = cx.activity(BACKWARDS, bytes).task_queue(&python);
    let (joined, spaced, nothing, something, backwards) = join!(
        joined.start_to_close(patience),
        spaced.start_to_close(patience),
        nothing.start_to_close(patience),
        something.start_to_close(patience),
        backwards.start_to_close(patience),
    );
    let backwards = backwards?.0.to_vec();
    Ok(Errands { joined: joined?, spaced: spaced?, nothing: nothing?, something: something?, backwards })
}

/// A value whose type nobody here knows, a Protobuf message say, is passed on as it is.
#[workflow]
pub async fn relay(cx: WorkflowContext, python: String, value: Raw) -> Result<Raw> {
    cx.activity(TOMORROW, value).task_queue(python).start_to_close(Duration::from_secs(10)).await
}

/// What a workflow here can tell of a failure there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub r#type: Option<String>,
    pub message: String,
    pub retryable: bool,
    pub details: (String, u32),
    pub timeout: Option<String>,
    pub cancelled: bool,
}

impl Seen {
    fn of(failure: &Failure) -> Self {
        let details = || Ok::<_, Failure>((failure.decode_detail(0)?, failure.decode_detail(1)?));
        Seen {
            r#type: failure.application_type().map(str::to_owned),
            message: failure.root().message.clone(),
            retryable: failure.root().is_retryable(),
            details: details().unwrap_or_default(),
            timeout: failure.timed_out().map(|which: TimeoutType| which.as_str_name().to_owned()),
            cancelled: failure.is_cancelled(),
        }
    }
}

/// Looks at how an activity in Python fails.
#[workflow]
pub async fn inspect(cx: WorkflowContext, python: String, how: String) -> Result<Seen> {
    match misbehave(&cx, python, how).await {
        Ok(()) => Err(Failure::msg("it should have failed")),
        Err(failure) => Ok(Seen::of(&failure)),
    }
}

/// Fails as the activity in Python does; a cancellation reaches the activity, and what it makes of it comes back.
#[workflow]
pub async fn suffer(cx: WorkflowContext, python: String, how: String) -> Result<()> {
    misbehave(&cx, python, how).await
}

async fn misbehave(cx: &WorkflowContext, python: String, how: String) -> Result<()> {
    let is_slow = how == "is slow";
    let call = cx.activity(MISBEHAVE, how).task_queue(python).cancellation(Cancellation::WaitCompleted);
    let policy = RetryPolicy::default().initial_interval(Duration::from_millis(50)).maximum_attempts(2);
    let time = Duration::from_secs(if is_slow { 1 } else { 60 });
    call.start_to_close(time).heartbeat_timeout(Duration::from_secs(3)).retry(policy).await
}

/// Has a workflow in Python do the work; gives its result, or why it failed.
#[workflow]
pub async fn delegate(cx: WorkflowContext, python: String, text: String) -> Result<String> {
    let id = format!("{}-child", cx.info().workflow_id);
    match cx.child(SHOUT, text).id(id).task_queue(python).await {
        Err(failure) if matches!(failure.kind, FailureKind::ChildWorkflow { .. }) => {
            Ok(format!("{}: {}", failure.application_type().unwrap_or("no type"), failure.root().message))
        }
        other => other,
    }
}

#[activity]
pub async fn total(numbers: Vec<i64>, extra: Option<i64>) -> i64 {
    numbers.iter().sum::<i64>() + extra.unwrap_or_default()
}

#[activity]
pub async fn flip(data: Binary) -> Binary {
    Binary(data.0.iter().rev().copied().collect())
}

#[activity]
pub async fn echo(value: Raw) -> Raw {
    value
}

/// Fails for good, with details.
#[activity]
pub async fn decline(what: String) -> Result<()> {
    let failure = Failure::application("Declined", format!("{what} is declined"));
    Err(failure.detail(what).detail(7_u32).non_retryable().caused_by(Failure::application("Limit", "too much")))
}

/// Goes on until it is told to stop.
#[activity]
pub async fn dawdle(cx: ActivityContext) -> Result<()> {
    loop {
        tokio::select! {
            () = cx.cancelled() => return Err(Failure::cancelled("told to stop")),
            () = tokio::time::sleep(Duration::from_millis(100)) => cx.heartbeat("still here".to_owned()),
        }
    }
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    let worker = Worker::new(client, task_queue).workflow(errands).workflow(relay).workflow(inspect).workflow(suffer);
    let worker = worker.workflow(delegate).activity(total).activity(flip).activity(echo);
    worker.activity(decline).activity(dawdle)
}
