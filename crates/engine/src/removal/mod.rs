//! Removal of closed runs: when their namespace's retention is over, or because somebody deletes them. The run's timer
//! row triggers it, and a long history is removed in pieces.

pub(crate) mod state;

pub(crate) use state::Removal;

use crate::{
    codec,
    command::Reply,
    proposals::Proposals,
    row::{RequestKind, request_row},
    rows::{CurrentRun, Op, ReadError, RowKey},
    time::Timestamp,
    transition::types::Transition,
    txn::Txn,
    update,
};
use prost::Message;
use std::time::Duration;
use tenure_api::history::v1::{History, history_event::Attributes};

/// The wait of a leader that does not know the retention yet.
const UNKNOWN_RETENTION_WAIT: Duration = Duration::from_secs(60 * 60);

/// The approximate number of bytes of history that one entry removes.
pub(crate) const PIECE: usize = 256 << 10;

/// Schedules the removal of a run that was closed, after the namespace's retention.
pub(crate) fn schedule(txn: &mut Txn<'_, '_>) {
    txn.state.removal.due = Some(txn.now().plus(txn.cx.retention.unwrap_or(UNKNOWN_RETENTION_WAIT)));
}

/// Hides a closed run from everybody at once. Its rows stay for as long as a retry of the request may come.
pub(crate) fn delete(txn: &mut Txn<'_, '_>) {
    txn.state.removal = Removal { due: Some(txn.now().plus(Proposals::MAX_AGE)), deleted: true };
}

/// Removes a closed run, or a piece of it, whose timer row is due; or waits longer where the retention has grown.
pub(crate) fn fire_due(mut txn: Txn<'_, '_>) -> Result<Transition, ReadError> {
    if !txn.state.removal.deleted
        && let Some(later) = kept_until(&txn).filter(|&at| at > txn.now())
    {
        txn.state.removal.due = Some(later);
        return Ok(txn.finish(Reply::Done));
    }
    remove_piece(txn)
}

/// Removes a piece of a closed run, or the rest of it.
pub(crate) fn remove_piece(mut txn: Txn<'_, '_>) -> Result<Transition, ReadError> {
    let rows = txn.rows.history_rows(&txn.run, i64::MIN, PIECE)?;
    let last_piece = rows.iter().map(|(_, events)| events.len()).sum::<usize>() < PIECE;
    for (first_event_id, events) in rows {
        let row = RowKey::History { run: txn.run.clone(), first_event_id };
        let events = History::decode(events).map_err(|error| ReadError::corrupt(row.clone(), error))?.events;
        for attributes in events.iter().filter_map(|event| event.attributes.as_ref()) {
            match row_of(attributes) {
                Some(RowOf::Request(kind, request_id)) => forget_request(&mut txn, kind, request_id)?,
                Some(RowOf::Update(update_id)) => txn.write(Op::Delete(update::row(&txn.run, update_id))),
                None => {}
            }
        }
        txn.write(Op::Delete(row));
    }
    if !last_piece {
        txn.state.removal = Removal { due: Some(txn.now()), deleted: true };
        return Ok(txn.finish(Reply::Done));
    }
    let requests: Vec<_> = txn.state.info.request_ids.iter().map(|request| request.request_id.clone()).collect();
    for request_id in requests {
        forget_request(&mut txn, RequestKind::Start, &request_id)?;
    }
    if let Some(request_id) = txn.state.cancel_requested.clone() {
        forget_request(&mut txn, RequestKind::Cancel, &request_id)?;
    }
    if let Some(request_id) = txn.state.reset.request_id.clone() {
        forget_request(&mut txn, RequestKind::Reset, &request_id)?;
    }
    forget_current(&mut txn)?;
    Ok(txn.finish_removed(Reply::Done))
}

/// The time until which the run is kept, by the retention as it is now: it may have grown since the run was closed.
fn kept_until(txn: &Txn<'_, '_>) -> Option<Timestamp> {
    let closed_at = txn.state.closed_at?;
    Some(txn.cx.retention.map_or(txn.now().plus(UNKNOWN_RETENTION_WAIT), |retention| closed_at.plus(retention)))
}

