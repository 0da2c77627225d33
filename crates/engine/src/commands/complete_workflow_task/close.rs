//! Workflow commands that end a run, but for continue-as-new, which has a file in `chain/`.

use crate::{
    bad_command::BadCommand,
    chain::{self, Ended, NewRun},
    checks::check_blob,
    txn::Txn,
    workflow_task::CompletedTask,
};
use tenure_api::{
    command::v1::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        FailWorkflowExecutionCommandAttributes,
    },
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{
        HistoryEvent, WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
        WorkflowExecutionFailedEventAttributes, history_event::Attributes,
    },
    sdk::v1::UserMetadata,
};

/// Closes the run with its last event.
fn close(txn: &mut Txn<'_, '_>, user_metadata: Option<UserMetadata>, attributes: Attributes, next: Option<NewRun>) {
    chain::close(txn, HistoryEvent { user_metadata, attributes: Some(attributes), ..Default::default() }, next);
}

fn id_of(next: Option<&NewRun>) -> String {
    next.map(|next| next.run_id.to_string()).unwrap_or_default()
}

pub(super) fn complete_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: CompleteWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    task.check_all_seen()?;
    check_blob(
        txn.limits(),
        // The reference server's cause.
        Cause::BadScheduleActivityAttributes,
        "CompleteWorkflowExecutionCommandAttributes.Result",
        command.result.as_ref(),
    )?;
    let next = chain::after_completion(txn, command.result.as_ref());
    let attributes = WorkflowExecutionCompletedEventAttributes {
        result: command.result,
        workflow_task_completed_event_id: task.completed_event_id,
        new_execution_run_id: id_of(next.as_ref()),
    };
    let event = Attributes::WorkflowExecutionCompletedEventAttributes(attributes);
    close(txn, user_metadata, event, next);
    Ok(())
}

pub(super) fn fail_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: FailWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadFailWorkflowExecutionAttributes;
    task.check_all_seen()?;
    let Some(failure) = command.failure else {
        return Err(BadCommand::new(CAUSE, "Failure is not set on FailWorkflowExecutionCommand."));
    };
    check_blob(txn.limits(), CAUSE, "FailWorkflowExecutionCommandAttributes.Failure", Some(&failure))?;
    let Ended { retry_state, next } = chain::after_failure(txn, &failure);
    let attributes = WorkflowExecutionFailedEventAttributes {
        failure: Some(failure),
        retry_state: retry_state.into(),
        workflow_task_completed_event_id: task.completed_event_id,
        new_execution_run_id: id_of(next.as_ref()),
    };
    close(txn, user_metadata, Attributes::WorkflowExecutionFailedEventAttributes(attributes), next);
    Ok(())
}

pub(super) fn cancel_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: CancelWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    task.check_all_seen()?;
    let attributes = WorkflowExecutionCanceledEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        details: command.details,
    };
    close(txn, user_metadata, Attributes::WorkflowExecutionCanceledEventAttributes(attributes), None);
    Ok(())
}
