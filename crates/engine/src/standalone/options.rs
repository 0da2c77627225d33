//! Changes of a run's options: by field mask, or back to what its start said.

use super::state::StandaloneState;
use crate::{
    activity::{ActivityPhase, check_options, describe, give_options, merge_options, reschedule, snake_case},
    limits::Limits,
};
use std::time::Duration;
use tenure_api::{
    activity::v1::ActivityOptions,
    enums::v1::TaskQueueKind,
    error::ApiError,
    taskqueue::v1::TaskQueue,
    time::{duration_to_proto, optional_duration},
    workflowservice::v1::StartActivityExecutionRequest,
};

const DELAY: &str = "start_delay";

/// The fields that a mask may name.
const PATHS: [&str; 15] = [
    "task_queue.name",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy",
    "retry_policy.initial_interval",
    "retry_policy.backoff_coefficient",
    "retry_policy.maximum_interval",
    "retry_policy.maximum_attempts",
    "priority",
    "priority.priority_key",
    "priority.fairness_key",
    "priority.fairness_weight",
    DELAY,
];

/// Checks that there are such fields.
pub fn check_mask(mask: &[String]) -> Result<(), ApiError> {
    match mask.iter().find(|path| !PATHS.contains(&&*snake_case(path))) {
        Some(path) => Err(ApiError::invalid_argument(format!("unsupported update_mask path: {path:?}"))),
        None => Ok(()),
    }
}

/// Gives a run the masked fields of these options.
pub(crate) fn change(
    state: &mut StandaloneState,
    options: &ActivityOptions,
    mask: &[String],
    limits: &Limits,
) -> Result<(), ApiError> {
    let delay = if mask.iter().any(|path| snake_case(path) == DELAY) {
        if !state.is_delayed() {
            let message = "cannot update start_delay: the first activity attempt has already been dispatched";
            return Err(ApiError::failed_precondition(message));
        }
        Some(delay_of(options.start_delay.as_ref())?)
    } else {
        None
    };
    let wanted = merge_options(describe::options(&state.activity), options, mask)?;
    apply(state, wanted, delay, limits)
}

/// Gives a run what its start has said once more.
pub(crate) fn restore(
    state: &mut StandaloneState,
    request: StartActivityExecutionRequest,
    limits: &Limits,
) -> Result<(), ApiError> {
    let delay = if state.is_delayed() { Some(delay_of(request.start_delay.as_ref())?) } else { None };
    let wanted = ActivityOptions {
        task_queue: request.task_queue,
        schedule_to_close_timeout: request.schedule_to_close_timeout,
        schedule_to_start_timeout: request.schedule_to_start_timeout,
        start_to_close_timeout: request.start_to_close_timeout,
        heartbeat_timeout: request.heartbeat_timeout,
        retry_policy: request.retry_policy,
        priority: request.priority,
        start_delay: None,
    };
    apply(state, wanted, delay, limits)
}

fn delay_of(delay: Option<&prost_types::Duration>) -> Result<Duration, ApiError> {
    let delay = optional_duration(delay);
    let delay = delay.map_err(|error| ApiError::invalid_argument(format!("invalid StartDelay: {error}")))?;
    Ok(delay.unwrap_or_default())
}

fn apply(
    state: &mut StandaloneState,
    wanted: ActivityOptions,
    delay: Option<Duration>,
    limits: &Limits,
) -> Result<(), ApiError> {
    let checked = check_options(&state.activity, wanted, limits, None)?;
    give_options(&mut state.activity, checked);
    reschedule(&mut state.activity);
    if let Some(delay) = delay {
        state.start_delay = delay;
        let at = state.created_at.plus(delay);
        (state.activity.scheduled_at, state.activity.attempt_scheduled_at) = (at, at);
        debug_assert!(!matches!(state.activity.phase, ActivityPhase::Ready(_)), "what is delayed is not ready");
    }
    Ok(())
}

/// The options that a run has, as their change is answered.
pub(crate) fn answered(state: &StandaloneState) -> ActivityOptions {
    let name = state.activity.task_queue.to_string();
    ActivityOptions {
        task_queue: Some(TaskQueue { name, kind: TaskQueueKind::Normal.into(), ..Default::default() }),
        start_delay: (!state.start_delay.is_zero()).then(|| duration_to_proto(state.start_delay)),
        ..describe::options(&state.activity)
    }
}
