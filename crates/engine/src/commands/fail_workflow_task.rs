//! A worker could not run its workflow task: code that panics, replay that diverges.

use super::{
    call::{Call, Stop, VerbResult, already_completed},
    finish::finish_remembered,
};
use crate::{
    chain::terminate,
    failures::within_limit,
    id::SERVER_IDENTITY,
    proposals::ProposalResult,
    token::TaskToken,
    workflow_task::{self, FailedTask},
};
use tenure_api::{enums::v1::WorkflowTaskFailedCause as Cause, workflowservice::v1::RespondWorkflowTaskFailedRequest};

/// The reason for terminating a run whose worker cannot send its answer.
const TOO_LARGE: &str = "GrpcMessageTooLarge";

pub(super) fn run(call: Call<'_, '_>, token: &TaskToken, request: &RespondWorkflowTaskFailedRequest) -> VerbResult {
    let closed = call.state(token.run.run_id)?.is_some_and(|state| !state.is_running());
    let mut txn = call.open_workflow_task(token).map_err(|stop| match stop {
        Stop::Refused(_) if closed => already_completed().into(),
        stop => stop,
    })?;
    if request.cause() == Cause::GrpcMessageTooLarge {
        terminate(&mut txn, TOO_LARGE, None, SERVER_IDENTITY, Vec::new());
        return Ok(finish_remembered(txn, ProposalResult::Done));
    }
    let failed = FailedTask {
        cause: request.cause(),
        failure: request.failure.clone().map(|failure| within_limit(failure, txn.limits())),
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
    };
    workflow_task::fail(&mut txn, failed);
    workflow_task::schedule_after_failure(&mut txn, request.cause());
    Ok(finish_remembered(txn, ProposalResult::Done))
}