/// A row that was written together with an event, and that only the event names.
enum RowOf<'a> {
    /// The row by which a request is known again, by its id.
    Request(RequestKind, &'a str),
    /// The row of an update that has its outcome, by its id.
    Update(&'a str),
}

/// The row that was written together with an event.
fn row_of(attributes: &Attributes) -> Option<RowOf<'_>> {
    use Attributes::*;
    match attributes {
        WorkflowExecutionSignaledEventAttributes(a) => Some(RowOf::Request(RequestKind::Signal, &a.request_id)),
        WorkflowExecutionOptionsUpdatedEventAttributes(a) => {
            Some(RowOf::Request(RequestKind::Start, &a.attached_request_id))
        }
        WorkflowExecutionUpdateCompletedEventAttributes(a) => Some(RowOf::Update(&a.meta.as_ref()?.update_id)),
        // The state of a closed run has the ids of the requests that started it, asked for its end and reset it.
        WorkflowExecutionStartedEventAttributes(_)
        | WorkflowExecutionCancelRequestedEventAttributes(_)
        | WorkflowTaskFailedEventAttributes(_)
        // No request of a caller made these.
        | WorkflowExecutionCompletedEventAttributes(_)
        | WorkflowExecutionFailedEventAttributes(_)
        | WorkflowExecutionCanceledEventAttributes(_)
        | WorkflowExecutionContinuedAsNewEventAttributes(_)
        | WorkflowExecutionTimedOutEventAttributes(_)
        | WorkflowExecutionTerminatedEventAttributes(_)
        | WorkflowTaskScheduledEventAttributes(_)
        | WorkflowTaskStartedEventAttributes(_)
        | WorkflowTaskCompletedEventAttributes(_)
        | WorkflowTaskTimedOutEventAttributes(_)
        | ActivityTaskScheduledEventAttributes(_)
        | ActivityTaskCancelRequestedEventAttributes(_)
        | ActivityTaskStartedEventAttributes(_)
        | ActivityTaskCompletedEventAttributes(_)
        | ActivityTaskFailedEventAttributes(_)
        | ActivityTaskTimedOutEventAttributes(_)
        | ActivityTaskCanceledEventAttributes(_)
        | TimerStartedEventAttributes(_)
        | TimerCanceledEventAttributes(_)
        | TimerFiredEventAttributes(_)
        | MarkerRecordedEventAttributes(_)
        | StartChildWorkflowExecutionInitiatedEventAttributes(_)
        | StartChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionStartedEventAttributes(_)
        | ChildWorkflowExecutionCompletedEventAttributes(_)
        | ChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionCanceledEventAttributes(_)
        | ChildWorkflowExecutionTimedOutEventAttributes(_)
        | ChildWorkflowExecutionTerminatedEventAttributes(_)
        | SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
        | SignalExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionSignaledEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionCancelRequestedEventAttributes(_)
        | UpsertWorkflowSearchAttributesEventAttributes(_)
        | WorkflowPropertiesModifiedEventAttributes(_)
        | WorkflowExecutionUpdateAdmittedEventAttributes(_)
        | WorkflowExecutionUpdateAcceptedEventAttributes(_)
        // This server does not write these.
        | WorkflowExecutionUpdateRejectedEventAttributes(_)
        | WorkflowPropertiesModifiedExternallyEventAttributes(_)
        | ActivityPropertiesModifiedExternallyEventAttributes(_)
        | NexusOperationScheduledEventAttributes(_)
        | NexusOperationStartedEventAttributes(_)
        | NexusOperationCompletedEventAttributes(_)
        | NexusOperationFailedEventAttributes(_)
        | NexusOperationCanceledEventAttributes(_)
        | NexusOperationTimedOutEventAttributes(_)
        | NexusOperationCancelRequestedEventAttributes(_)
        | NexusOperationCancelRequestCompletedEventAttributes(_)
        | NexusOperationCancelRequestFailedEventAttributes(_)
        | WorkflowExecutionPausedEventAttributes(_)
        | WorkflowExecutionUnpausedEventAttributes(_)
        | WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => None,
    }
}

/// Deletes the request's row if it is this run's.
fn forget_request(txn: &mut Txn<'_, '_>, kind: RequestKind, request_id: &str) -> Result<(), ReadError> {
    let row = request_row(&txn.run.workflow, kind, request_id);
    if txn.rows.get(&row)?.is_some_and(|value| value.starts_with(txn.run.run_id.as_bytes())) {
        txn.write(Op::Delete(row));
    }
    Ok(())
}

/// Deletes the workflow id's current run if it is this one.
fn forget_current(txn: &mut Txn<'_, '_>) -> Result<(), ReadError> {
    let key = RowKey::Current(txn.run.workflow.clone());
    let Some(value) = txn.rows.get(&key)? else { return Ok(()) };
    let current = codec::decode::<CurrentRun>(&value).map_err(|error| ReadError::corrupt(key.clone(), error))?;
    if current.run_id == txn.run.run_id {
        txn.write(Op::Delete(key));
    }
    Ok(())
}
