//! What causes are in words: a sentence each, and what to do about it.

use prost_types::Timestamp as ProtoTimestamp;
use std::fmt::Write;
use tenure_api::{
    enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    failure::v1::{Failure, failure::FailureInfo},
    nested::Cause as Inner,
    tenure::v1::{Cause, CauseKind as Kind, subject::Subject},
    time::span,
};
use tenure_engine::{RunKey, Timestamp, info::ExecutionInfo};

/// How many characters of an id, a reason or a message a sentence has.
const ID: usize = 120;
const MESSAGE: usize = 400;

/// A worker that has a workflow task for this many seconds takes longer than workflow code should.
const SLOW_TASK: u64 = 5;

/// What sentences about a run need to know besides the causes.
pub(super) struct Words {
    now: Timestamp,
    workflow_id: String,
    workflow_type: String,
    task_queue: String,
    /// The options by which commands find the run: its id, quoted for a shell, and the namespace.
    one: String,
    run: String,
    namespace: String,
}

impl Words {
    pub(super) fn new(namespace: &str, run: &RunKey, info: &ExecutionInfo, now: Timestamp) -> Words {
        let namespace = match namespace {
            "default" => String::new(),
            namespace => format!(" --namespace {}", quoted(namespace)),
        };
        let workflow_id = &*run.workflow.workflow_id;
        let id = match workflow_id.starts_with('-') {
            true => format!("--workflow-id {}", quoted(workflow_id)),
            false => quoted(workflow_id),
        };
        Words {
            now,
            workflow_id: workflow_id.to_owned(),
            workflow_type: info.workflow_type.to_string(),
            task_queue: info.task_queue.to_string(),
            one: format!("{id}{namespace}"),
            run: run.run_id.to_string(),
            namespace,
        }
    }

    /// Puts the causes into words, and tells what the run waits for.
    pub(super) fn say(&self, causes: &mut [Cause]) -> String {
        for cause in causes.iter_mut() {
            (cause.text, cause.advice) = match cause.more {
                0 => (self.text(cause), self.advice(cause)),
                more => (counted(cause.kind(), more), String::new()),
            };
        }
        let Some((first, others)) = causes.split_first() else { return String::new() };
        match besides(others) {
            others if others.is_empty() => first.text.clone(),
            others => format!("{} Besides: {others}.", first.text),
        }
    }

