//! How a run ended.

use super::tell::cause;
use crate::{failures, state::ExecutionState, time::Timestamp};
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::WorkflowExecutionStatus as Status,
    history::v1::{HistoryEvent, history_event::Attributes},
    tenure::v1::{Cause, CauseKind as Kind},
};

/// What there is to tell of a closed run; `last` is its last event.
pub(super) fn explain(state: &ExecutionState, last: Option<&HistoryEvent>) -> Cause {
    let kind = match state.status() {
        Status::Completed => Kind::Completed,
        Status::Failed => Kind::Failed,
        Status::Canceled => Kind::Canceled,
        Status::Terminated => Kind::Terminated,
        Status::ContinuedAsNew => Kind::ContinuedAsNew,
        Status::TimedOut => Kind::TimedOut,
        Status::Unspecified | Status::Running | Status::Paused => Kind::Unspecified,
    };
    let mut told = Cause {
        trouble: matches!(kind, Kind::Failed | Kind::TimedOut),
        since: state.closed_at.map(Timestamp::to_proto),
        event_id: last.map_or(0, |event| event.event_id),
        ..cause(kind)
    };
    if kind == Kind::TimedOut {
        told.reason = timeout(state);
    }
    if let Some(attributes) = last.and_then(|event| event.attributes.as_ref()) {
        look_at(&mut told, attributes);
    }
    if let Some(next) = &mut told.execution {
        // It is a run of the same workflow id, which whoever asks knows.
        told.trouble &= next.run_id.is_empty();
    }
    told
}

/// Which time was over, by its name in the API.
fn timeout(state: &ExecutionState) -> String {
    let info = &state.info;
    let of_chain = info.execution_expires_at.is_some() && info.execution_expires_at <= info.run_expires_at;
    let (name, timeout) = match of_chain {
        true => ("workflow execution timeout", info.execution_timeout),
        false => ("workflow run timeout", info.run_timeout),
    };
    timeout.map_or(name.to_owned(), |timeout| format!("{name} of {timeout:?}"))
}

fn look_at(told: &mut Cause, closing: &Attributes) {
    let next = match closing {
        Attributes::WorkflowExecutionCompletedEventAttributes(closing) => &closing.new_execution_run_id,
        Attributes::WorkflowExecutionFailedEventAttributes(closing) => {
            told.failure = closing.failure.as_ref().map(failures::shown);
            &closing.new_execution_run_id
        }
        Attributes::WorkflowExecutionTimedOutEventAttributes(closing) => &closing.new_execution_run_id,
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(closing) => {
            told.failure = closing.failure.as_ref().map(failures::shown);
            &closing.new_execution_run_id
        }
        Attributes::WorkflowExecutionTerminatedEventAttributes(closing) => {
            told.identity.clone_from(&closing.identity);
            told.reason.clone_from(&closing.reason);
            return;
        }
        _ => return,
    };
    if !next.is_empty() {
        told.execution = Some(WorkflowExecution { run_id: next.clone(), ..Default::default() });
    }
}
