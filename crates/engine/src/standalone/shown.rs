//! What is told of a run: to those who describe it, and to the worker that has its task.

use super::state::StandaloneState;
use crate::{
    activity::{ActivityPhase, PendingActivity, StartedAttempt, describe::options},
    codec,
    key::{TaskKind, WorkflowKey},
    proto::Encoded,
    subject::{Lane, SubjectKind},
    time::Timestamp,
    token::TaskToken,
};
use tenure_api::{
    activity::v1::{ActivityExecutionInfo, ActivityOptions},
    common::v1::{ActivityType, SearchAttributes, WorkflowExecution},
    time::duration_to_proto,
    workflowservice::v1::{PollActivityTaskQueueResponse, StartActivityExecutionRequest},
};
use uuid::Uuid;

/// The description of a run that this request has started. What is large is left to whoever wants it.
pub fn described(
    run_id: Uuid,
    state: &StandaloneState,
    request: StartActivityExecutionRequest,
    heartbeat_details: bool,
    last_failure: bool,
) -> ActivityExecutionInfo {
    let activity = &state.activity;
    let ActivityOptions {
        schedule_to_close_timeout,
        schedule_to_start_timeout,
        start_to_close_timeout,
        heartbeat_timeout,
        retry_policy,
        priority,
        ..
    } = options(activity);
    let backs_off = state.is_running() && activity.phase == ActivityPhase::Backoff;
    let interval = activity.last_attempt_completed_at.filter(|_| backs_off && activity.attempt > 1);
    let details = activity.heartbeat.as_ref().and_then(|heartbeat| heartbeat.details.as_ref());
    ActivityExecutionInfo {
        activity_id: activity.activity_id.to_string(),
        run_id: run_id.to_string(),
        activity_type: Some(ActivityType { name: activity.activity_type.to_string() }),
        status: state.status().into(),
        run_state: state.run_state().into(),
        task_queue: activity.task_queue.to_string(),
        schedule_to_close_timeout,
        schedule_to_start_timeout,
        start_to_close_timeout,
        heartbeat_timeout,
        retry_policy,
        heartbeat_details: details.filter(|_| heartbeat_details).map(Encoded::decode),
        last_heartbeat_time: activity.heartbeat.as_ref().map(|heartbeat| heartbeat.at.to_proto()),
        last_started_time: state.last_started_at.map(Timestamp::to_proto),
        attempt: activity.attempt,
        execution_duration: execution_duration(state),
        schedule_time: Some(state.created_at.to_proto()),
        expiration_time: activity.expires_at().map(Timestamp::to_proto),
        close_time: state.end.map(|end| end.at.to_proto()),
        last_failure: activity.last_failure.as_ref().filter(|_| last_failure).map(Encoded::decode),
        last_worker_identity: activity.last_worker_identity.to_string(),
        current_retry_interval: interval.map(|ended| duration_to_proto(activity.attempt_scheduled_at.since(ended))),
        last_attempt_complete_time: activity.last_attempt_completed_at.map(Timestamp::to_proto),
        next_attempt_schedule_time: backs_off.then(|| activity.attempt_scheduled_at.to_proto()),
        priority,
        state_transition_count: state.transitions,
        state_size_bytes: codec::encode(state).len() as i64,
        search_attributes: Some(given(request.search_attributes)),
        header: request.header,
        user_metadata: request.user_metadata,
        canceled_reason: state.cancel.as_ref().map(|cancel| cancel.reason.clone()).unwrap_or_default(),
        links: request.links,
        total_heartbeat_count: state.heartbeats,
        start_delay: (!state.start_delay.is_zero()).then(|| duration_to_proto(state.start_delay)),
        execution_time: Some(state.execution_time().to_proto()),
        ..Default::default()
    }
}

/// The search attributes as the caller gave them.
fn given(attributes: Option<SearchAttributes>) -> SearchAttributes {
    crate::search_attributes::with_values(attributes).unwrap_or_default()
}

pub(super) fn execution_duration(state: &StandaloneState) -> Option<prost_types::Duration> {
    state.end.map(|end| duration_to_proto(end.at.since(state.execution_time())))
}

/// The response to the poll that `started` answers. The namespace's name is left to the frontend.
pub fn poll_response(
    lane: &Lane,
    run_id: Uuid,
    state: &StandaloneState,
    request: StartActivityExecutionRequest,
) -> Option<PollActivityTaskQueueResponse> {
    let (activity, started) = (&state.activity, state.started()?);
    let options = options(activity);
    Some(PollActivityTaskQueueResponse {
        task_token: token(lane, run_id, activity, started).encode(),
        workflow_execution: Some(WorkflowExecution::default()),
        activity_type: Some(ActivityType { name: activity.activity_type.to_string() }),
        activity_id: activity.activity_id.to_string(),
        activity_run_id: run_id.to_string(),
        header: request.header,
        input: request.input,
        heartbeat_details: activity.heartbeat.as_ref().and_then(|h| h.details.as_ref()).map(Encoded::decode),
        scheduled_time: Some(activity.scheduled_at.to_proto()),
        current_attempt_scheduled_time: Some(activity.attempt_scheduled_at.to_proto()),
        started_time: Some(started.at.to_proto()),
        attempt: activity.attempt,
        schedule_to_close_timeout: options.schedule_to_close_timeout,
        start_to_close_timeout: options.start_to_close_timeout,
        heartbeat_timeout: options.heartbeat_timeout,
        retry_policy: options.retry_policy,
        priority: options.priority,
        ..Default::default()
    })
}

pub(crate) fn token(lane: &Lane, run_id: Uuid, activity: &PendingActivity, started: &StartedAttempt) -> TaskToken {
    TaskToken {
        kind: TaskKind::Activity,
        run: WorkflowKey { namespace: lane.namespace, workflow_id: lane.id.clone() }.run(run_id),
        scheduled_event_id: 0,
        attempt: activity.attempt,
        stamp: started.stamp,
        activity_id: activity.activity_id.to_string(),
        of: SubjectKind::ACTIVITY,
    }
}
