//! A workflow is asked to cancel itself.

use super::{
    call::{Call, Stop, VerbResult, check_chain, run_id_in_chain},
    finish::finish_remembered,
};
use crate::{
    child::Execution, command::Reply, id::SERVER_IDENTITY, key::RunKey, proposals::ProposalResult, txn::Txn,
    workflow_task,
};
use tenure_api::{
    common::v1::Link,
    history::v1::{HistoryEvent, WorkflowExecutionCancelRequestedEventAttributes, history_event::Attributes},
    workflowservice::v1::RequestCancelWorkflowExecutionRequest,
};
use uuid::Uuid;

pub(super) fn run(
    call: Call<'_, '_>,
    run_id: Option<Uuid>,
    request: &RequestCancelWorkflowExecutionRequest,
) -> VerbResult {
    let run_id = run_id_in_chain(run_id, &request.first_execution_run_id);
    let mut txn = call.open(run_id)?;
    // One that is closed needs no asking.
    if !txn.state.is_running() {
        return Err(Stop::Answered(Reply::Done));
    }
    check_chain(&txn.state, &request.first_execution_run_id)?;
    // A workflow is asked once: asking again changes nothing.
    if txn.state.cancel_requested.is_some() {
        return Err(Stop::Answered(Reply::Done));
    }
    request_cancel(
        &mut txn,
        &request.request_id,
        request.links.clone(),
        attributes(&request.reason, &request.identity),
    );
    Ok(finish_remembered(txn, ProposalResult::Done))
}

fn attributes(cause: &str, identity: &str) -> WorkflowExecutionCancelRequestedEventAttributes {
    WorkflowExecutionCancelRequestedEventAttributes {
        cause: cause.into(),
        identity: identity.into(),
        ..Default::default()
    }
}

/// Requests cancellation on behalf of another workflow. `initiated_event_id` is that workflow's event; zero where it
/// closed with children.
pub(crate) fn request_cancel_for(
    txn: &mut Txn<'_, '_>,
    request_id: &str,
    reason: &str,
    from: &RunKey,
    initiated_event_id: i64,
) {
    let attributes = WorkflowExecutionCancelRequestedEventAttributes {
        external_initiated_event_id: initiated_event_id,
        external_workflow_execution: Some(Execution::of(from).to_proto()),
        ..attributes(reason, SERVER_IDENTITY)
    };
    request_cancel(txn, request_id, Vec::new(), attributes);
}

/// Requests cancellation on behalf of the server itself.
pub(crate) fn request_cancel_by(txn: &mut Txn<'_, '_>, request_id: &str, reason: &str, identity: &str) {
    request_cancel(txn, request_id, Vec::new(), attributes(reason, identity));
}

fn request_cancel(
    txn: &mut Txn<'_, '_>,
    request_id: &str,
    links: Vec<Link>,
    attributes: WorkflowExecutionCancelRequestedEventAttributes,
) {
    txn.state.cancel_requested = Some(request_id.into());
    txn.add(HistoryEvent {
        links,
        attributes: Some(Attributes::WorkflowExecutionCancelRequestedEventAttributes(attributes)),
        ..Default::default()
    });
    // It does not wait for the end of a start delay.
    txn.state.workflow_task.first_at = None;
    workflow_task::schedule_if_idle(txn);
}
