//! Workers' answers, by token and by id.

use super::{
    super::call::{Stop, VerbResult},
    attempt,
    change::{ActivityCall, Change},
};
use crate::{
    activity::HeartbeatAnswer,
    command::{ActivityRef, Reply},
    failures,
    standalone::Ended,
    token::TaskToken,
};
use prost::Message;
use tenure_api::{
    activity::v1::activity_execution_outcome::Value,
    common::v1::Payloads,
    enums::v1::RetryState,
    error::ApiError,
    failure::v1::{CanceledFailureInfo, Failure, failure::FailureInfo},
    workflowservice::v1::{
        RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedRequest,
        RespondActivityTaskFailedRequest,
    },
};

/// The message of what a cancelled run ended with.
pub(super) const CANCELED: &str = "Activity canceled";

/// Opens the run whose started task the token names.
pub(super) fn of_token<'a, 'c>(call: ActivityCall<'a, 'c>, token: &TaskToken) -> Result<Change<'a, 'c>, Stop> {
    if token.lane() != *call.lane {
        return Err(ApiError::invalid_argument("Invalid TaskToken.").into());
    }
    let change = call.open(Some(token.run.run_id))?;
    match change.state.started() {
        Some(started) if started.stamp == token.stamp => Ok(change),
        _ => Err(change.call.not_found().into()),
    }
}

/// Opens the run that a worker has.
fn started<'a, 'c>(call: ActivityCall<'a, 'c>, activity: &ActivityRef) -> Result<Change<'a, 'c>, Stop> {
    match activity {
        ActivityRef::Token(token) => of_token(call, token),
        ActivityRef::ById { run_id, .. } => {
            let change = call.open(*run_id)?;
            if change.state.started().is_some() { Ok(change) } else { Err(change.call.not_found().into()) }
        }
    }
}

fn is_large(change: &Change<'_, '_>, details: Option<&Payloads>) -> bool {
    details.is_some_and(|details| details.encoded_len() > change.call.cx.limits.blob_size)
}

/// A worker completed the activity; somebody who knows its id may, too, before a worker has it.
pub(super) fn complete(
    call: ActivityCall<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskCompletedRequest,
) -> VerbResult {
    let mut change = match activity {
        ActivityRef::Token(token) => of_token(call, token)?,
        ActivityRef::ById { run_id, .. } => call.open(*run_id)?,
    };
    if !change.state.is_running() {
        let message = format!("invalid transition from {}", change.state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    let now = change.now();
    if is_large(&change, request.result.as_ref()) {
        if change.state.started().is_none() {
            return Err(change.call.not_found().into());
        }
        attempt::fail(&mut change, Some(failures::server("Complete result exceeds size limit.", true)));
        return change.finish_remembered(Reply::Done);
    }
    if change.state.started().is_none() {
        change.state.activity.last_worker_identity = request.identity.as_str().into();
        change.state.last_started_at = Some(now);
    }
    change.state.attempt_ended(None, now);
    change.end(Ended::Completed, RetryState::Unspecified, Value::Result(request.result.clone().unwrap_or_default()));
    change.finish_remembered(Reply::Done)
}

/// A worker reports that an attempt failed.
pub(super) fn fail(
    call: ActivityCall<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskFailedRequest,
) -> VerbResult {
    let mut change = started(call, activity)?;
    let now = change.now();
    let details = request.last_heartbeat_details.as_ref();
    if details.is_some() && !is_large(&change, details) {
        change.state.record_heartbeat(now, details);
    }
    let failure = request.failure.clone().map(|failure| failures::within_limit(failure, change.call.cx.limits));
    attempt::fail(&mut change, failure);
    change.finish_remembered(Reply::Done)
}

/// A worker stopped because it was asked to.
pub(super) fn cancel(
    call: ActivityCall<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskCanceledRequest,
) -> VerbResult {
    let mut change = started(call, activity)?;
    if is_large(&change, request.details.as_ref()) {
        attempt::fail(&mut change, Some(failures::server("Cancel details exceed size limit.", true)));
        return change.finish_remembered(Reply::Done);
    }
    let Some(asked) = &change.state.cancel else {
        let message = "unable to mark activity as canceled without activity being request canceled first";
        return Err(ApiError::invalid_argument(message).into());
    };
    let failure = canceled(request.details.clone(), asked.identity.clone());
    attempt::end(&mut change, Ended::Canceled, RetryState::Unspecified, failure);
    change.finish_remembered(Reply::Done)
}

/// What a cancelled run ends with; `identity` is who asked for it.
pub(super) fn canceled(details: Option<Payloads>, identity: String) -> Failure {
    let info = CanceledFailureInfo { details, identity };
    Failure {
        message: CANCELED.into(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(info)),
        ..Failure::default()
    }
}

/// A worker reports that it is still at it. The reply is not remembered: to beat twice does no harm.
pub(super) fn heartbeat(
    call: ActivityCall<'_, '_>,
    activity: &ActivityRef,
    request: &RecordActivityTaskHeartbeatRequest,
) -> VerbResult {
    let mut change = started(call, activity)?;
    if is_large(&change, request.details.as_ref()) {
        attempt::fail(&mut change, Some(failures::server("Heartbeat details exceed size limit.", true)));
        let answer = HeartbeatAnswer { cancel_requested: true, ..HeartbeatAnswer::default() };
        return change.finish(Reply::ActivityHeartbeat(answer));
    }
    let now = change.now();
    change.state.record_heartbeat(now, request.details.as_ref());
    // Of several things that the worker could be told, it is told the last.
    let (cancel_requested, control) = (change.state.cancel.is_some(), &change.state.activity.control);
    let reset = control.is_reset() && !cancel_requested;
    let answer = HeartbeatAnswer { cancel_requested, paused: control.is_paused() && !reset, reset };
    change.finish(Reply::ActivityHeartbeat(answer))
}
