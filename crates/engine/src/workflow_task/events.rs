//! The events of a workflow task, in history or beside it.

use super::state::{PendingTask, StartedTask};
use crate::{id::SERVER_IDENTITY, state::ExecutionState, time::Timestamp};
use std::time::Duration;
use tenure_api::{
    enums::v1::{TaskQueueKind, TimeoutType, WorkflowTaskFailedCause as Cause},
    history::v1::{
        HistoryEvent, WorkflowTaskFailedEventAttributes, WorkflowTaskScheduledEventAttributes,
        WorkflowTaskStartedEventAttributes, WorkflowTaskTimedOutEventAttributes, history_event::Attributes,
    },
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
};

/// The events of a transient task that is running: where the API shows history they follow it, without being in it.
pub fn transient_events(state: &ExecutionState) -> Vec<HistoryEvent> {
    match (&state.workflow_task.pending, state.workflow_task.started()) {
        (Some(task), Some((_, started))) if task.transient => transient_history(state, task, started),
        _ => Vec::new(),
    }
}

/// The scheduled and started events that a transient task has instead of history.
pub(super) fn transient_history(
    state: &ExecutionState,
    task: &PendingTask,
    started: &StartedTask,
) -> Vec<HistoryEvent> {
    vec![scheduled_event(state, task), started_event(task, started)]
}

pub(crate) fn scheduled_event(state: &ExecutionState, task: &PendingTask) -> HistoryEvent {
    let kind = if task.sticky { TaskQueueKind::Sticky } else { TaskQueueKind::Normal };
    let attributes = scheduled_attributes(state, &task.queue, kind, task.timeout, state.workflow_task.attempt);
    let attributes = Attributes::WorkflowTaskScheduledEventAttributes(attributes);
    event(task.scheduled_event_id, task.scheduled_at, attributes)
}

pub(crate) fn started_event(task: &PendingTask, started: &StartedTask) -> HistoryEvent {
    let attributes = started_attributes(task.scheduled_event_id, started);
    event(started.event_id, started.at, Attributes::WorkflowTaskStartedEventAttributes(attributes))
}

fn event(event_id: i64, at: Timestamp, attributes: Attributes) -> HistoryEvent {
    HistoryEvent {
        event_id,
        event_type: attributes.event_type().into(),
        event_time: Some(at.to_proto()),
        attributes: Some(attributes),
        ..Default::default()
    }
}

pub(super) fn scheduled_attributes(
    state: &ExecutionState,
    queue: &str,
    kind: TaskQueueKind,
    timeout: Duration,
    attempt: i32,
) -> WorkflowTaskScheduledEventAttributes {
    let sticky = kind == TaskQueueKind::Sticky;
    let normal_name = if sticky { state.info.task_queue.to_string() } else { String::new() };
    WorkflowTaskScheduledEventAttributes {
        task_queue: Some(TaskQueue { name: queue.into(), kind: kind.into(), normal_name }),
        start_to_close_timeout: Some(duration_to_proto(timeout)),
        attempt,
    }
}

pub(super) fn started_attributes(scheduled_event_id: i64, started: &StartedTask) -> WorkflowTaskStartedEventAttributes {
    WorkflowTaskStartedEventAttributes {
        scheduled_event_id,
        identity: started.identity.clone(),
        request_id: started.request_id.to_string(),
        suggest_continue_as_new: !started.suggestions.is_empty(),
        suggest_continue_as_new_reasons: started.suggestions.clone(),
        history_size_bytes: started.history_size,
        ..Default::default()
    }
}

pub(super) fn timed_out(task: &PendingTask, started_event_id: i64, kind: TimeoutType) -> Attributes {
    Attributes::WorkflowTaskTimedOutEventAttributes(WorkflowTaskTimedOutEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id,
        timeout_type: kind.into(),
    })
}

/// The failure of a task that no worker has, because its run is paused.
pub(super) fn failed_unstarted(task: &PendingTask, started_event_id: i64) -> Attributes {
    Attributes::WorkflowTaskFailedEventAttributes(WorkflowTaskFailedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id,
        cause: Cause::WorkflowPauseRequestedBeforeTaskStarted.into(),
        identity: SERVER_IDENTITY.into(),
        ..Default::default()
    })
}
