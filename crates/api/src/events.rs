//! Facts of the events that histories are made of: one row of one table for each type. The table names every type and
//! every kind of attributes, so that one that is new does not compile until it has its row.

use crate::{
    enums::v1::{CommandType, EventType, WorkflowExecutionStatus as Status},
    history::v1::history_event::Attributes,
};

/// The source of an event, which decides over its place in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// Whoever started the run: it is its first event.
    Start,
    /// The workflow task itself.
    WorkflowTask(WorkflowTaskStep),
    /// A command of this type, which a worker returned with a workflow task.
    Command(CommandType),
    /// The server, or whoever asked it to: the run ends with this status.
    Close(Status),
    /// The end of an operation that a command began.
    End(Operation),
    /// Anything else that reaches a run from outside of its workflow tasks.
    News,
}

/// A step in the life of a workflow task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowTaskStep {
    Scheduled,
    Started,
    Completed,
    Failed,
    TimedOut,
}

/// An operation that a command begins and an event of its own ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Activity,
    Child,
    Nexus,
}

/// The facts of all types of events. Each row has: type, attributes, source; where the event is about an operation that
/// another event began, the field with the id of that one; where it ends the operation, the field with the id of its
/// started event.
macro_rules! table {
    ($($event:ident $attributes:ident: $source:expr $(, of $began:ident $(, started $started:ident)?)?;)*) => {
        impl EventType {
            /// The source of events of this type.
            pub fn source(self) -> EventSource {
                match self {
                    EventType::Unspecified => EventSource::News,
                    $(EventType::$event => $source,)*
                }
            }
        }

        #[allow(unused_variables)]
        impl Attributes {
            /// The type that goes with the attributes.
            pub fn event_type(&self) -> EventType {
                match self {
                    $(Attributes::$attributes(_) => EventType::$event,)*
                }
            }

            /// The id of the event that began the operation of this one: an activity's scheduled event, a timer's
            /// started event, the initiated event of a child, of a signal or of a cancellation.
            pub fn begun_by(&self) -> Option<i64> {
                match self {
                    $(Attributes::$attributes(a) => None$(.or(Some(a.$began)))?,)*
                }
            }

            /// The field in which the end of an activity or of a child names its started event.
            pub fn started_event_id_mut(&mut self) -> Option<&mut i64> {
                match self {
                    $(Attributes::$attributes(a) => None$($(.or(Some(&mut a.$started)))?)?,)*
                }
            }
        }
    };
}

use CommandType as C;
use EventSource::{Close, Command, End, News, Start, WorkflowTask};
use Operation::{Activity, Child, Nexus};
use WorkflowTaskStep as Step;

