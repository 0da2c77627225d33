//! An operator pauses a run, lets it go on, or lets its attempts count from one again.

use super::{
    super::call::{Stop, VerbResult},
    change::{ActivityCall, Change},
};
use crate::{activity::ActivityPhase, command::Reply, standalone::options, time::Timestamp};
use std::time::Duration;
use tenure_api::{
    error::ApiError,
    time::optional_duration,
    workflowservice::v1::{
        PauseActivityExecutionRequest, ResetActivityExecutionRequest, UnpauseActivityExecutionRequest,
    },
};
use uuid::Uuid;

pub(super) fn pause(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &PauseActivityExecutionRequest,
) -> VerbResult {
    let mut change = call.open(run_id)?;
    let state = &change.state;
    if is_repeated(&state.requests.pause, &request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    let control = &state.activity.control;
    if !state.is_running() || state.cancel.is_some() || control.is_paused() || control.is_reset() {
        let message = format!("activity is in non-pausable state {}", state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    change.withdraw();
    let now = change.now();
    let state = &mut change.state;
    state.requests.pause.clone_from(&request.request_id);
    state.activity.control.pause(now, &request.identity, &request.reason);
    if state.started().is_none() {
        state.activity.phase = ActivityPhase::Paused;
    }
    change.finish_remembered(Reply::Done)
}

/// What was being waited for when the pause began is waited for once more.
pub(super) fn unpause(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &UnpauseActivityExecutionRequest,
) -> VerbResult {
    let mut change = call.open(run_id)?;
    let state = &mut change.state;
    if is_repeated(&state.requests.unpause, &request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    if !state.is_running() {
        let message = format!("activity is in terminal state {}", state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    if state.cancel.is_some() || state.activity.control.is_reset() || !state.activity.control.unpause() {
        let message = format!("activity is in non-unpausable state {}", state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    state.requests.unpause.clone_from(&request.request_id);
    if state.started().is_none() {
        let from = state.activity.attempt_scheduled_at.max(change.now());
        begin_within(&mut change, from, request.jitter.as_ref());
    }
    change.finish_remembered(Reply::Done)
}

/// An attempt that is running goes on; the next one is the first.
pub(super) fn reset(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &ResetActivityExecutionRequest,
) -> VerbResult {
    let mut change = call.open(run_id)?;
    if is_repeated(&change.state.requests.reset, &request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    if !change.state.is_running() {
        return Err(ApiError::failed_precondition("activity execution is not running").into());
    }
    if change.state.cancel.is_some() {
        return Err(ApiError::failed_precondition("cannot reset an activity with a pending cancellation").into());
    }
    if change.state.activity.control.is_reset() {
        return Err(ApiError::failed_precondition("cannot reset an activity with a pending reset").into());
    }
    let delayed = change.state.is_delayed();
    change.withdraw();
    if request.restore_original_options {
        let (original, limits) = (change.request()?, change.call.cx.limits);
        options::restore(&mut change.state, original, limits)?;
    }
    let state = &mut change.state;
    state.requests.reset.clone_from(&request.request_id);
    if !request.keep_paused {
        state.activity.control.unpause();
    }
    if state.started().is_some() {
        state.activity.control.reset_running(request.reset_heartbeat);
        return change.finish_remembered(Reply::Done);
    }
    state.activity.attempt = 1;
    if request.reset_heartbeat {
        state.activity.heartbeat = None;
    }
    if !state.activity.control.is_paused() {
        let from = if delayed { state.activity.attempt_scheduled_at } else { change.now() };
        let from = from.max(change.now());
        begin_within(&mut change, from, request.jitter.as_ref());
    }
    change.finish_remembered(Reply::Done)
}

/// Begins the next attempt at a time within the span behind `from`, at random.
fn begin_within(change: &mut Change<'_, '_>, from: Timestamp, span: Option<&prost_types::Duration>) {
    let span =
        optional_duration(span).ok().flatten().map_or(0, |span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    let after = if span == 0 { 0 } else { change.call.cx.ids.uuid().as_u64_pair().1 % span };
    change.begin_at(from.plus(Duration::from_nanos(after)));
}

/// Whether a request with this id was the last of its kind that changed the run.
pub(super) fn is_repeated(last: &str, request_id: &str) -> bool {
    !request_id.is_empty() && last == request_id
}