    fn text(&self, cause: &Cause) -> String {
        let ago = self.ago(cause.since);
        match cause.kind() {
            Kind::Unspecified => String::new(),
            Kind::Completed => format!("It completed{ago}.{}", follows(cause)),
            Kind::Failed => format!("It failed{ago}{}.{}", message(cause), follows(cause)),
            Kind::TimedOut => format!("It timed out{ago}: its {} was over.{}", cause.reason, follows(cause)),
            Kind::Terminated => format!("It was terminated{ago}{}.", by(cause)),
            Kind::Canceled => format!("It was cancelled{ago}."),
            Kind::ContinuedAsNew => format!("It was continued as new{ago}{}.{}", message(cause), follows(cause)),
            Kind::StartDelayed => format!("It begins {}: its start was delayed.", self.ahead(cause.next)),
            Kind::CronBackoff => {
                format!("It begins {}, by its cron schedule {}.", self.ahead(cause.next), name(&cause.reason))
            }
            Kind::RetryBackoff => format!(
                "It begins {}: the run before failed, this is attempt {}{}.",
                self.ahead(cause.next),
                attempt(cause),
                message(cause)
            ),
            Kind::Paused => format!("It was paused{ago}{}.", by(cause)),
            Kind::WorkflowTaskUnpolled => {
                let queue = cause.queue.clone().unwrap_or_default();
                let place = match queue.sticky {
                    true => "the sticky queue of the worker that has it in its cache".to_owned(),
                    false => format!("task queue {}", name(&cause.task_queue)),
                };
                let then = match (queue.sticky, cause.next) {
                    (true, Some(_)) => {
                        format!("; {} it moves to task queue {}", self.ahead(cause.next), name(&self.task_queue))
                    }
                    _ => String::new(),
                };
                let waiting = self.lasting(cause.since);
                format!(
                    "A workflow task waits{waiting} in {place}, which no worker polls{}{then}.",
                    self.last_poll(cause)
                )
            }
            Kind::WorkflowTaskQueued => {
                format!("A workflow task waits{}{}.", self.lasting(cause.since), self.in_queue(cause))
            }
            Kind::WorkflowTaskRunning => {
                let waiting = self.lasting(cause.since);
                let next = self.ahead(cause.next);
                format!("Worker {} has its workflow task{waiting}; it times out {next}.", name(&cause.worker))
            }
            Kind::WorkflowTaskFailing => self.failing(cause),
            Kind::ActivityUnpolled => format!(
                "{} waits{} in task queue {}, which no worker polls{}{}.",
                activity(cause),
                self.lasting(cause.since),
                name(&cause.task_queue),
                self.last_poll(cause),
                retried(cause)
            ),
            Kind::ActivityQueued => {
                let waiting = self.lasting(cause.since);
                format!("{} waits{waiting}{}{}.", activity(cause), self.in_queue(cause), retried(cause))
            }
            Kind::ActivityRunning => self.running(cause),
            Kind::ActivityBackoff => {
                let times = if cause.attempt == 2 { "once".to_owned() } else { format!("{} times", cause.attempt - 1) };
                format!(
                    "{} failed {times}, attempt {} begins {}{}.",
                    activity(cause),
                    attempt(cause),
                    self.ahead(cause.next),
                    message(cause)
                )
            }
            Kind::ActivityPaused => format!("{} was paused{ago}{}{}.", activity(cause), by(cause), retried(cause)),
            Kind::ActivityHeld => format!("{} waits for the end of its workflow's pause.", activity(cause)),
            Kind::Timer => format!("Timer {} fires {}.", subject(cause), self.ahead(cause.next)),
            Kind::ChildStarting => format!("{} is being started.", child(cause)),
            Kind::ChildRunning => format!("{} has not ended.", child(cause)),
            Kind::ExternalSignal | Kind::ExternalCancel => counted(cause.kind(), 1),
            Kind::Update => match cause.stage() {
                Stage::Accepted => format!(
                    "Update {} was accepted (event {}), and its handler is not done.",
                    subject(cause),
                    cause.event_id
                ),
                Stage::Admitted | Stage::Completed | Stage::Unspecified => {
                    format!("Update {} waits for a worker to accept it.", subject(cause))
                }
            },
            Kind::CancelRequested => format!("It was asked to be cancelled{ago}{}, and has not ended.", by(cause)),
            Kind::Limit => {
                let limit = cause.limit.clone().unwrap_or_default();
                let close = if limit.used < limit.limit { "close to" } else { "at" };
                format!("It is {close} a limit: {} of {} {}.", limit.used, limit.limit, limit.name)
            }
            Kind::SignalOrUpdate => {
                let until = cause.next.map(|_| format!(" It times out {}.", self.ahead(cause.next)));
                let until = until.unwrap_or_default();
                format!(
                    "Nothing is pending: its code waits for a signal or an update, or a condition of its own.{until}"
                )
            }
        }
    }

    fn failing(&self, cause: &Cause) -> String {
        let since = cause.since.map(|_| format!(", for the first time {}", self.distance(cause.since)));
        let why = if cause.reason == "TimedOut" { "no answer of a worker in time" } else { &cause.reason };
        let at = if cause.event_id > 0 { format!(" at event {}", cause.event_id) } else { String::new() };
        let next = match cause.next {
            Some(_) => {
                format!("attempt {} is running, and ends {} at the latest", cause.attempt, self.ahead(cause.next))
            }
            None => format!("attempt {} is next", cause.attempt),
        };
        format!("Its workflow task fails{}: {why}{at}{}; {next}.", since.unwrap_or_default(), message(cause))
    }

