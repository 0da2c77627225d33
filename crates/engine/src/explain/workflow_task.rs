//! The workflow task of a run: where it waits or runs, and why it fails.

use super::tell::{cause, since_last_completed, time};
use crate::{
    bad_command::cause_name,
    failures,
    state::ExecutionState,
    workflow_task::state::{PendingTask, TaskFailure, TaskPhase},
};
use tenure_api::{
    enums::v1::WorkflowTaskFailedCause as Why,
    failure::v1::Failure,
    history::v1::{HistoryEvent, history_event::Attributes},
    tenure::v1::{Cause, CauseKind as Kind, QueueState},
};

pub(super) fn explain(state: &ExecutionState, events: &[HistoryEvent], causes: &mut Vec<Cause>) {
    let attempt = state.workflow_task.attempt;
    if let Some(task) = &state.workflow_task.pending {
        causes.push(pending(task, attempt));
    }
    if let Some(reason) = state.workflow_task.last_failure.and_then(name) {
        causes.push(failing(state, events, reason));
    }
}

fn pending(task: &PendingTask, attempt: i32) -> Cause {
    match &task.phase {
        TaskPhase::Ready { deadline, .. } => Cause {
            attempt,
            since: time(task.scheduled_at),
            next: deadline.and_then(time),
            task_queue: task.queue.to_string(),
            queue: Some(QueueState { sticky: task.sticky, ..Default::default() }),
            ..cause(Kind::WorkflowTaskQueued)
        },
        TaskPhase::Started(started) => Cause {
            attempt,
            since: time(started.at),
            next: time(started.at.plus(task.timeout)),
            worker: started.identity.clone(),
            task_queue: task.queue.to_string(),
            ..cause(Kind::WorkflowTaskRunning)
        },
    }
}

/// The name of a failure; `None` for what belongs to the ordinary course of things.
fn name(failure: TaskFailure) -> Option<String> {
    let why = match failure {
        TaskFailure::TimedOut => return Some("TimedOut".to_owned()),
        TaskFailure::Failed(why) => Why::try_from(why).unwrap_or_default(),
    };
    let ordinary = matches!(
        why,
        Why::UnhandledCommand
            | Why::ResetWorkflow
            | Why::ResetStickyTaskQueue
            | Why::ForceCloseCommand
            | Why::FailoverCloseCommand
            | Why::WorkflowPauseRequestedBeforeTaskStarted
    );
    (!ordinary).then(|| cause_name(why))
}

fn failing(state: &ExecutionState, events: &[HistoryEvent], reason: String) -> Cause {
    let failed = since_last_completed(state, events, |event, attributes| match attributes {
        Attributes::WorkflowTaskFailedEventAttributes(failed) => {
            Some((event, failed.failure.as_ref(), &*failed.identity))
        }
        Attributes::WorkflowTaskTimedOutEventAttributes(_) => Some((event, None, "")),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    let told = failed.iter().find_map(|(_, failure, identity)| Some(((*failure)?, *identity)));
    let mismatch =
        told.filter(|_| reason == "NonDeterministicError").and_then(|(failure, _)| mismatched_event(failure));
    let deadline = state.workflow_task.started().map(|(task, started)| started.at.plus(task.timeout));
    Cause {
        trouble: true,
        since: failed.last().and_then(|(event, ..)| event.event_time),
        next: deadline.and_then(time),
        event_id: mismatch.unwrap_or_default(),
        attempt: state.workflow_task.attempt,
        worker: told.map(|(_, identity)| identity.to_owned()).unwrap_or_default(),
        reason,
        failure: told.map(|(failure, _)| failures::shown(failure)),
        ..cause(Kind::WorkflowTaskFailing)
    }
}

/// The event of history that a worker says its code does not fit: SDKs say it in their messages, each in its own words.
fn mismatched_event(failure: &Failure) -> Option<i64> {
    const BEFORE: [&str; 5] = ["HistoryEvent(id: ", "event id: ", "eventId=", "EventId:", "event "];
    BEFORE.into_iter().find_map(|before| {
        let mut found = failure.message.match_indices(before);
        found.find_map(|(at, _)| {
            let rest = &failure.message[at + before.len()..];
            let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
            digits.parse().ok().filter(|id| *id > 0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdks_name_the_event_that_does_not_fit() {
        let named = |message: &str| mismatched_event(&Failure { message: message.to_owned(), ..Default::default() });
        let core = "[TMPRL1100] Nondeterminism error: Timer machine does not handle this event: \
                    HistoryEvent(id: 5, Some(ActivityTaskScheduled))";
        assert_eq!(named(core), Some(5));
        assert_eq!(named("Failure handling event 42 of type 'EVENT_TYPE_TIMER_STARTED'"), Some(42));
        assert_eq!(named("No command scheduled for event HistoryEvent(id: 11, TimerStarted)"), Some(11));
        assert_eq!(named("nondeterministic workflow: missing replay command for TimerStarted"), None);
        assert_eq!(named("event 99999999999999999999999 event"), None);
    }
}
