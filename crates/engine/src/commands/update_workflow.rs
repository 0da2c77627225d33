//! An update for a running workflow. One of the same id is joined, wherever it has come to.

use super::{
    call::{Call, Outcome, Stop, same_chain},
    finish::finish,
};
use crate::{command::Reply, update};
use tenure_api::workflowservice::v1::UpdateWorkflowExecutionRequest;
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &UpdateWorkflowExecutionRequest) -> Outcome {
    let mut txn = call.open(run_id)?;
    same_chain(&txn.state, &request.first_execution_run_id)?;
    let wanted = request.request.clone().unwrap_or_default();
    let run_id = txn.run.run_id;
    if let Some(found) = update::same_update(&txn, &wanted)? {
        return Err(Stop::Answered(Reply::Update { run_id, found }));
    }
    let found = update::admit(&mut txn, &wanted)?;
    Ok(finish(txn, Reply::Update { run_id, found }))
}