    fn running(&self, cause: &Cause) -> String {
        let mut text =
            format!("{} runs on worker {}{}", activity(cause), name(&cause.worker), self.lasting(cause.since));
        if cause.last_heartbeat.is_some() {
            let _ = write!(text, ", last heartbeat {}", self.distance(cause.last_heartbeat));
        }
        if cause.cancel_requested {
            text.push_str(", and was asked to be cancelled");
        }
        if !cause.identity.is_empty() || !cause.reason.is_empty() {
            let _ = write!(text, ", and is paused when its attempt ends{}", by(cause));
        }
        if cause.next.is_some() {
            let _ = write!(text, "; it times out {}", self.ahead(cause.next));
        }
        format!("{text}{}.", retried(cause))
    }

    /// Where a task waits although it may be polled.
    fn in_queue(&self, cause: &Cause) -> String {
        let queue = cause.queue.clone().unwrap_or_default();
        let place = if queue.sticky { "its worker's sticky queue" } else { "task queue" };
        let mut text = format!(" in {place} {}", name(&cause.task_queue));
        match queue.polled {
            Some(_) => text.push_str(", which workers poll"),
            None => text.push_str("; whether workers poll it is not known, because the queue's home does not answer"),
        }
        if let Some(backlog) = queue.backlog.filter(|backlog| *backlog > 1) {
            let _ = write!(text, "; {backlog} tasks wait there");
        }
        if let Some(rate) = queue.rate_limit {
            // Limits are set in thousandths at the finest.
            let _ = write!(text, "; no more than {} a second are handed out", (rate * 1000.0).round() / 1000.0);
        }
        text
    }

    fn last_poll(&self, cause: &Cause) -> String {
        let queue = cause.queue.clone().unwrap_or_default();
        match (queue.last_poll, &*queue.last_worker) {
            (None, _) => ", and none did lately".to_owned(),
            (Some(_), "") => format!(" (the last one did {})", self.distance(queue.last_poll)),
            (Some(_), worker) => format!(" (the last one did {}: {})", self.distance(queue.last_poll), name(worker)),
        }
    }

