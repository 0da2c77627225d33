//! The checks of a list of workflow commands before any of them is applied, and the name of each type.

use tenure_api::{
    command::v1::Command,
    enums::v1::{CommandType, WorkflowTaskFailedCause as Cause},
    error::ApiError,
};

/// Checks that a closing command is the last one, and that the API has every command. A violation is refused without
/// failing the task: it is not the workflow's doing.
pub(super) fn check_sequence(commands: &[Command]) -> Result<(), ApiError> {
    if let Some(unknown) = commands.iter().find(|c| cause_and_name(c.command_type).is_none()) {
        let name = match unknown.command_type {
            0 => "Unspecified".to_owned(),
            number => number.to_string(),
        };
        return Err(ApiError::invalid_argument(format!("unknown command type: {name}")));
    }
    let name = |command: &Command| cause_and_name(command.command_type).map_or("", |(_, name)| name);
    let closing = commands.iter().position(|command| command.command_type().closes_run());
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
pub(super) fn any_closes(commands: &[Command]) -> bool {
    commands.iter().any(|command| command.command_type().closes_run())
}

/// The cause that a task fails with when a command of this type is bad, and the command's name; `None` for an unknown
/// type.
pub(super) fn cause_and_name(command_type: i32) -> Option<(Cause, &'static str)> {
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
