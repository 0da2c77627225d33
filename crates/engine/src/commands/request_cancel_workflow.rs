//! A workflow is asked to cancel itself.

use super::{Call, Outcome, Stop, run_id_of};
use crate::{command::Reply, state, workflow_task};
use tenure_api::{
    history::v1::{HistoryEvent, WorkflowExecutionCancelRequestedEventAttributes, history_event::Attributes},
    workflowservice::v1::RequestCancelWorkflowExecutionRequest,
};

pub(super) fn run(call: Call<'_, '_>, request: &RequestCancelWorkflowExecutionRequest) -> Outcome {
    let run_id = run_id_of(request.workflow_execution.as_ref())?;
    let mut txn = call.open(run_id)?;
    super::same_chain(&txn.state, &request.first_execution_run_id)?;
    // A workflow is asked once: asking again changes nothing, and one that is closed needs no asking.
    if !txn.state.is_running() || txn.state.cancel_requested.is_some() {
        return Err(Stop::Answered(Reply::Done));
    }
    txn.state.cancel_requested = Some(request.request_id.as_str().into());
    txn.add(HistoryEvent {
        links: request.links.clone(),
        attributes: Some(Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            WorkflowExecutionCancelRequestedEventAttributes {
                cause: request.reason.clone(),
                identity: request.identity.clone(),
                ..Default::default()
            },
        )),
        ..Default::default()
    });
    // It does not wait for the end of a start delay.
    txn.state.workflow_task.first_at = None;
    workflow_task::schedule_if_idle(&mut txn);
    Ok(txn.finish_remembered(state::Outcome::Done))
}
