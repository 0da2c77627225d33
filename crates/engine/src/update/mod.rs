//! Updates: requests that a run's worker accepts or rejects, and answers. An update's admission is state without an
//! event; its acceptance and its outcome are events.

mod admit;
mod messages;
pub(crate) mod reset;
pub(crate) mod state;
pub(crate) mod status;
#[cfg(test)]
pub(crate) mod tests;
mod with_start;

pub(crate) use admit::{admit, same_update, update_id};
pub(crate) use messages::{Inbox, check_form, command, leaves_no_trace, read_rejections, read_rest};
pub(crate) use state::row;
pub use state::{Accepted, CompletedUpdate, PendingUpdate, UpdatePhase, Updates};
pub use status::{FoundUpdate, UpdateStatus};
pub use with_start::{start_failed, update_failed, update_refused};

use crate::{
    codec,
    id::Stamp,
    key::RunKey,
    rows::{ReadError, StateReader},
    state::ExecutionState,
    transition::types::Effect,
    txn::Txn,
};
use prost::{Message as _, Name};
use std::sync::Arc;
use tenure_api::{
    enums::v1::{ResourceExhaustedCause, ResourceExhaustedScope},
    error::ApiError,
    errordetails::v1::WorkflowNotReadyFailure,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::v1::history_event::Attributes,
    protocol::v1::{Message, message::SequencingId},
    update::v1::{Outcome, Request, outcome},
};

/// The update of this id, whatever its phase; `None` if it was never admitted, or was rejected.
pub fn find(
    rows: &dyn StateReader,
    run: &RunKey,
    state: &ExecutionState,
    update_id: &str,
) -> Result<Option<FoundUpdate>, ReadError> {
    if let Some((admission, update)) = state.updates.find(update_id) {
        let status = match &update.phase {
            UpdatePhase::Admitted(_) | UpdatePhase::Sent(..) | UpdatePhase::Reapplied { .. } => {
                Ok(UpdateStatus::admitted())
            }
            UpdatePhase::Accepted(accepted) if state.is_running() => Ok(UpdateStatus::accepted(accepted)),
            UpdatePhase::Accepted(accepted) => Ok(UpdateStatus::completed(&run_closed(), &accepted.request_id)),
            UpdatePhase::Aborted { followed } => Err(aborted(*followed)),
        };
        return Ok(Some(FoundUpdate { admission, status }));
    }
    let Some(completed) = completed(rows, run, update_id)? else { return Ok(None) };
    let event = rows.event(run, completed.completed_event_id)?;
    match event.and_then(|event| event.attributes) {
        Some(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(a)) => {
            let status = UpdateStatus::completed(&a.outcome.unwrap_or_default(), &completed.accepted.request_id);
            Ok(Some(FoundUpdate { admission: 0, status: Ok(status) }))
        }
        _ => Err(ReadError::corrupt(row(run, update_id), "its event is not there")),
    }
}

fn completed(rows: &dyn StateReader, run: &RunKey, update_id: &str) -> Result<Option<CompletedUpdate>, ReadError> {
    let key = row(run, update_id);
    let Some(value) = rows.get(&key)? else { return Ok(None) };
    codec::decode(&value).map(Some).map_err(|error| ReadError::corrupt(key, error))
}

/// The NOT_FOUND for an update id that the run does not know.
pub fn not_found(update_id: &str) -> ApiError {
    ApiError::not_found(format!("update \"{update_id}\" not found"))
}

fn aborted(followed: bool) -> ApiError {
    if !followed {
        return ApiError::not_found("workflow update was aborted by closing workflow");
    }
    closing()
}

/// The RESOURCE_EXHAUSTED for requests that may be tried again once a run has closed, or has gone on.
pub(crate) fn closing() -> ApiError {
    let message = "workflow operation can not be applied because workflow is closing";
    exhausted(ResourceExhaustedCause::BusyWorkflow, message)
}

fn exhausted(cause: ResourceExhaustedCause, message: impl Into<String>) -> ApiError {
    ApiError::exhausted(cause, ResourceExhaustedScope::Namespace, message)
}

pub(crate) fn not_ready(why: &str) -> ApiError {
    let message = format!("Unable to perform workflow execution update due to {why}.");
    ApiError::failed_precondition(message).with_detail(&WorkflowNotReadyFailure::default())
}

