//! What a worker returns from a workflow task: each of the API's commands, checked and applied.

use crate::{
    activity,
    bad_command::BadCommand,
    chain::{self, Ended, NewRun, continue_as_new},
    checks::{check_blob, check_search_attributes},
    child, external,
    properties::{upsert_memo, upsert_search_attributes},
    search_attributes, timer,
    txn::Txn,
    update::{self, Inbox},
};
use prost::Message;
use std::sync::Arc;
use tenure_api::{
    command::v1::{
        CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
        FailWorkflowExecutionCommandAttributes, ModifyWorkflowPropertiesCommandAttributes,
        RecordMarkerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes, command::Attributes as Verb,
    },
    common::v1::SearchAttributes,
    enums::v1::{CommandType, WorkflowTaskFailedCause as Cause},
    error::ApiError,
    history::v1::{
        HistoryEvent, MarkerRecordedEventAttributes, UpsertWorkflowSearchAttributesEventAttributes,
        WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
        WorkflowExecutionFailedEventAttributes, WorkflowPropertiesModifiedEventAttributes, history_event::Attributes,
    },
    sdk::v1::UserMetadata,
};

/// The completed task that commands belong to.
pub struct CompletedTask {
    pub completed_event_id: i64,
    /// The worker's.
    pub identity: String,
    /// How many events came while the task was running: its worker has not seen them.
    pub unseen: usize,
    /// Activities that the worker would take along, by scheduled event id.
    pub eager: Vec<i64>,
    pub(crate) inbox: Inbox,
}

impl CompletedTask {
    /// A run does not end while there is something that its worker has not seen.
    pub(crate) fn nothing_unseen(&self) -> Result<(), BadCommand> {
        match self.unseen {
            0 => Ok(()),
            _ => Err(BadCommand::bare(Cause::UnhandledCommand)),
        }
    }
}

/// Applies one command to a run that is not closed yet.
pub(super) fn apply(txn: &mut Txn<'_, '_>, task: &mut CompletedTask, command: Command) -> Result<(), BadCommand> {
    let Command { command_type, user_metadata, attributes, .. } = command;
    match attributes {
        Some(Verb::ScheduleActivityTaskCommandAttributes(a)) => activity::schedule(txn, task, a, user_metadata),
        Some(Verb::RequestCancelActivityTaskCommandAttributes(a)) => activity::request_cancel(txn, task, a),
        Some(Verb::StartTimerCommandAttributes(a)) => timer::start(txn, task, a, user_metadata),
        Some(Verb::CancelTimerCommandAttributes(a)) => timer::cancel(txn, task, a),
        Some(Verb::StartChildWorkflowExecutionCommandAttributes(a)) => child::start(txn, task, a, user_metadata),
        Some(Verb::SignalExternalWorkflowExecutionCommandAttributes(a)) => {
            external::signal(txn, task, a, user_metadata)
        }
        Some(Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(a)) => {
            external::request_cancel(txn, task, a, user_metadata)
        }
        Some(Verb::ProtocolMessageCommandAttributes(a)) => update::command(txn, &mut task.inbox, &a),
        Some(Verb::RecordMarkerCommandAttributes(a)) => record_marker(txn, task, a, user_metadata),
        Some(Verb::UpsertWorkflowSearchAttributesCommandAttributes(a)) => change_search_attributes(txn, task, a),
        Some(Verb::ModifyWorkflowPropertiesCommandAttributes(a)) => modify_properties(txn, task, a),
        Some(Verb::CompleteWorkflowExecutionCommandAttributes(a)) => complete_workflow(txn, task, a, user_metadata),
        Some(Verb::FailWorkflowExecutionCommandAttributes(a)) => fail_workflow(txn, task, a, user_metadata),
        Some(Verb::CancelWorkflowExecutionCommandAttributes(a)) => cancel_workflow(txn, task, a, user_metadata),
        Some(Verb::ContinueAsNewWorkflowExecutionCommandAttributes(a)) => continue_as_new(txn, task, a, user_metadata),
        Some(
            Verb::ScheduleNexusOperationCommandAttributes(_) | Verb::RequestCancelNexusOperationCommandAttributes(_),
        ) => Err(unsupported(command_type)),
        None => Err(without_attributes(command_type)),
    }
}

