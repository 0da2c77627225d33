//! A run is ended without its worker.

use super::{
    call::{Call, VerbResult, already_completed, check_chain, run_id_in_chain},
    finish::finish_remembered,
};
use crate::{chain, proposals::ProposalResult};
use tenure_api::workflowservice::v1::TerminateWorkflowExecutionRequest;
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &TerminateWorkflowExecutionRequest) -> VerbResult {
    let run_id = run_id_in_chain(run_id, &request.first_execution_run_id);
    let mut txn = call.open(run_id)?;
    if !txn.state.is_running() {
        return Err(already_completed().into());
    }
    check_chain(&txn.state, &request.first_execution_run_id)?;
    let details = request.details.clone();
    chain::terminate(&mut txn, &request.reason, details, &request.identity, request.links.clone());
    Ok(finish_remembered(txn, ProposalResult::Done))
}
