//! A worker could not run its workflow task: code that panics, replay that diverges.

use super::{Call, Outcome};
use crate::{
    state,
    token::TaskToken,
    workflow_task::{self, Failed},
};
use tenure_api::workflowservice::v1::RespondWorkflowTaskFailedRequest;

pub(super) fn run(call: Call<'_, '_>, token: &TaskToken, request: &RespondWorkflowTaskFailedRequest) -> Outcome {
    let mut txn = call.open_workflow_task(token)?;
    let failed = Failed {
        cause: request.cause(),
        failure: request.failure.clone(),
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version.clone(),
    };
    workflow_task::fail(&mut txn, failed);
    workflow_task::schedule(&mut txn, None);
    Ok(txn.finish_remembered(state::Outcome::Done))
}