fn unsupported(command_type: i32) -> BadCommand {
    match cause_and_name(command_type) {
        Some((cause, name)) => BadCommand::new(cause, format!("the command {name} is not implemented by this server")),
        None => without_attributes(command_type),
    }
}

/// A closing command is the last one, and every command is one that the API has. What breaks this is refused without
/// failing the task: it is not the workflow's doing.
pub(crate) fn check_sequence(commands: &[Command]) -> Result<(), ApiError> {
    if let Some(unknown) = commands.iter().find(|c| cause_and_name(c.command_type).is_none()) {
        let name = match unknown.command_type {
            0 => "Unspecified".to_owned(),
            number => number.to_string(),
        };
        return Err(ApiError::invalid_argument(format!("unknown command type: {name}")));
    }
    let name = |command: &Command| cause_and_name(command.command_type).map_or("", |(_, name)| name);
    let closing = commands.iter().position(|command| closes(command.command_type()));
    match closing {
        Some(at) if at + 1 < commands.len() => {
            let names: Vec<&str> = commands.iter().map(name).collect();
            Err(ApiError::invalid_argument(format!(
                "invalid command sequence: [{}], command {} must be the last command.",
                names.join(", "),
                names[at]
            )))
        }
        _ => Ok(()),
    }
}

/// Whether one of the commands ends the run.
pub(crate) fn any_closes(commands: &[Command]) -> bool {
    commands.iter().any(|command| closes(command.command_type()))
}

pub(super) fn closes(command: CommandType) -> bool {
    use CommandType::*;
    matches!(
        command,
        CompleteWorkflowExecution | FailWorkflowExecution | CancelWorkflowExecution | ContinueAsNewWorkflowExecution
    )
}

fn without_attributes(command_type: i32) -> BadCommand {
    match cause_and_name(command_type) {
        Some((cause, name)) => BadCommand::new(cause, format!("{name}CommandAttributes is not set on {name}Command.")),
        None => BadCommand::new(Cause::UnhandledCommand, format!("unknown command type: {command_type}")),
    }
}

/// What a task fails with when the command is bad, and the command's name.
fn cause_and_name(command_type: i32) -> Option<(Cause, &'static str)> {
    use CommandType::*;
    let named = match CommandType::try_from(command_type).ok()? {
        Unspecified => return None,
        ScheduleActivityTask => (Cause::BadScheduleActivityAttributes, "ScheduleActivityTask"),
        RequestCancelActivityTask => (Cause::BadRequestCancelActivityAttributes, "RequestCancelActivityTask"),
        StartTimer => (Cause::BadStartTimerAttributes, "StartTimer"),
        CancelTimer => (Cause::BadCancelTimerAttributes, "CancelTimer"),
        RecordMarker => (Cause::BadRecordMarkerAttributes, "RecordMarker"),
        CompleteWorkflowExecution => (Cause::BadCompleteWorkflowExecutionAttributes, "CompleteWorkflowExecution"),
        FailWorkflowExecution => (Cause::BadFailWorkflowExecutionAttributes, "FailWorkflowExecution"),
        CancelWorkflowExecution => (Cause::BadCancelWorkflowExecutionAttributes, "CancelWorkflowExecution"),
        ContinueAsNewWorkflowExecution => (Cause::BadContinueAsNewAttributes, "ContinueAsNewWorkflowExecution"),
        StartChildWorkflowExecution => (Cause::BadStartChildExecutionAttributes, "StartChildWorkflowExecution"),
        SignalExternalWorkflowExecution => {
            (Cause::BadSignalWorkflowExecutionAttributes, "SignalExternalWorkflowExecution")
        }
        RequestCancelExternalWorkflowExecution => {
            (Cause::BadRequestCancelExternalWorkflowExecutionAttributes, "RequestCancelExternalWorkflowExecution")
        }
        UpsertWorkflowSearchAttributes => (Cause::BadSearchAttributes, "UpsertWorkflowSearchAttributes"),
        ModifyWorkflowProperties => (Cause::BadModifyWorkflowPropertiesAttributes, "ModifyWorkflowProperties"),
        ProtocolMessage => (Cause::BadUpdateWorkflowExecutionMessage, "ProtocolMessage"),
        ScheduleNexusOperation => (Cause::BadScheduleNexusOperationAttributes, "ScheduleNexusOperation"),
        RequestCancelNexusOperation => (Cause::BadRequestCancelNexusOperationAttributes, "RequestCancelNexusOperation"),
    };
    Some(named)
}

