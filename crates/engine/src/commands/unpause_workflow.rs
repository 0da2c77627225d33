//! An operator lets a paused run go on.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{pause, proposals::ProposalResult};
use tenure_api::{error::ApiError, workflowservice::v1::UnpauseWorkflowExecutionRequest};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &UnpauseWorkflowExecutionRequest) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    if !txn.state.is_paused() {
        return Err(ApiError::failed_precondition("workflow is not paused.").into());
    }
    pause::unpause(&mut txn, request);
    Ok(finish_remembered(txn, ProposalResult::Done))
}
