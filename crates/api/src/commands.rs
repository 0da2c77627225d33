//! Facts of the commands that a worker returns with a workflow task. Each match names every type, so that one that is
//! new does not compile until it is thought about.

use crate::{
    command::v1::command::Attributes,
    enums::v1::{CommandType, WorkflowExecutionStatus as Status},
};

impl Attributes {
    /// The type that goes with the attributes.
    pub fn command_type(&self) -> CommandType {
        use Attributes::*;
        use CommandType as Type;
        match self {
            ScheduleActivityTaskCommandAttributes(_) => Type::ScheduleActivityTask,
            StartTimerCommandAttributes(_) => Type::StartTimer,
            CompleteWorkflowExecutionCommandAttributes(_) => Type::CompleteWorkflowExecution,
            FailWorkflowExecutionCommandAttributes(_) => Type::FailWorkflowExecution,
            RequestCancelActivityTaskCommandAttributes(_) => Type::RequestCancelActivityTask,
            CancelTimerCommandAttributes(_) => Type::CancelTimer,
            CancelWorkflowExecutionCommandAttributes(_) => Type::CancelWorkflowExecution,
            RequestCancelExternalWorkflowExecutionCommandAttributes(_) => Type::RequestCancelExternalWorkflowExecution,
            RecordMarkerCommandAttributes(_) => Type::RecordMarker,
            ContinueAsNewWorkflowExecutionCommandAttributes(_) => Type::ContinueAsNewWorkflowExecution,
            StartChildWorkflowExecutionCommandAttributes(_) => Type::StartChildWorkflowExecution,
            SignalExternalWorkflowExecutionCommandAttributes(_) => Type::SignalExternalWorkflowExecution,
            UpsertWorkflowSearchAttributesCommandAttributes(_) => Type::UpsertWorkflowSearchAttributes,
            ProtocolMessageCommandAttributes(_) => Type::ProtocolMessage,
            ModifyWorkflowPropertiesCommandAttributes(_) => Type::ModifyWorkflowProperties,
            ScheduleNexusOperationCommandAttributes(_) => Type::ScheduleNexusOperation,
            RequestCancelNexusOperationCommandAttributes(_) => Type::RequestCancelNexusOperation,
        }
    }
}

impl CommandType {
    /// The run's status after the command, if the command ends it.
    pub fn status_after(self) -> Option<Status> {
        match self {
            CommandType::CompleteWorkflowExecution => Some(Status::Completed),
            CommandType::FailWorkflowExecution => Some(Status::Failed),
            CommandType::CancelWorkflowExecution => Some(Status::Canceled),
            CommandType::ContinueAsNewWorkflowExecution => Some(Status::ContinuedAsNew),
            CommandType::Unspecified
            | CommandType::ScheduleActivityTask
            | CommandType::RequestCancelActivityTask
            | CommandType::StartTimer
            | CommandType::CancelTimer
            | CommandType::RequestCancelExternalWorkflowExecution
            | CommandType::RecordMarker
            | CommandType::StartChildWorkflowExecution
            | CommandType::SignalExternalWorkflowExecution
            | CommandType::UpsertWorkflowSearchAttributes
            | CommandType::ProtocolMessage
            | CommandType::ModifyWorkflowProperties
            | CommandType::ScheduleNexusOperation
            | CommandType::RequestCancelNexusOperation => None,
        }
    }

    /// Whether the command ends the run. Such a command is the last of its workflow task.
    pub fn closes_run(self) -> bool {
        self.status_after().is_some()
    }
}
