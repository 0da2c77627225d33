//! A worker answers its workflow task.

mod apply;
mod close;
mod complete;
mod properties;
mod sequence;

use super::{
    answer::answer,
    call::{Call, Stop, VerbResult, no_workflow_task},
    finish::finish_remembered,
};
use crate::{
    bad_command::BadCommand,
    chain::terminate,
    command::Reply,
    id::SERVER_IDENTITY,
    proposals::ProposalResult,
    token::TaskToken,
    transition::types::Effect,
    txn::Txn,
    update,
    workflow_task::{self, FailedTask},
};
use complete::complete;
use sequence::{any_closes, check_sequence};
use std::time::Duration;
use tenure_api::{
    error::ApiError,
    failure::v1::{Failure, ServerFailureInfo, failure::FailureInfo},
    workflowservice::v1::RespondWorkflowTaskCompletedRequest,
};

/// The time for which a worker may keep its place by forcing one task after the other.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

pub(super) fn run(call: Call<'_, '_>, token: &TaskToken, request: &RespondWorkflowTaskCompletedRequest) -> VerbResult {
    let mut txn = call.open_run_of(token)?;
    if !txn.state.workflow_task.is_started_as(token.stamp) {
        return Err(answered_before(&txn, token).map_or_else(|| no_workflow_task().into(), Stop::Answered));
    }
    if request.force_create_new_workflow_task && txn.state.is_paused() {
        let message = "Workflow is paused and force create new workflow task is not allowed.";
        return Err(ApiError::failed_precondition(message).into());
    }
    if request.force_create_new_workflow_task && heartbeats_too_long(&txn) {
        workflow_task::time_out(&mut txn);
        let error = ApiError::not_found("workflow task heartbeat timeout");
        return Ok(finish_remembered(txn, ProposalResult::Failed(error)));
    }
    check_sequence(&request.commands)?;
    update::check_form(&request.messages)?;
    if any_closes(&request.commands) {
        txn.read_first_event()?;
    }
    if !request.query_results.is_empty() {
        let (run, results) = (txn.run.clone(), request.query_results.clone());
        txn.effect(Effect::QueriesAnswered { run, results });
    }
    match complete(&mut txn, request) {
        Ok(result) => Ok(finish_remembered(txn, result)),
        Err(bad) => {
            txn.start_over();
            let error = ApiError::invalid_argument(bad.message());
            let aborted = update::abort_sent(&mut txn);
            if workflow_task::refusal_fails(&txn, bad.cause) {
                fail(&mut txn, &bad, request);
            } else if !aborted {
                return Err(error.into());
            }
            Ok(finish_remembered(txn, ProposalResult::Failed(error)))
        }
    }
}

/// The reply to a completion that its worker sends again because it did not get the reply, as long as tasks that were
/// started for it wait for that.
fn answered_before(txn: &Txn<'_, '_>, token: &TaskToken) -> Option<Reply> {
    let (proposal, result) = txn.state.proposals.completion_of(token.stamp)?;
    let reply = answer(result, &txn.run, &txn.state, proposal);
    let carries_tasks = match &reply {
        Reply::WorkflowTaskCompleted { new_task, activities, .. } => new_task.is_some() || !activities.is_empty(),
        _ => false,
    };
    carries_tasks.then_some(reply)
}

/// Fails the task of a completion that is refused.
fn fail(txn: &mut Txn<'_, '_>, bad: &BadCommand, request: &RespondWorkflowTaskCompletedRequest) {
    workflow_task::fail(txn, failed(bad, request));
    if bad.terminates {
        terminate(txn, &bad.message(), None, SERVER_IDENTITY, Vec::new());
    } else {
        workflow_task::schedule_after_failure(txn, bad.cause);
    }
}

fn heartbeats_too_long(txn: &Txn<'_, '_>) -> bool {
    txn.state
        .workflow_task
        .started()
        .is_some_and(|(task, _)| txn.now().since(task.original_scheduled_at) > HEARTBEAT_TIMEOUT)
}

fn failed(bad: &BadCommand, request: &RespondWorkflowTaskCompletedRequest) -> FailedTask {
    let failure = Failure {
        message: bad.message(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo::default())),
        ..Default::default()
    };
    FailedTask {
        cause: bad.cause,
        failure: Some(failure),
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
    }
}
