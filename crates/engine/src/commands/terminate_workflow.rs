//! A run is ended without its worker.

use super::call::{Call, Outcome, already_completed, run_id_in_chain, same_chain};
use crate::{
    id::SERVER_IDENTITY,
    proposals,
    txn::Txn,
    workflow_task::{self, Failed},
};
use tenure_api::{
    common::v1::{Link, Payloads},
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{HistoryEvent, WorkflowExecutionTerminatedEventAttributes, history_event::Attributes},
    workflowservice::v1::TerminateWorkflowExecutionRequest,
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &TerminateWorkflowExecutionRequest) -> Outcome {
    let run_id = run_id_in_chain(run_id, &request.first_execution_run_id);
    let mut txn = call.open(run_id)?;
    if !txn.state.is_running() {
        return Err(already_completed().into());
    }
    same_chain(&txn.state, &request.first_execution_run_id)?;
    let details = request.details.clone();
    terminate(&mut txn, &request.reason, details, &request.identity, request.links.clone());
    Ok(txn.finish_remembered(proposals::Outcome::Done))
}

pub(crate) fn terminate(
    txn: &mut Txn<'_, '_>,
    reason: &str,
    details: Option<Payloads>,
    identity: &str,
    links: Vec<Link>,
) {
    end_task_by_force(txn);
    txn.close(terminated(reason, details, identity, links), None);
}

/// The last event of a run that is terminated.
pub(crate) fn terminated(reason: &str, details: Option<Payloads>, identity: &str, links: Vec<Link>) -> HistoryEvent {
    let attributes =
        WorkflowExecutionTerminatedEventAttributes { reason: reason.into(), details, identity: identity.into() };
    HistoryEvent {
        links,
        attributes: Some(Attributes::WorkflowExecutionTerminatedEventAttributes(attributes)),
        ..Default::default()
    }
}

/// The run is about to be closed by the server: a task that is running fails, and what waited for its end enters
/// history.
pub(crate) fn end_task_by_force(txn: &mut Txn<'_, '_>) {
    let failed = Failed {
        cause: Cause::ForceCloseCommand,
        failure: None,
        identity: SERVER_IDENTITY.into(),
        binary_checksum: String::new(),
    };
    workflow_task::fail(txn, failed);
    txn.flush_buffered();
}