    fn advice(&self, cause: &Cause) -> String {
        let (one, namespace) = (&self.one, &self.namespace);
        let activity_command = |verb: &str| {
            let id = cause.subject.as_ref().and_then(|it| it.subject.as_ref());
            let activity = match id {
                Some(Subject::ActivityId(id)) => quoted(id),
                _ => String::new(),
            };
            let workflow = quoted(&self.workflow_id);
            format!("`temporal activity {verb} --workflow-id {workflow} --activity-id {activity}{namespace}`")
        };
        match cause.kind() {
            Kind::Failed | Kind::TimedOut | Kind::Terminated if cause.execution.is_none() => format!(
                "To let it go on as a new run from its last workflow task: `tenure workflow reset {one} --run-id {} --to last-task`.",
                self.run
            ),
            Kind::Completed | Kind::Failed | Kind::TimedOut | Kind::ContinuedAsNew => match &cause.execution {
                Some(next) => format!("See what follows: `tenure workflow why {one} --run-id {}`.", next.run_id),
                None => String::new(),
            },
            Kind::Paused | Kind::ActivityHeld => format!("`tenure workflow unpause {one}` lets it go on."),
            Kind::WorkflowTaskUnpolled if cause.queue.as_ref().is_some_and(|queue| queue.sticky) => String::new(),
            Kind::WorkflowTaskUnpolled => format!(
                "Start a worker with workflow type {} on task queue {}, or more of them if those there are busy.",
                name(&self.workflow_type),
                name(&cause.task_queue)
            ),
            Kind::ActivityUnpolled => format!(
                "Start a worker with activity type {} on task queue {}, or more of them if those there are busy.",
                name(&cause.subject.clone().unwrap_or_default().r#type),
                name(&cause.task_queue)
            ),
            Kind::WorkflowTaskQueued | Kind::ActivityQueued => self.queue_advice(cause),
            Kind::WorkflowTaskRunning if self.seconds_since(cause) >= SLOW_TASK => {
                "See what that worker does: workflow code must not block, and a long history takes time to replay."
                    .into()
            }
            Kind::WorkflowTaskFailing => self.failing_advice(cause),
            Kind::ActivityBackoff => {
                format!("Mend what it fails with; to try it at once: {}.", activity_command("reset"))
            }
            Kind::ActivityPaused => format!("{} lets it go on.", activity_command("unpause")),
            Kind::ActivityRunning if cause.cancel_requested => {
                "An activity hears that it is to be cancelled in the answers to its heartbeats: it has to send some."
                    .into()
            }
            Kind::ChildRunning => match &cause.subject {
                Some(tenure_api::tenure::v1::Subject { subject: Some(Subject::ChildWorkflowId(id)), .. }) => {
                    format!("See what it waits for: `tenure workflow why {}{namespace}`.", quoted(id))
                }
                _ => String::new(),
            },
            Kind::CancelRequested => {
                format!("Its code decides when it ends. To end it without asking: `tenure workflow terminate {one}`.")
            }
            Kind::Limit => limit_advice(&cause.limit.clone().unwrap_or_default().name).to_owned(),
            Kind::SignalOrUpdate => {
                format!("`tenure workflow query {one} --name __stack_trace` shows where its code waits.")
            }
            Kind::Unspecified
            | Kind::Terminated
            | Kind::Canceled
            | Kind::StartDelayed
            | Kind::CronBackoff
            | Kind::RetryBackoff
            | Kind::WorkflowTaskRunning
            | Kind::ActivityRunning
            | Kind::Timer
            | Kind::ChildStarting
            | Kind::ExternalSignal
            | Kind::ExternalCancel
            | Kind::Update => String::new(),
        }
    }

    fn queue_advice(&self, cause: &Cause) -> String {
        let queue = cause.queue.clone().unwrap_or_default();
        let look = format!("`tenure task-queue describe {}{}`", quoted(&cause.task_queue), self.namespace);
        match (queue.polled, queue.rate_limit, queue.backlog) {
            (None, ..) => "`tenure cluster status` shows which shards have no leader.".to_owned(),
            (_, Some(_), _) => format!("The queue has a rate limit, which an operator or its workers set: {look}."),
            (_, None, Some(2..)) => format!("A backlog that grows wants more workers: {look}."),
            _ if self.seconds_since(cause) >= SLOW_TASK => {
                format!("The workers that poll may be of another kind, or too few: {look}.")
            }
            _ => String::new(),
        }
    }

    fn failing_advice(&self, cause: &Cause) -> String {
        let one = &self.one;
        match &*cause.reason {
            "NonDeterministicError" => {
                let event = match cause.event_id {
                    0 => String::new(),
                    id => format!(" before event {id}"),
                };
                format!(
                    "The workers' code does not fit this history: deploy code that does, or let it go on from before the \
                     change with `tenure workflow reset {one} --to EVENT`, for which `tenure workflow show {one}` lists the \
                     workflow tasks that completed{event}."
                )
            }
            "WorkflowWorkerUnhandledFailure" => {
                "The workflow's code failed in a way that does not fail the workflow (a bug, a panic): mend and deploy it; \
                 the task is tried again by itself."
                    .to_owned()
            }
            "TimedOut" => {
                "A worker took the task and did not answer in time: it died, its code blocks, or the history takes too long \
                 to replay."
                    .to_owned()
            }
            reason if reason.ends_with("LimitExceeded") || reason.ends_with("TooLarge") => {
                "The workflow's code asks for more than the server allows: have it do less at once; the task is tried again \
                 by itself."
                    .to_owned()
            }
            _ => "The server refuses what the workflow's code asks for: mend and deploy it; the task is tried again by itself."
                .to_owned(),
        }
    }

    /// ` 5m ago`; nothing if the time is not known.
    fn ago(&self, time: Option<ProtoTimestamp>) -> String {
        time.map(|_| format!(" {}", self.distance(time))).unwrap_or_default()
    }

    /// ` for 5m`: how long something lasts that began then.
    fn lasting(&self, since: Option<ProtoTimestamp>) -> String {
        let since = since.as_ref().map(Timestamp::from_proto);
        since.map(|since| format!(" for {}", span(self.now.since(since)))).unwrap_or_default()
    }

    fn ahead(&self, time: Option<ProtoTimestamp>) -> String {
        let time = time.as_ref().map(Timestamp::from_proto);
        match time.map(|time| time.since(self.now)) {
            None => "later".to_owned(),
            Some(left) if left.is_zero() => "now".to_owned(),
            Some(left) => format!("in {}", span(left)),
        }
    }

    fn distance(&self, time: Option<ProtoTimestamp>) -> String {
        let time = time.as_ref().map_or(self.now, Timestamp::from_proto);
        format!("{} ago", span(self.now.since(time)))
    }

    fn seconds_since(&self, cause: &Cause) -> u64 {
        cause.since.as_ref().map_or(0, |since| self.now.since(Timestamp::from_proto(since)).as_secs())
    }
}

/// ` by Ann: stock-taking`: who did it, and why, as far as they said.
fn by(cause: &Cause) -> String {
    let who = if cause.identity.is_empty() { String::new() } else { format!(" by {}", name(&cause.identity)) };
    let why = if cause.reason.is_empty() { String::new() } else { format!(": {}", plain(&cause.reason, MESSAGE)) };
    format!("{who}{why}")
}

/// `: card declined (PaymentError)`: the outermost message of a failure and, where it has a cause, the innermost.
fn message(cause: &Cause) -> String {
    let Some(failure) = &cause.failure else { return String::new() };
    let inner = failure.cause.as_ref().map(Inner::levels).and_then(|levels| levels.into_iter().next_back());
    let one = |failure: &Failure| match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) if !info.r#type.is_empty() => {
            format!("{} ({})", plain(&failure.message, MESSAGE), plain(&info.r#type, ID))
        }
        _ => plain(&failure.message, MESSAGE),
    };
    match inner.as_ref().map(one) {
        Some(inner) if !inner.is_empty() => format!(": {}: {inner}", one(failure)),
        _ => format!(": {}", one(failure)),
    }
}

