//! The state of a run rebuilt from its events, with which a reset begins.
//!
//! History has everything that a run needs to go on. What it does not have (attempts, heartbeats, retries so far)
//! begins anew.

use crate::{
    activity::state::{ActivityPhase, PendingActivity},
    child::state::{PendingChild, StartedChild},
    id::{Process, ProposalId, Stamp},
    info::ExecutionInfo,
    options, properties,
    state::ExecutionState,
    time::Timestamp,
    timer::state::UserTimer,
    update,
    workflow_task::state::{Build, PendingTask, StartedTask, TaskPhase},
};
use tenure_api::{
    history::v1::{
        HistoryEvent, WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
        history_event::Attributes,
    },
    time::optional_duration,
};
use uuid::Uuid;

/// The state before the first event. `info` is that of a run with the same first event; what later events changed in it
/// is undone.
pub(crate) fn begin(info: &ExecutionInfo, first: &HistoryEvent) -> ExecutionState {
    let mut info = info.clone();
    if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &first.attributes {
        info.memo = properties::memo(started);
        info.search_attributes = properties::search_attributes(started);
        info.priority = started.priority.as_ref().map(crate::proto::Encoded::of);
    }
    info.request_ids.truncate(1);
    ExecutionState::new(info)
}

/// Applies one event of history to the state. Scheduled activities have no ready task yet.
pub(crate) fn apply(state: &mut ExecutionState, event: &HistoryEvent) {
    use Attributes::*;
    let at = event.event_time.as_ref().map(Timestamp::from_proto).unwrap_or_default();
    let id = event.event_id;
    state.next_event_id = id + 1;
    let Some(attributes) = &event.attributes else { return };
    let begun_by = attributes.begun_by().unwrap_or_default();
    match attributes {
        WorkflowTaskScheduledEventAttributes(a) => state.workflow_task.pending = Some(scheduled_task(state, id, at, a)),
        WorkflowTaskStartedEventAttributes(a) => {
            if let Some(task) = &mut state.workflow_task.pending {
                task.phase = TaskPhase::Started(started_task(id, at, a));
            }
        }
        WorkflowTaskCompletedEventAttributes(a) => {
            state.workflow_task.last_completed_started_event_id = a.started_event_id;
            state.workflow_task.build = Build::of(a);
            state.workflow_task.pending = None;
        }
        WorkflowTaskTimedOutEventAttributes(_) | WorkflowTaskFailedEventAttributes(_) => {
            state.workflow_task.pending = None;
        }
        ActivityTaskScheduledEventAttributes(a) => {
            let activity = PendingActivity::scheduled(id, at, a);
            state.activities.insert(id, PendingActivity { phase: ActivityPhase::Ready(Stamp::default()), ..activity });
        }
        ActivityTaskCancelRequestedEventAttributes(a) => {
            if let Some(mut activity) = state.activities.get_mut(a.scheduled_event_id) {
                activity.cancel_requested_event_id = Some(id);
            }
        }
        ActivityTaskCompletedEventAttributes(_)
        | ActivityTaskFailedEventAttributes(_)
        | ActivityTaskTimedOutEventAttributes(_)
        | ActivityTaskCanceledEventAttributes(_) => drop(state.activities.remove(begun_by)),
        TimerStartedEventAttributes(a) => {
            let after = optional_duration(a.start_to_fire_timeout.as_ref()).ok().flatten().unwrap_or_default();
            state.timers.insert(id, UserTimer { timer_id: a.timer_id.as_str().into(), fire_at: at.plus(after) });
        }
        TimerFiredEventAttributes(_) | TimerCanceledEventAttributes(_) => drop(state.timers.remove(begun_by)),
        StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
            state.relations.children.insert(id, PendingChild::initiated(a));
        }
        StartChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionCompletedEventAttributes(_)
        | ChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionCanceledEventAttributes(_)
        | ChildWorkflowExecutionTimedOutEventAttributes(_)
        | ChildWorkflowExecutionTerminatedEventAttributes(_) => drop(state.relations.children.remove(begun_by)),
        ChildWorkflowExecutionStartedEventAttributes(a) => {
            let run_id = a.workflow_execution.as_ref().and_then(|child| Uuid::try_parse(&child.run_id).ok());
            if let (Some(mut child), Some(run_id)) = (state.relations.children.get_mut(a.initiated_event_id), run_id) {
                child.started = Some(StartedChild { run_id, started_event_id: id });
            }
        }
        WorkflowExecutionSignaledEventAttributes(_) => state.signals += 1,
        WorkflowExecutionCancelRequestedEventAttributes(_) => state.cancel_requested = Some("".into()),
        UpsertWorkflowSearchAttributesEventAttributes(a) => {
            if let Some(upserted) = &a.search_attributes {
                _ = properties::upsert_search_attributes(&mut state.info, upserted);
            }
        }
        WorkflowPropertiesModifiedEventAttributes(a) => {
            if let Some(upserted) = &a.upserted_memo {
                properties::upsert_memo(&mut state.info, upserted);
            }
        }
        WorkflowExecutionOptionsUpdatedEventAttributes(a) => options::apply(&mut state.info, id, a),
        WorkflowExecutionUpdateAdmittedEventAttributes(a) => update::reset::replay_admitted(state, a),
        WorkflowExecutionUpdateAcceptedEventAttributes(a) => update::reset::replay_accepted(state, id, a),
        WorkflowExecutionUpdateCompletedEventAttributes(a) => update::reset::replay_completed(state, a),
        // Told by what the state began with.
        WorkflowExecutionStartedEventAttributes(_)
        // Nothing of what they record is kept in the state.
        | ActivityTaskStartedEventAttributes(_)
        | MarkerRecordedEventAttributes(_)
        // What is asked of others and not answered is asked again by whoever rebuilds the run.
        | SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
        | SignalExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionSignaledEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionCancelRequestedEventAttributes(_)
        // A run is rebuilt up to a task, and there is none between these two.
        | WorkflowExecutionPausedEventAttributes(_)
        | WorkflowExecutionUnpausedEventAttributes(_)
        // No event is kept behind the end of a run.
        | WorkflowExecutionCompletedEventAttributes(_)
        | WorkflowExecutionFailedEventAttributes(_)
        | WorkflowExecutionCanceledEventAttributes(_)
        | WorkflowExecutionContinuedAsNewEventAttributes(_)
        | WorkflowExecutionTimedOutEventAttributes(_)
        | WorkflowExecutionTerminatedEventAttributes(_)
        // This server does not write these.
        | WorkflowExecutionUpdateRejectedEventAttributes(_)
        | WorkflowPropertiesModifiedExternallyEventAttributes(_)
        | ActivityPropertiesModifiedExternallyEventAttributes(_)
        | NexusOperationScheduledEventAttributes(_)
        | NexusOperationStartedEventAttributes(_)
        | NexusOperationCompletedEventAttributes(_)
        | NexusOperationFailedEventAttributes(_)
        | NexusOperationCanceledEventAttributes(_)
        | NexusOperationTimedOutEventAttributes(_)
        | NexusOperationCancelRequestedEventAttributes(_)
        | NexusOperationCancelRequestCompletedEventAttributes(_)
        | NexusOperationCancelRequestFailedEventAttributes(_)
        | WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => {}
    }
}

fn scheduled_task(
    state: &ExecutionState,
    id: i64,
    at: Timestamp,
    event: &WorkflowTaskScheduledEventAttributes,
) -> PendingTask {
    let timeout = optional_duration(event.start_to_close_timeout.as_ref()).ok().flatten();
    PendingTask {
        scheduled_event_id: id,
        transient: false,
        scheduled_at: at,
        original_scheduled_at: at,
        timeout: timeout.unwrap_or(state.info.task_timeout),
        queue: state.info.task_queue.clone(),
        sticky: false,
        retries_close: false,
        phase: TaskPhase::Ready { stamp: Stamp::default(), deadline: None, undelivered: None },
    }
}

fn started_task(id: i64, at: Timestamp, event: &WorkflowTaskStartedEventAttributes) -> StartedTask {
    StartedTask {
        stamp: Stamp::default(),
        at,
        proposal: ProposalId::default(),
        event_id: id,
        request_id: Uuid::try_parse(&event.request_id).unwrap_or_default(),
        identity: event.identity.clone(),
        process: Process::default(),
        history_size: event.history_size_bytes,
        suggestions: event.suggest_continue_as_new_reasons.clone(),
        worker_has_cache: false,
    }
}
