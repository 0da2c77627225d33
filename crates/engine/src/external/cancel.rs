//! A workflow asks another to cancel itself.

use super::{initiated, send, target};
use crate::{
    bad_command::BadCommand,
    checks::{check_namespace, check_pending},
    key::parse_run_id,
    outbox::{Body, Receipt},
    rows::ReadError,
    txn::Txn,
    workflow_task::{self, CompletedTask},
};
use tenure_api::{
    command::v1::RequestCancelExternalWorkflowExecutionCommandAttributes,
    common::v1::WorkflowExecution,
    enums::v1::{CancelExternalWorkflowExecutionFailedCause as Failed, WorkflowTaskFailedCause as Cause},
    history::v1::{
        ExternalWorkflowExecutionCancelRequestedEventAttributes, HistoryEvent,
        RequestCancelExternalWorkflowExecutionFailedEventAttributes,
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
    },
    sdk::v1::UserMetadata,
};

const CAUSE: Cause = Cause::BadRequestCancelExternalWorkflowExecutionAttributes;

/// Applies the workflow command `RequestCancelExternalWorkflowExecution`.
pub(crate) fn request_cancel(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: RequestCancelExternalWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    check_namespace(&txn.state.info.namespace, CAUSE, &command.namespace)?;
    check(&command, txn.limits().id_length)
        .and_then(|()| not_started_here(txn, task, &command))
        .map_err(|message| BadCommand::new(CAUSE, message))?;
    let (pending, limit) = (txn.state.relations.cancels, txn.limits().pending_cancels);
    check_pending(pending, limit, Cause::PendingRequestCancelLimitExceeded, "requests to cancel external workflows")?;

    let initiated = RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        namespace: command.namespace,
        namespace_id: txn.run.workflow.namespace.to_string(),
        workflow_execution: Some(WorkflowExecution { workflow_id: command.workflow_id, run_id: command.run_id }),
        control: command.control,
        child_workflow_only: command.child_workflow_only,
        reason: command.reason,
    };
    let initiated_event_id = txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated.clone())),
        ..Default::default()
    });
    request(txn, initiated_event_id, initiated);
    Ok(())
}

/// Sends the request that the initiated event describes.
pub(super) fn request(
    txn: &mut Txn<'_, '_>,
    initiated_event_id: i64,
    initiated: RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
) {
    txn.state.relations.cancels += 1;
    let execution = initiated.workflow_execution.unwrap_or_default();
    let target = target(&execution.run_id, initiated.child_workflow_only);
    let request_id = txn.cx.ids.uuid();
    let body = Body::RequestCancel { initiated_event_id, target, request_id, reason: initiated.reason };
    send(txn, &execution.workflow_id, body);
}

/// Checks the command. The error is the reference server's message.
fn check(command: &RequestCancelExternalWorkflowExecutionCommandAttributes, limit: usize) -> Result<(), String> {
    const COMMAND: &str = "RequestCancelExternalWorkflowExecutionCommand";
    let RequestCancelExternalWorkflowExecutionCommandAttributes { namespace, workflow_id, run_id, .. } = command;
    if workflow_id.is_empty() {
        return Err(format!("WorkflowId is not set on {COMMAND}. Namespace={namespace} RunId={run_id}"));
    }
    if workflow_id.len() > limit {
        return Err(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={workflow_id} Length={} Limit={limit} \
             RunId={run_id} Namespace={namespace}",
            workflow_id.len()
        ));
    }
    parse_run_id(run_id).map(drop).map_err(|_| {
        format!("Invalid RunId set on {COMMAND}. WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}")
    })
}

/// Checks that the same task does not start the workflow as a child: it would be cancelled before there is anything to
/// cancel.
fn not_started_here(
    txn: &Txn<'_, '_>,
    task: &CompletedTask,
    command: &RequestCancelExternalWorkflowExecutionCommandAttributes,
) -> Result<(), String> {
    let RequestCancelExternalWorkflowExecutionCommandAttributes { namespace, workflow_id, run_id, .. } = command;
    let of_this_task = txn.state.relations.children.iter().rev().take_while(|(id, _)| *id > task.completed_event_id);
    if of_this_task.into_iter().any(|(_, child)| *child.workflow_id == *workflow_id) {
        return Err(format!(
            "Start and RequestCancel for child workflow is not allowed in same workflow task. \
             WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}"
        ));
    }
    Ok(())
}

/// Records the receiver's answer.
pub(crate) fn answered(txn: &mut Txn<'_, '_>, initiated_event_id: i64, receipt: Receipt) -> Result<(), ReadError> {
    let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        initiated(txn, initiated_event_id)?
    else {
        return Err(ReadError::history(&txn.run, initiated_event_id, "no cancellation was initiated by this event"));
    };
    debug_assert!(txn.state.relations.cancels > 0, "what is answered was counted when it was asked");
    txn.state.relations.cancels = txn.state.relations.cancels.saturating_sub(1);
    let namespace = txn.state.info.namespace.to_string();
    txn.add_event(match receipt {
        Receipt::Done => Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
            ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
            },
        ),
        Receipt::NotFound
        | Receipt::Started { .. }
        | Receipt::AlreadyExists
        | Receipt::TooManySignals
        | Receipt::Refused => Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
            RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                cause: Failed::ExternalWorkflowExecutionNotFound.into(),
                workflow_task_completed_event_id: 0,
                namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
                initiated_event_id,
                control: initiated.control,
            },
        ),
    });
    workflow_task::schedule_if_idle(txn);
    Ok(())
}