fn record_marker(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: RecordMarkerCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadRecordMarkerAttributes;
    let limits = txn.limits();
    if command.marker_name.is_empty() {
        return Err(BadCommand::new(CAUSE, "MarkerName is not set on RecordMarkerCommand."));
    }
    if command.marker_name.len() > limits.id_length {
        return Err(BadCommand::new(
            CAUSE,
            format!(
                "MarkerName on RecordMarkerCommand exceeds length limit. MarkerName={} Length={} Limit={}",
                command.marker_name,
                command.marker_name.len(),
                limits.id_length
            ),
        ));
    }
    let size = command.details.iter().map(|(key, value)| key.len() + value.encoded_len()).sum::<usize>();
    if size > limits.blob_size {
        return Err(BadCommand::new(CAUSE, "RecordMarkerCommandAttributes.Details exceeds size limit.").terminating());
    }
    txn.add(HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
            marker_name: command.marker_name,
            details: command.details,
            workflow_task_completed_event_id: task.completed_event_id,
            header: command.header,
            failure: command.failure,
        })),
        ..Default::default()
    });
    Ok(())
}

fn change_search_attributes(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: UpsertWorkflowSearchAttributesCommandAttributes,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadSearchAttributes;
    let missing =
        |what: &str| BadCommand::new(CAUSE, format!("{what} is not set on UpsertWorkflowSearchAttributesCommand."));
    let mut upserted = command.search_attributes.ok_or_else(|| missing("SearchAttributes"))?;
    if upserted.indexed_fields.is_empty() {
        return Err(missing("IndexedFields"));
    }
    check_search_attributes(txn.cx.search_attributes, &txn.state.info.namespace, CAUSE, &mut upserted, |problem| {
        problem
    })?;
    let merged = upsert_search_attributes(Arc::make_mut(&mut txn.state.info), &upserted);
    search_attributes::check_sizes(&merged)
        .map_err(|problem| BadCommand::new(CAUSE, problem.to_string()).terminating())?;
    txn.add_event(Attributes::UpsertWorkflowSearchAttributesEventAttributes(
        UpsertWorkflowSearchAttributesEventAttributes {
            workflow_task_completed_event_id: task.completed_event_id,
            search_attributes: Some(SearchAttributes { indexed_fields: upserted.indexed_fields }),
        },
    ));
    Ok(())
}

fn modify_properties(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: ModifyWorkflowPropertiesCommandAttributes,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadModifyWorkflowPropertiesAttributes;
    let missing = |what: &str| BadCommand::new(CAUSE, format!("{what} is not set on ModifyWorkflowPropertiesCommand."));
    let upserted = command.upserted_memo.ok_or_else(|| missing("UpsertedMemo"))?;
    if upserted.fields.is_empty() {
        return Err(missing("UpsertedMemo.Fields"));
    }
    check_blob(txn.limits(), CAUSE, "ModifyWorkflowPropertiesCommandAttributes", Some(&upserted))?;
    if upsert_memo(Arc::make_mut(&mut txn.state.info), &upserted) > txn.limits().memo_size {
        let message = "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.";
        return Err(BadCommand::new(CAUSE, message).terminating());
    }
    txn.add_event(Attributes::WorkflowPropertiesModifiedEventAttributes(WorkflowPropertiesModifiedEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        upserted_memo: Some(upserted),
    }));
    Ok(())
}

/// Closes the run with its last event.
fn close(txn: &mut Txn<'_, '_>, user_metadata: Option<UserMetadata>, attributes: Attributes, next: Option<NewRun>) {
    chain::close(txn, HistoryEvent { user_metadata, attributes: Some(attributes), ..Default::default() }, next);
}

fn id_of(next: Option<&NewRun>) -> String {
    next.map(|next| next.run_id.to_string()).unwrap_or_default()
}

fn complete_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: CompleteWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    task.nothing_unseen()?;
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

fn fail_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: FailWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadFailWorkflowExecutionAttributes;
    task.nothing_unseen()?;
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

fn cancel_workflow(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: CancelWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    task.nothing_unseen()?;
    let attributes = WorkflowExecutionCanceledEventAttributes {
        workflow_task_completed_event_id: task.completed_event_id,
        details: command.details,
    };
    close(txn, user_metadata, Attributes::WorkflowExecutionCanceledEventAttributes(attributes), None);
    Ok(())
}