/// What is told of the attempts before, where there were some.
fn retried(cause: &Cause) -> String {
    match (cause.attempt, &cause.failure) {
        (2.., Some(_)) => format!("; this is attempt {}, the last one failed{}", attempt(cause), message(cause)),
        (2.., None) => format!("; this is attempt {}", attempt(cause)),
        _ => String::new(),
    }
}

fn attempt(cause: &Cause) -> String {
    match cause.maximum_attempts {
        0 => cause.attempt.to_string(),
        most => format!("{} of {most}", cause.attempt),
    }
}

fn follows(cause: &Cause) -> String {
    let next = cause.execution.as_ref().filter(|next| !next.run_id.is_empty());
    next.map(|next| format!(" Run {} follows.", next.run_id)).unwrap_or_default()
}

fn activity(cause: &Cause) -> String {
    format!("Activity {}{}", subject(cause), of_type(cause))
}

fn child(cause: &Cause) -> String {
    format!("Child workflow {}{}", subject(cause), of_type(cause))
}

fn of_type(cause: &Cause) -> String {
    match &cause.subject {
        Some(it) if !it.r#type.is_empty() => format!(" ({})", plain(&it.r#type, ID)),
        _ => String::new(),
    }
}

fn subject(cause: &Cause) -> String {
    match cause.subject.as_ref().and_then(|it| it.subject.as_ref()) {
        Some(Subject::ActivityId(id) | Subject::TimerId(id) | Subject::ChildWorkflowId(id) | Subject::UpdateId(id)) => {
            name(id)
        }
        None => String::new(),
    }
}

