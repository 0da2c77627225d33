//! A signal for a running workflow.

use super::{Call, Outcome, Stop, run_id_of};
use crate::{
    child::Execution,
    command::Reply,
    key::RunKey,
    proposals,
    rows::ReadError,
    txn::{self, RequestKind, Txn},
    workflow_task,
};
use tenure_api::{
    common::v1::Link,
    error::ApiError,
    history::v1::{HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes},
    workflowservice::v1::SignalWorkflowExecutionRequest,
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, request: &SignalWorkflowExecutionRequest) -> Outcome {
    let run_id = run_id_of(request.workflow_execution.as_ref())?;
    if let Some(run_id) = received_by(&call, &request.request_id)? {
        return Err(Stop::Answered(Reply::WorkflowSignaled { run_id }));
    }
    let mut txn = call.open_running(run_id)?;
    if request.request_id.is_empty() {
        txn.remember(proposals::Outcome::Signaled);
    }
    signal(&mut txn, request, None)?;
    let run_id = txn.run.run_id;
    Ok(txn.finish(Reply::WorkflowSignaled { run_id }))
}

/// The run that received the signal with this request id.
pub(crate) fn received_by(call: &Call<'_, '_>, request_id: &str) -> Result<Option<Uuid>, ReadError> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let row = call.rows.get(&txn::request_row(call.workflow, RequestKind::Signal, request_id))?;
    Ok(row.and_then(|value| Uuid::from_slice(&value).ok()))
}

/// Records the signal. `from`: the workflow that sent it.
pub(crate) fn signal(
    txn: &mut Txn<'_, '_>,
    request: &SignalWorkflowExecutionRequest,
    from: Option<&RunKey>,
) -> Result<(), ApiError> {
    may_receive(txn)?;
    let attributes = WorkflowExecutionSignaledEventAttributes {
        signal_name: request.signal_name.clone(),
        input: request.input.clone(),
        identity: request.identity.clone(),
        header: request.header.clone(),
        request_id: request.request_id.clone(),
        external_workflow_execution: from.map(|run| Execution::of(run).to_proto()),
        ..Default::default()
    };
    record(txn, attributes, request.links.clone());
    workflow_task::schedule_if_idle(txn);
    Ok(())
}

/// Whether the run takes another signal now.
pub(crate) fn may_receive(txn: &Txn<'_, '_>) -> Result<(), ApiError> {
    workflow_task::refuse_while_closing(&txn.state)?;
    if txn.state.signals >= txn.limits().signals as u64 {
        return Err(ApiError::invalid_argument("exceeded workflow execution limit for signal events"));
    }
    Ok(())
}

/// The signal is received; its request id, where it has one, is not received again.
pub(crate) fn record(txn: &mut Txn<'_, '_>, attributes: WorkflowExecutionSignaledEventAttributes, links: Vec<Link>) {
    txn.state.signals += 1;
    if !attributes.request_id.is_empty() {
        txn.put_request_id(RequestKind::Signal, &attributes.request_id);
    }
    txn.add(HistoryEvent {
        links,
        attributes: Some(Attributes::WorkflowExecutionSignaledEventAttributes(attributes)),
        ..Default::default()
    });
}
