//! What the API says of event types: which close a run, which wait while a workflow task is running, in which order
//! those that waited enter history.

use prost::Message;
use tenure_api::{
    enums::v1::{EventType, WorkflowExecutionStatus as Status},
    history::v1::{HistoryEvent, history_event::Attributes},
};

/// Id of an event that is buffered: it gets its real one when the running workflow task ends.
pub(crate) const BUFFERED: i64 = 0;

/// The run ends with it.
pub(crate) fn closes(event: EventType) -> bool {
    use EventType::*;
    matches!(
        event,
        WorkflowExecutionCompleted
            | WorkflowExecutionFailed
            | WorkflowExecutionTimedOut
            | WorkflowExecutionTerminated
            | WorkflowExecutionCanceled
            | WorkflowExecutionContinuedAsNew
    )
}

/// What the run's status is after its last event; `None` for an event that is not a last one.
pub(crate) fn status_after(last: &Attributes) -> Option<Status> {
    match last {
        Attributes::WorkflowExecutionCompletedEventAttributes(_) => Some(Status::Completed),
        Attributes::WorkflowExecutionFailedEventAttributes(_) => Some(Status::Failed),
        Attributes::WorkflowExecutionTimedOutEventAttributes(_) => Some(Status::TimedOut),
        Attributes::WorkflowExecutionTerminatedEventAttributes(_) => Some(Status::Terminated),
        Attributes::WorkflowExecutionCanceledEventAttributes(_) => Some(Status::Canceled),
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_) => Some(Status::ContinuedAsNew),
        _ => None,
    }
}

/// Waits while a workflow task is running. Not so the run's and the task's own events, and what comes of workflow
/// commands and messages.
pub(crate) fn is_buffered(event: EventType) -> bool {
    use EventType::*;
    !closes(event)
        && !matches!(
            event,
            WorkflowExecutionStarted
                | WorkflowTaskScheduled
                | WorkflowTaskStarted
                | WorkflowTaskCompleted
                | WorkflowTaskFailed
                | WorkflowTaskTimedOut
                | ActivityTaskScheduled
                | ActivityTaskCancelRequested
                | TimerStarted
                | TimerCanceled
                | MarkerRecorded
                | RequestCancelExternalWorkflowExecutionInitiated
                | SignalExternalWorkflowExecutionInitiated
                | StartChildWorkflowExecutionInitiated
                | UpsertWorkflowSearchAttributes
                | WorkflowPropertiesModified
                | WorkflowExecutionUpdateAccepted
                | WorkflowExecutionUpdateCompleted
                | NexusOperationScheduled
                | NexusOperationCancelRequested
        )
}

/// In the order of arrival, but the ends of activities, children and operations come last.
pub(crate) fn in_flush_order(events: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
    use EventType::*;
    let (last, mut first): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| {
        matches!(
            event.event_type(),
            ActivityTaskCompleted
                | ActivityTaskFailed
                | ActivityTaskTimedOut
                | ActivityTaskCanceled
                | ChildWorkflowExecutionCompleted
                | ChildWorkflowExecutionFailed
                | ChildWorkflowExecutionTimedOut
                | ChildWorkflowExecutionCanceled
                | ChildWorkflowExecutionTerminated
                | NexusOperationCompleted
                | NexusOperationFailed
                | NexusOperationCanceled
                | NexusOperationTimedOut
        )
    });
    first.extend(last);
    first
}

