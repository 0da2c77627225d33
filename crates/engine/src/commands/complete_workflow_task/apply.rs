//! The dispatch of workflow commands: each of the API's commands goes to its noun.

use super::{
    close::{cancel_workflow, complete_workflow, fail_workflow},
    properties::{change_search_attributes, modify_properties, record_marker},
    sequence::cause_and_name,
};
use crate::{
    activity, bad_command::BadCommand, chain::continue_as_new, child, external, timer, txn::Txn, update,
    workflow_task::CompletedTask,
};
use tenure_api::{
    command::v1::{Command, command::Attributes as Verb},
    enums::v1::WorkflowTaskFailedCause as Cause,
};

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

fn without_attributes(command_type: i32) -> BadCommand {
    match cause_and_name(command_type) {
        Some((cause, name)) => BadCommand::new(cause, format!("{name}CommandAttributes is not set on {name}Command.")),
        None => BadCommand::new(Cause::UnhandledCommand, format!("unknown command type: {command_type}")),
    }
}