fn server_failure(kind: &str, message: &str) -> Outcome {
    let info = ApplicationFailureInfo { r#type: kind.into(), non_retryable: true, ..Default::default() };
    Outcome {
        value: Some(outcome::Value::Failure(Failure {
            message: message.into(),
            source: "Server".into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        })),
    }
}

/// The outcome of an accepted update whose run closes first.
fn run_closed() -> Outcome {
    let message = "Workflow Update failed because the Workflow completed before the Update completed.";
    server_failure("AcceptedUpdateCompletedWorkflow", message)
}

fn unprocessed() -> Outcome {
    let message = "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is \
                   not supported by the worker.";
    server_failure("UnprocessedUpdate", message)
}

fn notify(txn: &mut Txn<'_, '_>, update_id: &Arc<str>, admission: i64, status: Result<UpdateStatus, ApiError>) {
    let effect = Effect::UpdateAdvanced { run: txn.run.clone(), update_id: update_id.clone(), admission, status };
    txn.effect(effect);
}

/// Removes an update, and notifies those who wait for it of its status.
fn drop_update(txn: &mut Txn<'_, '_>, admission: i64, status: Result<UpdateStatus, ApiError>) {
    match txn.state.updates.in_flight.remove(admission) {
        Some(update) => notify(txn, &update.update_id, admission, status),
        None => debug_assert!(false, "the caller found update {admission} in flight"),
    }
}

/// Attaches the waiting updates to a workflow task that is started. `worker_has_cache`: its worker still has the
/// updates that were sent to it before.
pub(crate) fn attach(txn: &mut Txn<'_, '_>, stamp: Stamp, worker_has_cache: bool) {
    for admission in txn.state.updates.in_flight.ids().collect::<Vec<_>>() {
        let request = match txn.state.updates.in_flight.get(admission).map(|update| &update.phase) {
            Some(UpdatePhase::Admitted(request)) => request.clone(),
            Some(UpdatePhase::Sent(request, _)) if !worker_has_cache => request.clone(),
            _ => continue,
        };
        txn.state.updates.set(admission, UpdatePhase::Sent(request, stamp));
    }
}

/// Detaches updates whose worker is gone, or failed, so that they are sent again: those of the start with this stamp,
/// or all.
pub(crate) fn detach(txn: &mut Txn<'_, '_>, start: Option<Stamp>) {
    for admission in txn.state.updates.sent() {
        if let Some(UpdatePhase::Sent(request, by)) =
            txn.state.updates.in_flight.get(admission).map(|u| u.phase.clone())
            && start.is_none_or(|start| start == by)
        {
            txn.state.updates.set(admission, UpdatePhase::Admitted(request));
        }
    }
}

/// Rejects the updates that the worker did not answer when it completed its task.
pub(crate) fn reject_unprocessed(txn: &mut Txn<'_, '_>) {
    let in_flight = txn.state.updates.in_flight.iter();
    let has = |phase: &UpdatePhase| matches!(phase, UpdatePhase::Sent(..) | UpdatePhase::Reapplied { .. });
    let unanswered: Vec<i64> = in_flight.filter(|(_, update)| has(&update.phase)).map(|(id, _)| id).collect();
    for admission in unanswered {
        drop_update(txn, admission, Ok(UpdateStatus::completed(&unprocessed(), &"".into())));
    }
}

/// Drops the updates that a task carried whose completion the server refuses. Returns whether there were any.
pub(crate) fn abort_sent(txn: &mut Txn<'_, '_>) -> bool {
    let sent = txn.state.updates.sent();
    for &admission in &sent {
        drop_update(txn, admission, Err(not_ready("unexpected workflow task failure")));
    }
    !sent.is_empty()
}

/// Ends all updates of a run that is being closed. `followed`: another run of the chain follows.
pub(crate) fn close(txn: &mut Txn<'_, '_>, followed: bool) {
    let left: Vec<_> = txn.state.updates.in_flight.iter().map(|(id, update)| (id, update.clone())).collect();
    txn.state.updates.in_flight.clear();
    for (admission, mut update) in left {
        let status = match &update.phase {
            UpdatePhase::Accepted(accepted) => Ok(UpdateStatus::completed(&run_closed(), &accepted.request_id)),
            _ => {
                update.phase = UpdatePhase::Aborted { followed };
                Err(aborted(followed))
            }
        };
        notify(txn, &update.update_id, admission, status);
        txn.state.updates.open_at_close.push((admission, update));
    }
}

/// The messages with the updates that the start of this stamp carries; `started_event_id` is its started event's.
pub fn messages(state: &ExecutionState, start: Stamp, started_event_id: i64) -> Vec<Message> {
    let sent = state.updates.in_flight.values().filter_map(|update| match &update.phase {
        UpdatePhase::Sent(request, by) if *by == start => Some((update, request)),
        _ => None,
    });
    sent.map(|(update, request)| Message {
        id: request_message_id(&update.update_id),
        protocol_instance_id: update.update_id.to_string(),
        sequencing_id: Some(SequencingId::EventId(started_event_id - 1)),
        body: Some(prost_types::Any { type_url: Request::type_url(), value: request.decode().encode_to_vec() }),
    })
    .collect()
}

/// Whether the start of this stamp carries updates.
pub(crate) fn carries_any(state: &ExecutionState, start: Stamp) -> bool {
    state.updates.in_flight.values().any(|update| matches!(&update.phase, UpdatePhase::Sent(_, by) if *by == start))
}

fn request_message_id(update_id: &str) -> String {
    format!("{update_id}/request")
}