/// The end of an activity or child names its started event, which may have got its id just now. `started` pairs scheduled
/// or initiated with started event ids.
pub(crate) fn fill_in_started_id(event: &mut HistoryEvent, started: &[(i64, i64)]) {
    use Attributes::*;
    let (scheduled, place) = match event.attributes.as_mut() {
        Some(ActivityTaskCompletedEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(ActivityTaskFailedEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(ActivityTaskTimedOutEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(ActivityTaskCanceledEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
        Some(ChildWorkflowExecutionCompletedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(ChildWorkflowExecutionFailedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(ChildWorkflowExecutionTimedOutEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(ChildWorkflowExecutionCanceledEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        Some(ChildWorkflowExecutionTerminatedEventAttributes(a)) => (a.initiated_event_id, &mut a.started_event_id),
        _ => return,
    };
    if let Some(&(_, id)) = started.iter().find(|(s, _)| *s == scheduled) {
        *place = id;
    }
}

/// The initiated event of the child whose end this tells.
pub(crate) fn child_ended(attributes: &Attributes) -> Option<i64> {
    use Attributes::*;
    match attributes {
        ChildWorkflowExecutionCompletedEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionCanceledEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionTimedOutEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionTerminatedEventAttributes(a) => Some(a.initiated_event_id),
        _ => None,
    }
}

/// The type that goes with the attributes.
pub(crate) fn event_type(attributes: &Attributes) -> EventType {
    macro_rules! table {
        ($($variant:ident => $event:ident,)*) => {
            match attributes { $(Attributes::$variant(_) => EventType::$event,)* }
        };
    }
    table! {
        WorkflowExecutionStartedEventAttributes => WorkflowExecutionStarted,
        WorkflowExecutionCompletedEventAttributes => WorkflowExecutionCompleted,
        WorkflowExecutionFailedEventAttributes => WorkflowExecutionFailed,
        WorkflowExecutionTimedOutEventAttributes => WorkflowExecutionTimedOut,
        WorkflowTaskScheduledEventAttributes => WorkflowTaskScheduled,
        WorkflowTaskStartedEventAttributes => WorkflowTaskStarted,
        WorkflowTaskCompletedEventAttributes => WorkflowTaskCompleted,
        WorkflowTaskTimedOutEventAttributes => WorkflowTaskTimedOut,
        WorkflowTaskFailedEventAttributes => WorkflowTaskFailed,
        ActivityTaskScheduledEventAttributes => ActivityTaskScheduled,
        ActivityTaskStartedEventAttributes => ActivityTaskStarted,
        ActivityTaskCompletedEventAttributes => ActivityTaskCompleted,
        ActivityTaskFailedEventAttributes => ActivityTaskFailed,
        ActivityTaskTimedOutEventAttributes => ActivityTaskTimedOut,
        TimerStartedEventAttributes => TimerStarted,
        TimerFiredEventAttributes => TimerFired,
        ActivityTaskCancelRequestedEventAttributes => ActivityTaskCancelRequested,
        ActivityTaskCanceledEventAttributes => ActivityTaskCanceled,
        TimerCanceledEventAttributes => TimerCanceled,
        MarkerRecordedEventAttributes => MarkerRecorded,
        WorkflowExecutionSignaledEventAttributes => WorkflowExecutionSignaled,
        WorkflowExecutionTerminatedEventAttributes => WorkflowExecutionTerminated,
        WorkflowExecutionCancelRequestedEventAttributes => WorkflowExecutionCancelRequested,
        WorkflowExecutionCanceledEventAttributes => WorkflowExecutionCanceled,
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes => RequestCancelExternalWorkflowExecutionInitiated,
        RequestCancelExternalWorkflowExecutionFailedEventAttributes => RequestCancelExternalWorkflowExecutionFailed,
        ExternalWorkflowExecutionCancelRequestedEventAttributes => ExternalWorkflowExecutionCancelRequested,
        WorkflowExecutionContinuedAsNewEventAttributes => WorkflowExecutionContinuedAsNew,
        StartChildWorkflowExecutionInitiatedEventAttributes => StartChildWorkflowExecutionInitiated,
        StartChildWorkflowExecutionFailedEventAttributes => StartChildWorkflowExecutionFailed,
        ChildWorkflowExecutionStartedEventAttributes => ChildWorkflowExecutionStarted,
        ChildWorkflowExecutionCompletedEventAttributes => ChildWorkflowExecutionCompleted,
        ChildWorkflowExecutionFailedEventAttributes => ChildWorkflowExecutionFailed,
        ChildWorkflowExecutionCanceledEventAttributes => ChildWorkflowExecutionCanceled,
        ChildWorkflowExecutionTimedOutEventAttributes => ChildWorkflowExecutionTimedOut,
        ChildWorkflowExecutionTerminatedEventAttributes => ChildWorkflowExecutionTerminated,
        SignalExternalWorkflowExecutionInitiatedEventAttributes => SignalExternalWorkflowExecutionInitiated,
        SignalExternalWorkflowExecutionFailedEventAttributes => SignalExternalWorkflowExecutionFailed,
        ExternalWorkflowExecutionSignaledEventAttributes => ExternalWorkflowExecutionSignaled,
        UpsertWorkflowSearchAttributesEventAttributes => UpsertWorkflowSearchAttributes,
        WorkflowExecutionUpdateAcceptedEventAttributes => WorkflowExecutionUpdateAccepted,
        WorkflowExecutionUpdateRejectedEventAttributes => WorkflowExecutionUpdateRejected,
        WorkflowExecutionUpdateCompletedEventAttributes => WorkflowExecutionUpdateCompleted,
        WorkflowPropertiesModifiedExternallyEventAttributes => WorkflowPropertiesModifiedExternally,
        ActivityPropertiesModifiedExternallyEventAttributes => ActivityPropertiesModifiedExternally,
        WorkflowPropertiesModifiedEventAttributes => WorkflowPropertiesModified,
        WorkflowExecutionUpdateAdmittedEventAttributes => WorkflowExecutionUpdateAdmitted,
        NexusOperationScheduledEventAttributes => NexusOperationScheduled,
        NexusOperationStartedEventAttributes => NexusOperationStarted,
        NexusOperationCompletedEventAttributes => NexusOperationCompleted,
        NexusOperationFailedEventAttributes => NexusOperationFailed,
        NexusOperationCanceledEventAttributes => NexusOperationCanceled,
        NexusOperationTimedOutEventAttributes => NexusOperationTimedOut,
        NexusOperationCancelRequestedEventAttributes => NexusOperationCancelRequested,
        WorkflowExecutionOptionsUpdatedEventAttributes => WorkflowExecutionOptionsUpdated,
        NexusOperationCancelRequestCompletedEventAttributes => NexusOperationCancelRequestCompleted,
        NexusOperationCancelRequestFailedEventAttributes => NexusOperationCancelRequestFailed,
        WorkflowExecutionPausedEventAttributes => WorkflowExecutionPaused,
        WorkflowExecutionUnpausedEventAttributes => WorkflowExecutionUnpaused,
        WorkflowExecutionTimeSkippingTransitionedEventAttributes => WorkflowExecutionTimeSkippingTransitioned,
    }
}

pub(crate) fn history_len(events: &[HistoryEvent]) -> i64 {
    events.iter().map(event_len).sum()
}

/// Bytes that an event takes in an encoded history.
pub(crate) fn event_len(event: &HistoryEvent) -> i64 {
    // Field 1 of `History`, length-delimited: a tag byte and the length before each event.
    let len = event.encoded_len();
    (1 + prost::length_delimiter_len(len) + len) as i64
}