fn limit_advice(name: &str) -> &'static str {
    match name {
        "events of history" | "bytes of history" => {
            "A run beyond it is terminated: have its code continue as new before that."
        }
        "signals" | "updates" => "More of them are refused: have its code continue as new.",
        "updates in flight" => "More of them are refused until some are done.",
        "events that wait for the workflow task" | "bytes of events that wait for the workflow task" => {
            "With more, the workflow task fails: its worker takes long for it, or senders are too fast."
        }
        _ => "With more, the workflow task fails: have its code do less at once.",
    }
}

/// Causes that are not said in words, by what they are about: `2 activities, 1 timer`.
fn besides(causes: &[Cause]) -> String {
    let mut counts: Vec<(Noun, i64)> = Vec::new();
    for cause in causes {
        let (noun, number) = (noun(cause.kind()), cause.more.max(1));
        match counts.iter_mut().find(|(known, _)| *known == noun) {
            Some((_, count)) => *count += number,
            None => counts.push((noun, number)),
        }
    }
    counts.iter().map(|((one, many), count)| number(*count, one, many)).collect::<Vec<_>>().join(", ")
}

/// What a cause is about, one and several.
type Noun = (&'static str, &'static str);

fn noun(kind: Kind) -> Noun {
    match kind {
        Kind::WorkflowTaskUnpolled
        | Kind::WorkflowTaskQueued
        | Kind::WorkflowTaskRunning
        | Kind::WorkflowTaskFailing => ("workflow task", "workflow tasks"),
        Kind::ActivityUnpolled
        | Kind::ActivityQueued
        | Kind::ActivityRunning
        | Kind::ActivityBackoff
        | Kind::ActivityPaused
        | Kind::ActivityHeld => ("activity", "activities"),
        Kind::Timer => ("timer", "timers"),
        Kind::ChildStarting | Kind::ChildRunning => ("child workflow", "child workflows"),
        Kind::ExternalSignal => ("signal to another workflow", "signals to other workflows"),
        Kind::ExternalCancel => ("cancellation of another workflow", "cancellations of other workflows"),
        Kind::Update => ("update", "updates"),
        Kind::CancelRequested => ("request to cancel it", "requests to cancel it"),
        Kind::Limit => ("limit", "limits"),
        Kind::SignalOrUpdate => ("signal or update", "signals or updates"),
        Kind::Paused => ("pause", "pauses"),
        Kind::StartDelayed | Kind::CronBackoff | Kind::RetryBackoff => ("delay", "delays"),
        Kind::Unspecified
        | Kind::Completed
        | Kind::Failed
        | Kind::TimedOut
        | Kind::Terminated
        | Kind::Canceled
        | Kind::ContinuedAsNew => ("end", "ends"),
    }
}

/// A sentence for causes that are not listed one by one.
fn counted(kind: Kind, count: i64) -> String {
    let (one, many) = noun(kind);
    let what = number(count, one, many);
    let (is, has) = if count == 1 { ("is", "has") } else { ("are", "have") };
    match kind {
        Kind::ExternalSignal | Kind::ExternalCancel => format!("{what} {is} on the way."),
        Kind::ActivityBackoff => format!("And {what} more {is} tried again after a while."),
        Kind::ActivityUnpolled | Kind::ActivityQueued => format!("And {what} more wait in task queues."),
        Kind::ActivityRunning => format!("And {what} more {is} running."),
        Kind::ActivityPaused => format!("And {what} more {is} paused."),
        Kind::Timer => format!("And {what} more {is} running."),
        Kind::ChildRunning => format!("And {what} more {has} not ended."),
        _ => format!("And {what} more of that kind."),
    }
}

fn number(count: i64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A name that somebody chose, in quotation marks.
fn name(text: &str) -> String {
    format!("\"{}\"", plain(text, ID))
}

/// A text that somebody else wrote as a part of a sentence: on one line, no longer than so many characters, without
/// what a terminal or a page would act on.
fn plain(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (at, c) in text.trim().chars().enumerate() {
        match c {
            _ if at == most => {
                out.push('…');
                break;
            }
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that are not seen, or turn their neighbours around.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A word of a shell's command line that stands for exactly this text.
fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    if !text.chars().any(|c| c.is_control() || is_hidden(c)) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || is_hidden(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests;
