//! What else a run waits for: its beginning, the end of a pause, timers, children, other workflows, and whoever is outside.

use super::tell::{add, cause, time};
use crate::{failures, state::ExecutionState, time::Timestamp, timer::state::TimerKey, update::state::UpdatePhase};
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    history::v1::{HistoryEvent, history_event::Attributes},
    tenure::v1::{Cause, CauseKind as Kind, Subject, subject},
};

/// The first workflow task is still to be scheduled.
pub(super) fn not_begun(state: &ExecutionState, events: &[HistoryEvent]) -> Option<Cause> {
    let first_at = state.workflow_task.first_at.filter(|_| state.workflow_task.pending.is_none())?;
    let info = &state.info;
    let kind = match (info.attempt, &*info.chain.cron_schedule) {
        (2.., _) => Kind::RetryBackoff,
        (_, "") => Kind::StartDelayed,
        _ => Kind::CronBackoff,
    };
    let started = events.last().and_then(|event| match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionStartedEventAttributes(started) => Some(started),
        _ => None,
    });
    Some(Cause {
        trouble: kind == Kind::RetryBackoff,
        since: time(info.started_at),
        next: time(first_at),
        attempt: info.attempt,
        maximum_attempts: info.retry.as_ref().map_or(0, |retry| retry.maximum_attempts),
        reason: if kind == Kind::CronBackoff { info.chain.cron_schedule.to_string() } else { String::new() },
        failure: started.and_then(|started| started.continued_failure.as_ref()).map(failures::shown),
        ..cause(kind)
    })
}

pub(super) fn paused(state: &ExecutionState) -> Option<Cause> {
    state.paused.as_ref().map(|paused| Cause {
        trouble: true,
        since: time(paused.at),
        identity: paused.identity.to_string(),
        reason: paused.reason.to_string(),
        ..cause(Kind::Paused)
    })
}

pub(super) fn cancel_requested(state: &ExecutionState, events: &[HistoryEvent]) -> Option<Cause> {
    state.cancel_requested.as_ref()?;
    let asked = events.iter().find_map(|event| match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionCancelRequestedEventAttributes(asked) => Some((event, asked)),
        _ => None,
    });
    Some(Cause {
        since: asked.and_then(|(event, _)| event.event_time),
        event_id: asked.map_or(0, |(event, _)| event.event_id),
        identity: asked.map(|(_, asked)| asked.identity.clone()).unwrap_or_default(),
        reason: asked.map(|(_, asked)| asked.cause.clone()).unwrap_or_default(),
        ..cause(Kind::CancelRequested)
    })
}

pub(super) fn updates(state: &ExecutionState, causes: &mut Vec<Cause>) {
    add(causes, Kind::Update, state.updates.in_flight.values(), |update, told| {
        let (stage, event_id) = match &update.phase {
            UpdatePhase::Accepted(accepted) => (Stage::Accepted, accepted.event_id),
            UpdatePhase::Admitted(_)
            | UpdatePhase::Sent(..)
            | UpdatePhase::Reapplied { .. }
            | UpdatePhase::Aborted { .. } => (Stage::Admitted, 0),
        };
        let subject = subject::Subject::UpdateId(update.update_id.to_string());
        Cause { subject: Some(of(subject, "")), stage: stage.into(), event_id, ..told }
    });
}

pub(super) fn children(state: &ExecutionState, causes: &mut Vec<Cause>) {
    for (kind, has_started) in [(Kind::ChildStarting, false), (Kind::ChildRunning, true)] {
        let children = state.relations.children.iter().filter(|(_, child)| child.started.is_some() == has_started);
        add(causes, kind, children, |(event_id, child), told| {
            let subject = subject::Subject::ChildWorkflowId(child.workflow_id.to_string());
            let execution = child.started.map(|started| WorkflowExecution {
                workflow_id: child.workflow_id.to_string(),
                run_id: started.run_id.to_string(),
            });
            Cause { subject: Some(of(subject, &child.workflow_type)), event_id, execution, ..told }
        });
    }
}

/// What is on its way to other workflows.
pub(super) fn externals(state: &ExecutionState, causes: &mut Vec<Cause>) {
    let relations = &state.relations;
    for (kind, count) in [(Kind::ExternalSignal, relations.signals), (Kind::ExternalCancel, relations.cancels)] {
        if count > 0 {
            causes.push(Cause { more: count.into(), ..cause(kind) });
        }
    }
}

pub(super) fn timers(state: &ExecutionState, causes: &mut Vec<Cause>) {
    let timers = state.timers.range(TimerKey::Due(Timestamp::MIN)..=TimerKey::Due(Timestamp::MAX));
    let timers = timers.filter_map(|(_, id)| Some((id, state.timers.get(id)?)));
    add(causes, Kind::Timer, timers, |(event_id, timer), told| {
        let subject = subject::Subject::TimerId(timer.timer_id.to_string());
        Cause { subject: Some(of(subject, "")), event_id, next: time(timer.fire_at), ..told }
    });
}

/// Nothing is on its way to the run: what its code waits for can only come from outside.
pub(super) fn nothing(state: &ExecutionState, no_causes: bool) -> Option<Cause> {
    let idle = state.workflow_task.pending.is_none()
        && state.workflow_task.first_at.is_none()
        && state.paused.is_none()
        && state.activities.is_empty()
        && state.timers.is_empty()
        && state.relations.children.is_empty()
        && (state.relations.signals, state.relations.cancels) == (0, 0);
    debug_assert!(idle || !no_causes, "what is pending has a cause");
    idle.then(|| Cause { next: state.info.run_expires_at.and_then(time), ..cause(Kind::SignalOrUpdate) })
}

fn of(subject: subject::Subject, r#type: &str) -> Subject {
    Subject { subject: Some(subject), r#type: r#type.to_owned() }
}
