//! A signal for a running workflow.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
};
use crate::{
    command::Reply,
    proposals::ProposalResult,
    row::{RequestKind, request_row},
    rows::ReadError,
    signal,
};
use tenure_api::workflowservice::v1::SignalWorkflowExecutionRequest;
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &SignalWorkflowExecutionRequest) -> VerbResult {
    if let Some(run_id) = received_by(&call, run_id, &request.request_id)? {
        return Err(Stop::Answered(Reply::WorkflowSignaled { run_id }));
    }
    let mut txn = call.open_running(run_id)?;
    if request.request_id.is_empty() {
        txn.remember(ProposalResult::Signaled);
    }
    signal::receive(&mut txn, request, None)?;
    let run_id = txn.run.run_id;
    Ok(finish(txn, Reply::WorkflowSignaled { run_id }))
}

/// The run that received the signal with this request id, where that counts for the run that is meant, or the current
/// one: it is of the same chain, or the same request was tried before.
fn received_by(call: &Call<'_, '_>, meant: Option<Uuid>, request_id: &str) -> Result<Option<Uuid>, ReadError> {
    let Some(ReceivedSignal { run_id, tried_again }) = received(call, request_id)? else { return Ok(None) };
    if tried_again {
        return Ok(Some(run_id));
    }
    let Some(meant) = meant.map_or_else(|| call.current_run(), |meant| Ok(Some(meant)))? else { return Ok(None) };
    Ok(in_same_chain(call, run_id, meant)?.then_some(run_id))
}

/// A signal that was received before.
pub(super) struct ReceivedSignal {
    pub(super) run_id: Uuid,
    /// Whether this very request was tried before; otherwise another one had the same id.
    pub(super) tried_again: bool,
}

pub(super) fn received(call: &Call<'_, '_>, request_id: &str) -> Result<Option<ReceivedSignal>, ReadError> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let row = call.rows.get(&request_row(call.workflow, RequestKind::Signal, request_id))?;
    let Some((run_id, proposal)) = row.as_ref().and_then(|value| value.split_at_checked(size_of::<Uuid>())) else {
        return Ok(None);
    };
    let tried_again = *proposal == call.proposal.0.to_be_bytes();
    Ok(Uuid::from_slice(run_id).ok().map(|run_id| ReceivedSignal { run_id, tried_again }))
}

pub(super) fn in_same_chain(call: &Call<'_, '_>, one: Uuid, other: Uuid) -> Result<bool, ReadError> {
    if one == other {
        return Ok(true);
    }
    let first = |run_id| Ok::<_, ReadError>(call.state(run_id)?.map(|state| state.info.first_run_id));
    Ok(match (first(one)?, first(other)?) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    })
}