#[rustfmt::skip]
table! {
    WorkflowExecutionStarted WorkflowExecutionStartedEventAttributes: Start;
    WorkflowExecutionCompleted WorkflowExecutionCompletedEventAttributes: Command(C::CompleteWorkflowExecution);
    WorkflowExecutionFailed WorkflowExecutionFailedEventAttributes: Command(C::FailWorkflowExecution);
    WorkflowExecutionCanceled WorkflowExecutionCanceledEventAttributes: Command(C::CancelWorkflowExecution);
    WorkflowExecutionContinuedAsNew WorkflowExecutionContinuedAsNewEventAttributes: Command(C::ContinueAsNewWorkflowExecution);
    WorkflowExecutionTimedOut WorkflowExecutionTimedOutEventAttributes: Close(Status::TimedOut);
    WorkflowExecutionTerminated WorkflowExecutionTerminatedEventAttributes: Close(Status::Terminated);

    WorkflowTaskScheduled WorkflowTaskScheduledEventAttributes: WorkflowTask(Step::Scheduled);
    WorkflowTaskStarted WorkflowTaskStartedEventAttributes: WorkflowTask(Step::Started);
    WorkflowTaskCompleted WorkflowTaskCompletedEventAttributes: WorkflowTask(Step::Completed);
    WorkflowTaskFailed WorkflowTaskFailedEventAttributes: WorkflowTask(Step::Failed);
    WorkflowTaskTimedOut WorkflowTaskTimedOutEventAttributes: WorkflowTask(Step::TimedOut);

    ActivityTaskScheduled ActivityTaskScheduledEventAttributes: Command(C::ScheduleActivityTask);
    ActivityTaskCancelRequested ActivityTaskCancelRequestedEventAttributes: Command(C::RequestCancelActivityTask), of scheduled_event_id;
    ActivityTaskStarted ActivityTaskStartedEventAttributes: News, of scheduled_event_id;
    ActivityPropertiesModifiedExternally ActivityPropertiesModifiedExternallyEventAttributes: News, of scheduled_event_id;
    ActivityTaskCompleted ActivityTaskCompletedEventAttributes: End(Activity), of scheduled_event_id, started started_event_id;
    ActivityTaskFailed ActivityTaskFailedEventAttributes: End(Activity), of scheduled_event_id, started started_event_id;
    ActivityTaskTimedOut ActivityTaskTimedOutEventAttributes: End(Activity), of scheduled_event_id, started started_event_id;
    ActivityTaskCanceled ActivityTaskCanceledEventAttributes: End(Activity), of scheduled_event_id, started started_event_id;

    TimerStarted TimerStartedEventAttributes: Command(C::StartTimer);
    TimerCanceled TimerCanceledEventAttributes: Command(C::CancelTimer), of started_event_id;
    TimerFired TimerFiredEventAttributes: News, of started_event_id;

    StartChildWorkflowExecutionInitiated StartChildWorkflowExecutionInitiatedEventAttributes: Command(C::StartChildWorkflowExecution);
    StartChildWorkflowExecutionFailed StartChildWorkflowExecutionFailedEventAttributes: News, of initiated_event_id;
    ChildWorkflowExecutionStarted ChildWorkflowExecutionStartedEventAttributes: News, of initiated_event_id;
    ChildWorkflowExecutionCompleted ChildWorkflowExecutionCompletedEventAttributes: End(Child), of initiated_event_id, started started_event_id;
    ChildWorkflowExecutionFailed ChildWorkflowExecutionFailedEventAttributes: End(Child), of initiated_event_id, started started_event_id;
    ChildWorkflowExecutionCanceled ChildWorkflowExecutionCanceledEventAttributes: End(Child), of initiated_event_id, started started_event_id;
    ChildWorkflowExecutionTimedOut ChildWorkflowExecutionTimedOutEventAttributes: End(Child), of initiated_event_id, started started_event_id;
    ChildWorkflowExecutionTerminated ChildWorkflowExecutionTerminatedEventAttributes: End(Child), of initiated_event_id, started started_event_id;

    SignalExternalWorkflowExecutionInitiated SignalExternalWorkflowExecutionInitiatedEventAttributes: Command(C::SignalExternalWorkflowExecution);
    SignalExternalWorkflowExecutionFailed SignalExternalWorkflowExecutionFailedEventAttributes: News, of initiated_event_id;
    ExternalWorkflowExecutionSignaled ExternalWorkflowExecutionSignaledEventAttributes: News, of initiated_event_id;
    RequestCancelExternalWorkflowExecutionInitiated RequestCancelExternalWorkflowExecutionInitiatedEventAttributes: Command(C::RequestCancelExternalWorkflowExecution);
    RequestCancelExternalWorkflowExecutionFailed RequestCancelExternalWorkflowExecutionFailedEventAttributes: News, of initiated_event_id;
    ExternalWorkflowExecutionCancelRequested ExternalWorkflowExecutionCancelRequestedEventAttributes: News, of initiated_event_id;

    NexusOperationScheduled NexusOperationScheduledEventAttributes: Command(C::ScheduleNexusOperation);
    NexusOperationCancelRequested NexusOperationCancelRequestedEventAttributes: Command(C::RequestCancelNexusOperation), of scheduled_event_id;
    NexusOperationStarted NexusOperationStartedEventAttributes: News, of scheduled_event_id;
    NexusOperationCancelRequestCompleted NexusOperationCancelRequestCompletedEventAttributes: News, of scheduled_event_id;
    NexusOperationCancelRequestFailed NexusOperationCancelRequestFailedEventAttributes: News, of scheduled_event_id;
    NexusOperationCompleted NexusOperationCompletedEventAttributes: End(Nexus), of scheduled_event_id;
    NexusOperationFailed NexusOperationFailedEventAttributes: End(Nexus), of scheduled_event_id;
    NexusOperationCanceled NexusOperationCanceledEventAttributes: End(Nexus), of scheduled_event_id;
    NexusOperationTimedOut NexusOperationTimedOutEventAttributes: End(Nexus), of scheduled_event_id;

    MarkerRecorded MarkerRecordedEventAttributes: Command(C::RecordMarker);
    UpsertWorkflowSearchAttributes UpsertWorkflowSearchAttributesEventAttributes: Command(C::UpsertWorkflowSearchAttributes);
    WorkflowPropertiesModified WorkflowPropertiesModifiedEventAttributes: Command(C::ModifyWorkflowProperties);
    WorkflowExecutionUpdateAccepted WorkflowExecutionUpdateAcceptedEventAttributes: Command(C::ProtocolMessage);
    WorkflowExecutionUpdateCompleted WorkflowExecutionUpdateCompletedEventAttributes: Command(C::ProtocolMessage);
    // Of old servers: today a rejection leaves no event.
    WorkflowExecutionUpdateRejected WorkflowExecutionUpdateRejectedEventAttributes: News;

    WorkflowExecutionUpdateAdmitted WorkflowExecutionUpdateAdmittedEventAttributes: News;
    WorkflowExecutionSignaled WorkflowExecutionSignaledEventAttributes: News;
    WorkflowExecutionCancelRequested WorkflowExecutionCancelRequestedEventAttributes: News;
    WorkflowPropertiesModifiedExternally WorkflowPropertiesModifiedExternallyEventAttributes: News;
    WorkflowExecutionOptionsUpdated WorkflowExecutionOptionsUpdatedEventAttributes: News;
    WorkflowExecutionPaused WorkflowExecutionPausedEventAttributes: News;
    WorkflowExecutionUnpaused WorkflowExecutionUnpausedEventAttributes: News;
    WorkflowExecutionTimeSkippingTransitioned WorkflowExecutionTimeSkippingTransitionedEventAttributes: News;
}

