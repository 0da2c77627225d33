//! An update for a running workflow. One of the same id is joined, wherever it has come to.

use super::{
    call::{Call, Stop, VerbResult, already_completed, check_chain},
    finish::finish,
};
use crate::{
    command::Reply,
    txn::Txn,
    update::{self, FoundUpdate},
    workflow_task,
};
use tenure_api::{error::ApiError, update::v1::Request, workflowservice::v1::UpdateWorkflowExecutionRequest};
use uuid::Uuid;

/// The attempt of the workflow task from which a run takes no updates: nobody knows how long they would wait.
const REFUSE_FROM_ATTEMPT: i32 = 3;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &UpdateWorkflowExecutionRequest) -> VerbResult {
    let mut txn = call.open(run_id)?;
    check_chain(&txn.state, &request.first_execution_run_id)?;
    let wanted = request.request.clone().unwrap_or_default();
    let run_id = txn.run.run_id;
    if let Some(found) = update::same_update(&txn, &wanted)? {
        return Err(Stop::Answered(Reply::Update { run_id, found }));
    }
    let found = admit(&mut txn, &wanted)?;
    Ok(finish(txn, Reply::Update { run_id, found }))
}

/// Admits a new update, and ensures that a workflow task carries it to the worker.
pub(super) fn admit(txn: &mut Txn<'_, '_>, request: &Request) -> Result<FoundUpdate, ApiError> {
    if !txn.state.is_running() {
        return Err(already_completed());
    }
    if txn.state.is_paused() {
        return Err(ApiError::failed_precondition("Workflow is paused. Cannot update the workflow."));
    }
    workflow_task::refuse_while_closing(&txn.state)?;
    if txn.state.workflow_task.attempt >= REFUSE_FROM_ATTEMPT {
        return Err(update::not_ready("Workflow Task in failed state"));
    }
    let found = update::admit(txn, request)?;
    workflow_task::schedule_for_update(txn);
    Ok(found)
}
