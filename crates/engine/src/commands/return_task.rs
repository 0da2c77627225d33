//! A started task never reached its worker.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{
    activity, command::ActivityRef, key::TaskKind, proposals::ProposalResult, token::TaskToken, workflow_task,
};

pub(super) fn run(call: Call<'_, '_>, token: &TaskToken) -> VerbResult {
    let txn = match token.kind {
        TaskKind::Workflow => {
            let mut txn = call.open_workflow_task(token)?;
            workflow_task::return_task(&mut txn);
            txn
        }
        TaskKind::Activity => {
            let mut txn = call.open_running(Some(token.run.run_id))?;
            let id = activity::find(&txn, &ActivityRef::Token(token.clone()))?;
            activity::return_task(&mut txn, id);
            txn
        }
    };
    Ok(finish_remembered(txn, ProposalResult::Done))
}
