//! A signal for a running workflow.

use super::{Call, Outcome, Stop, run_id_of};
use crate::{
    command::Reply,
    state,
    txn::{self, RequestKind, Txn},
    workflow_task,
};
use tenure_api::{
    error::ApiError,
    history::v1::{HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes},
    workflowservice::v1::SignalWorkflowExecutionRequest,
};

pub(super) fn run(call: Call<'_, '_>, request: &SignalWorkflowExecutionRequest) -> Outcome {
    let run_id = run_id_of(request.workflow_execution.as_ref())?;
    if !request.request_id.is_empty()
        && call.rows.get(&txn::request_row(call.workflow, RequestKind::Signal, &request.request_id))?.is_some()
    {
        return Err(Stop::Answered(Reply::Done));
    }
    let mut txn = call.open_running(run_id)?;
    if request.request_id.is_empty() {
        txn.remember(state::Outcome::Done);
    } else {
        txn.put_request_id(RequestKind::Signal, &request.request_id);
    }
    signal(&mut txn, request)?;
    Ok(txn.finish(Reply::Done))
}

fn signal(txn: &mut Txn<'_, '_>, request: &SignalWorkflowExecutionRequest) -> Result<(), ApiError> {
    if txn.state.signals >= txn.limits().signals as u64 {
        return Err(ApiError::invalid_argument("exceeded workflow execution limit for signal events"));
    }
    txn.state.signals += 1;
    txn.add(HistoryEvent {
        links: request.links.clone(),
        attributes: Some(Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: request.signal_name.clone(),
                input: request.input.clone(),
                identity: request.identity.clone(),
                header: request.header.clone(),
                request_id: request.request_id.clone(),
                ..Default::default()
            },
        )),
        ..Default::default()
    });
    workflow_task::schedule_if_idle(txn);
    Ok(())
}
