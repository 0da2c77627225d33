//! A workflow signals another.

use super::{initiated, send, target};
use crate::{
    bad_command::BadCommand,
    checks::{check_blob, check_namespace, check_pending},
    id::SERVER_IDENTITY,
    key::parse_run_id,
    outbox::{Body, Receipt},
    proto::Encoded,
    rows::ReadError,
    txn::Txn,
    workflow_task::{self, CompletedTask},
};
use tenure_api::{
    command::v1::SignalExternalWorkflowExecutionCommandAttributes,
    enums::v1::{SignalExternalWorkflowExecutionFailedCause as Failed, WorkflowTaskFailedCause as Cause},
    history::v1::{
        ExternalWorkflowExecutionSignaledEventAttributes, HistoryEvent,
        SignalExternalWorkflowExecutionFailedEventAttributes, SignalExternalWorkflowExecutionInitiatedEventAttributes,
        history_event::Attributes,
    },
    sdk::v1::UserMetadata,
    workflowservice::v1::SignalWorkflowExecutionRequest,
};

const CAUSE: Cause = Cause::BadSignalWorkflowExecutionAttributes;

/// Applies the workflow command `SignalExternalWorkflowExecution`.
pub(crate) fn signal(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: SignalExternalWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    check_namespace(&txn.state.info.namespace, CAUSE, &command.namespace)?;
    check(&command, txn.limits().id_length).map_err(|message| BadCommand::new(CAUSE, message))?;
    let field = "SignalExternalWorkflowExecutionCommandAttributes.Input";
    check_blob(txn.limits(), CAUSE, field, command.input.as_ref())?;
    let (pending, limit) = (txn.state.relations.signals, txn.limits().pending_signals);
    check_pending(pending, limit, Cause::PendingSignalsLimitExceeded, "signals to external workflows")?;

    let initiated = SignalExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        namespace: command.namespace,
        namespace_id: txn.run.workflow.namespace.to_string(),
        workflow_execution: command.execution,
        signal_name: command.signal_name,
        input: command.input,
        control: command.control,
        child_workflow_only: command.child_workflow_only,
        header: command.header,
    };
    let initiated_event_id = txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated.clone())),
        ..Default::default()
    });
    request(txn, initiated_event_id, initiated);
    Ok(())
}

/// Sends the signal that the initiated event describes.
pub(super) fn request(
    txn: &mut Txn<'_, '_>,
    initiated_event_id: i64,
    initiated: SignalExternalWorkflowExecutionInitiatedEventAttributes,
) {
    txn.state.relations.signals += 1;
    let execution = initiated.workflow_execution.unwrap_or_default();
    let request = SignalWorkflowExecutionRequest {
        signal_name: initiated.signal_name,
        input: initiated.input,
        header: initiated.header,
        identity: SERVER_IDENTITY.into(),
        request_id: txn.cx.ids.uuid().to_string(),
        ..Default::default()
    };
    let target = target(&execution.run_id, initiated.child_workflow_only);
    send(txn, &execution.workflow_id, Body::Signal { initiated_event_id, target, request: Encoded::of(&request) });
}

/// Checks the command. The error is the reference server's message.
fn check(command: &SignalExternalWorkflowExecutionCommandAttributes, limit: usize) -> Result<(), String> {
    const COMMAND: &str = "SignalExternalWorkflowExecutionCommand";
    let execution = command.execution.as_ref().ok_or(format!("Execution is not set on {COMMAND}."))?;
    let (workflow_id, run_id) = (&execution.workflow_id, &execution.run_id);
    let (namespace, name) = (&command.namespace, &command.signal_name);
    if workflow_id.is_empty() {
        return Err(format!(
            "WorkflowId is not set on {COMMAND}. Namespace={namespace} RunId={run_id} SignalName={name}"
        ));
    }
    if workflow_id.len() > limit {
        return Err(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={workflow_id} Length={} Limit={limit} \
             Namespace={namespace} RunId={run_id} SignalName={name}",
            workflow_id.len()
        ));
    }
    parse_run_id(run_id).map_err(|_| {
        format!(
            "Invalid RunId set on {COMMAND}. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id} \
             SignalName={name}"
        )
    })?;
    if name.is_empty() {
        return Err(format!(
            "SignalName is not set on {COMMAND}. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id}"
        ));
    }
    Ok(())
}

/// Records the receiver's answer.
pub(crate) fn answered(txn: &mut Txn<'_, '_>, initiated_event_id: i64, receipt: Receipt) -> Result<(), ReadError> {
    let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        initiated(txn, initiated_event_id)?
    else {
        return Err(ReadError::history(&txn.run, initiated_event_id, "no signal was initiated by this event"));
    };
    debug_assert!(txn.state.relations.signals > 0, "what is answered was counted when it was asked");
    txn.state.relations.signals = txn.state.relations.signals.saturating_sub(1);
    let namespace = txn.state.info.namespace.to_string();
    let cause = match receipt {
        Receipt::Done => None,
        Receipt::TooManySignals => Some(Failed::SignalCountLimitExceeded),
        Receipt::NotFound | Receipt::Started { .. } | Receipt::AlreadyExists | Receipt::Refused => {
            Some(Failed::ExternalWorkflowExecutionNotFound)
        }
    };
    txn.add_event(match cause {
        None => Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
                control: initiated.control,
            },
        ),
        Some(cause) => Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
            SignalExternalWorkflowExecutionFailedEventAttributes {
                cause: cause.into(),
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
