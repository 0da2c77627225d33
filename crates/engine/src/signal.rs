//! Signals that a run receives.

use crate::{child::state::Execution, key::RunKey, row::RequestKind, txn::Txn, workflow_task};
use tenure_api::{
    common::v1::Link,
    error::ApiError,
    history::v1::{HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes},
    workflowservice::v1::SignalWorkflowExecutionRequest,
};

/// Receives a signal, unless the run's limits forbid it. `from`: the workflow that sent it.
pub(crate) fn receive(
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

/// Checks that the run can receive another signal now.
pub(crate) fn may_receive(txn: &Txn<'_, '_>) -> Result<(), ApiError> {
    workflow_task::refuse_while_closing(&txn.state)?;
    if txn.state.signals >= txn.limits().signals as u64 {
        return Err(ApiError::invalid_argument("exceeded workflow execution limit for signal events"));
    }
    Ok(())
}

/// Records a signal that was received; its request id, where it has one, is not received again.
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