impl EventType {
    /// The run's status after its last event; `None` for an event that does not close the run.
    pub fn status_after(self) -> Option<Status> {
        match self.source() {
            Close(status) => Some(status),
            Command(command) => command.status_after(),
            Start | WorkflowTask(_) | End(_) | News => None,
        }
    }

    /// Whether the run ends with the event.
    pub fn closes_run(self) -> bool {
        self.status_after().is_some()
    }

    /// Whether the event comes of a workflow task's command.
    pub fn is_of_command(self) -> bool {
        matches!(self.source(), Command(_))
    }

    /// Whether the event has to wait while a workflow task is running, so that history shows what its worker has seen.
    pub fn waits_for_task(self) -> bool {
        match self.source() {
            End(_) | News => true,
            Start | WorkflowTask(_) | Command(_) | Close(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> impl Iterator<Item = EventType> {
        (0..100).filter_map(|number| EventType::try_from(number).ok())
    }

    #[test]
    fn six_types_end_a_run() {
        let last: Vec<_> = types().filter_map(|event| Some((event, event.status_after()?))).collect();
        assert_eq!(
            last,
            [
                (EventType::WorkflowExecutionCompleted, Status::Completed),
                (EventType::WorkflowExecutionFailed, Status::Failed),
                (EventType::WorkflowExecutionTimedOut, Status::TimedOut),
                (EventType::WorkflowExecutionCanceled, Status::Canceled),
                (EventType::WorkflowExecutionTerminated, Status::Terminated),
                (EventType::WorkflowExecutionContinuedAsNew, Status::ContinuedAsNew),
            ]
        );
    }

    #[test]
    fn every_command_makes_an_event() {
        let commands = (1..100).filter_map(|number| CommandType::try_from(number).ok());
        for command in commands {
            assert!(types().any(|event| event.source() == Command(command)), "{command:?} makes no event");
        }
    }

    /// The reference server's `shouldBufferEvent`.
    #[test]
    fn what_comes_of_a_task_or_closes_its_run_does_not_wait() {
        let at_once = types().filter(|event| !event.waits_for_task()).count();
        assert_eq!(at_once, 26, "the start, 6 last ones, 5 of the task and 14 of other commands");
    }
}
