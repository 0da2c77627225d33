//! The end of a verb: the limits of its run are enforced, the reply is remembered where a retry would not find another
//! trace, and changes become rows.

use super::answer::answer;
use crate::{
    chain::{end_task_by_force, terminate},
    command::Reply,
    id::SERVER_IDENTITY,
    proposals::ProposalResult,
    proto::Encoded,
    transition::types::Transition,
    txn::Txn,
    workflow_task,
};
use tenure_api::error::ApiError;

/// The transition of a verb that answers with `reply`.
pub(super) fn finish(mut txn: Txn<'_, '_>, reply: Reply) -> Transition {
    enforce_buffer_limit(&mut txn);
    let reply = enforce_history_limits(&mut txn).map_or(reply, Reply::Failed);
    txn.finish(reply)
}

/// The same as [`finish`], for a verb whose reply is remembered under its proposal.
pub(super) fn finish_remembered(mut txn: Txn<'_, '_>, result: ProposalResult) -> Transition {
    let reply = answer(&result, &txn.run, &txn.state, txn.proposal);
    txn.remember(result);
    finish(txn, reply)
}

/// Ends the running workflow task by force where too much is buffered until its end.
fn enforce_buffer_limit(txn: &mut Txn<'_, '_>) {
    if txn.state.workflow_task.blocks_events().is_none() {
        return;
    }
    let (limits, buffered) = (txn.limits(), &txn.state.buffered);
    let bytes: usize = buffered.values().map(Encoded::size).sum();
    if buffered.len() <= limits.buffered_events && bytes <= limits.buffered_events_size {
        return;
    }
    end_task_by_force(txn);
    workflow_task::schedule(txn, None);
}

/// Terminates a run whose history would become too long, instead of what was about to be done, and returns the error
/// for the caller. What ends the run by itself may take a little more.
fn enforce_history_limits(txn: &mut Txn<'_, '_>) -> Option<ApiError> {
    let limits = txn.limits();
    let too_large = txn.history_size() > limits.history_size as i64;
    let too_many = txn.state.last_event_id() > limits.history_count;
    let reason = match (too_many, too_large) {
        (_, true) => "Workflow history size exceeds limit.",
        (true, _) => "Workflow history count exceeds limit.",
        (false, false) => return None,
    };
    if txn.is_new() || !txn.state.is_running() {
        return None;
    }
    txn.start_over();
    let error = ApiError::invalid_argument(reason);
    txn.remember(ProposalResult::Failed(error.clone()));
    terminate(txn, reason, None, SERVER_IDENTITY, Vec::new());
    Some(error)
}
