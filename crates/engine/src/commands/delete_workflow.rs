//! A run is deleted: one that is running is terminated first.

use super::{
    Call, Outcome, run_id_of,
    terminate_workflow::{SERVER_IDENTITY, terminate},
};
use crate::{proposals, removal};
use tenure_api::workflowservice::v1::DeleteWorkflowExecutionRequest;

const REASON: &str = "Delete workflow execution";

pub(super) fn run(call: Call<'_, '_>, request: &DeleteWorkflowExecutionRequest) -> Outcome {
    let mut txn = call.open(run_id_of(request.workflow_execution.as_ref())?)?;
    if txn.state.is_running() {
        terminate(&mut txn, REASON, None, SERVER_IDENTITY, Vec::new());
    }
    removal::delete(&mut txn);
    Ok(txn.finish_remembered(proposals::Outcome::Done))
}
