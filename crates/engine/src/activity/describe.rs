//! A pending activity as the API shows it: to the worker that polled it, and in descriptions of the execution.

use super::{
    state::{ActivityKey, ActivityPhase, PendingActivity, StartedAttempt},
    timeouts::to_proto,
};
use crate::{
    key::{RunKey, TaskKind},
    proto::Encoded,
    state::ExecutionState,
    subject::SubjectKind,
    token::TaskToken,
};
use std::{collections::BTreeSet, sync::Arc};
use tenure_api::{
    activity::v1::ActivityOptions,
    common::v1::{ActivityType, Priority, WorkflowExecution, WorkflowType},
    enums::v1::PendingActivityState,
    history::v1::{HistoryEvent, history_event::Attributes},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflow::v1::PendingActivityInfo,
    workflowservice::v1::PollActivityTaskQueueResponse,
};

/// The description of all pending activities, in the order in which they were scheduled.
pub fn pending_infos(state: &ExecutionState) -> Vec<PendingActivityInfo> {
    state.activities.values().map(pending_info).collect()
}

/// The types of the activities that are paused.
pub(crate) fn paused_types(state: &ExecutionState) -> BTreeSet<Arc<str>> {
    let paused = state.activities.range(ActivityKey::Paused..=ActivityKey::Paused);
    paused.filter_map(|(_, id)| state.activities.get(id)).map(|activity| activity.activity_type.clone()).collect()
}

fn pending_info(activity: &PendingActivity) -> PendingActivityInfo {
    let state = match &activity.phase {
        ActivityPhase::Started(_) if activity.cancel_requested_event_id.is_some() => {
            PendingActivityState::CancelRequested
        }
        ActivityPhase::Started(_) if activity.control.is_paused() => PendingActivityState::PauseRequested,
        ActivityPhase::Started(_) => PendingActivityState::Started,
        ActivityPhase::Paused => PendingActivityState::Paused,
        ActivityPhase::Ready(_) | ActivityPhase::Backoff | ActivityPhase::Held => PendingActivityState::Scheduled,
    };
    let mut info = PendingActivityInfo {
        activity_id: activity.activity_id.to_string(),
        activity_type: Some(ActivityType { name: activity.activity_type.to_string() }),
        state: state.into(),
        heartbeat_details: activity.heartbeat.as_ref().and_then(|h| h.details.as_ref()).map(Encoded::decode),
        last_heartbeat_time: activity.heartbeat.as_ref().map(|h| h.at.to_proto()),
        last_started_time: activity.started().map(|started| started.at.to_proto()),
        attempt: activity.attempt,
        maximum_attempts: activity.retry.maximum_attempts,
        scheduled_time: Some(activity.attempt_scheduled_at.to_proto()),
        expiration_time: activity.expires_at().map(|at| at.to_proto()),
        last_failure: activity.last_failure.as_ref().map(Encoded::decode),
        last_worker_identity: activity.last_worker_identity.to_string(),
        last_worker_version_stamp: activity.last_worker_version.as_ref().map(Encoded::decode),
        last_attempt_complete_time: activity.last_attempt_completed_at.map(|at| at.to_proto()),
        priority: activity.priority.as_ref().map(Encoded::decode),
        paused: activity.control.is_paused(),
        pause_info: activity.control.pause_info(),
        activity_options: Some(options(activity)),
        ..Default::default()
    };
    if activity.phase == ActivityPhase::Backoff {
        let interval = activity.last_attempt_completed_at.map(|at| activity.attempt_scheduled_at.since(at));
        info.current_retry_interval = interval.map(duration_to_proto);
        info.next_attempt_schedule_time = info.scheduled_time;
    }
    info
}

pub(crate) fn options(activity: &PendingActivity) -> ActivityOptions {
    let name = activity.task_queue.to_string();
    ActivityOptions {
        task_queue: Some(TaskQueue { name: name.clone(), normal_name: name, ..Default::default() }),
        schedule_to_close_timeout: Some(to_proto(activity.timeouts.schedule_to_close)),
        schedule_to_start_timeout: Some(to_proto(activity.timeouts.schedule_to_start)),
        start_to_close_timeout: Some(to_proto(activity.timeouts.start_to_close)),
        heartbeat_timeout: Some(to_proto(activity.timeouts.heartbeat)),
        retry_policy: Some(activity.retry.to_proto()),
        priority: activity.priority.as_ref().map(Encoded::decode),
        ..Default::default()
    }
}

/// The response to the poll that `started` answers. The namespace's name is left to the frontend.
pub(crate) fn poll_response(
    run: &RunKey,
    state: &ExecutionState,
    activity: &PendingActivity,
    started: &StartedAttempt,
    scheduled: HistoryEvent,
) -> PollActivityTaskQueueResponse {
    let (header, input) = match scheduled.attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(a)) => (a.header, a.input),
        other => {
            debug_assert!(false, "the caller read the scheduled event, not {other:?}");
            (None, None)
        }
    };
    PollActivityTaskQueueResponse {
        task_token: token(run, activity, started).encode(),
        workflow_type: Some(WorkflowType { name: state.info.workflow_type.to_string() }),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: run.workflow.workflow_id.to_string(),
            run_id: run.run_id.to_string(),
        }),
        activity_type: Some(ActivityType { name: activity.activity_type.to_string() }),
        activity_id: activity.activity_id.to_string(),
        header,
        input,
        heartbeat_details: activity.heartbeat.as_ref().and_then(|h| h.details.as_ref()).map(Encoded::decode),
        scheduled_time: Some(activity.scheduled_at.to_proto()),
        current_attempt_scheduled_time: Some(activity.attempt_scheduled_at.to_proto()),
        started_time: Some(started.at.to_proto()),
        attempt: activity.attempt,
        schedule_to_close_timeout: Some(to_proto(activity.timeouts.schedule_to_close)),
        start_to_close_timeout: Some(to_proto(activity.timeouts.start_to_close)),
        heartbeat_timeout: Some(to_proto(activity.timeouts.heartbeat)),
        retry_policy: Some(activity.retry.to_proto()),
        priority: merged(state.info.priority.as_ref(), activity.priority.as_ref()),
        ..Default::default()
    }
}

/// The activity's priority; fields that it does not set come from the run's.
fn merged(run: Option<&Encoded<Priority>>, activity: Option<&Encoded<Priority>>) -> Option<Priority> {
    let (Some(run), Some(activity)) = (run, activity) else { return activity.or(run).map(Encoded::decode) };
    let (run, mut merged) = (run.decode(), activity.decode());
    if merged.priority_key == 0 {
        merged.priority_key = run.priority_key;
    }
    if merged.fairness_key.is_empty() {
        merged.fairness_key = run.fairness_key;
    }
    if merged.fairness_weight == 0.0 {
        merged.fairness_weight = run.fairness_weight;
    }
    Some(merged)
}

pub(super) fn token(run: &RunKey, activity: &PendingActivity, started: &StartedAttempt) -> TaskToken {
    TaskToken {
        kind: TaskKind::Activity,
        run: run.clone(),
        scheduled_event_id: activity.scheduled_event_id,
        attempt: activity.attempt,
        stamp: started.stamp,
        activity_id: activity.activity_id.to_string(),
        of: SubjectKind::RUN,
    }
}
