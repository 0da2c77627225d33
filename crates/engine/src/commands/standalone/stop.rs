//! Somebody wants a run to end: its worker is asked to stop, or it ends at once.

use super::{
    super::call::{Stop, VerbResult},
    answer::canceled,
    attempt,
    change::ActivityCall,
};
use crate::{
    command::Reply,
    standalone::{Ended, state::CancelRequest},
};
use bytes::Bytes;
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::RetryState,
    error::ApiError,
    failure::v1::{Failure, TerminatedFailureInfo, failure::FailureInfo},
    workflowservice::v1::{RequestCancelActivityExecutionRequest, TerminateActivityExecutionRequest},
};
use uuid::Uuid;

/// Asks for a cancellation. A run that no worker has is cancelled at once.
pub(super) fn request_cancel(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &RequestCancelActivityExecutionRequest,
) -> VerbResult {
    let mut change = call.open(run_id)?;
    if change.state.cancel.as_ref().is_some_and(|asked| asked.request_id == request.request_id) {
        return Err(Stop::Answered(Reply::Done));
    }
    if !change.state.is_running() {
        let message = format!("activity is in terminal state {}", change.state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    if let Some(asked) = &change.state.cancel {
        let message = format!("cancellation already requested with request ID {}", asked.request_id);
        return Err(ApiError::failed_precondition(message).into());
    }
    let RequestCancelActivityExecutionRequest { request_id, identity, reason, .. } = request.clone();
    change.state.cancel = Some(CancelRequest { request_id, identity: identity.clone(), reason: reason.clone() });
    // No event is meant: there is no history.
    change.state.activity.cancel_requested_event_id = Some(0);
    // No attempt follows that a pause could hold back.
    change.state.activity.control.unpause();
    if change.state.started().is_none() {
        let failure = canceled(Some(json(&reason)), identity);
        attempt::end(&mut change, Ended::Canceled, RetryState::Unspecified, failure);
    }
    change.finish_remembered(Reply::Done)
}

/// A text as a payload.
fn json(text: &str) -> Payloads {
    let metadata = [("encoding".to_owned(), Bytes::from_static(b"json/plain"))].into();
    let data = serde_json::Value::from(text).to_string().into();
    Payloads { payloads: vec![Payload { metadata, data, ..Default::default() }] }
}

/// Ends a run, whatever it is at.
pub(super) fn terminate(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &TerminateActivityExecutionRequest,
) -> VerbResult {
    let mut change = call.open(run_id)?;
    match change.state.end.map(|end| end.how) {
        None => {}
        Some(Ended::Terminated) if change.state.requests.terminate == request.request_id => {
            return Err(Stop::Answered(Reply::Done));
        }
        Some(Ended::Terminated) => {
            let message = format!("already terminated with request ID {}", change.state.requests.terminate);
            return Err(ApiError::failed_precondition(message).into());
        }
        Some(Ended::Completed | Ended::Failed | Ended::Canceled | Ended::TimedOut) => {
            let message = format!("invalid transition from {}", change.state.state_name());
            return Err(ApiError::failed_precondition(message).into());
        }
    }
    change.state.requests.terminate.clone_from(&request.request_id);
    let info = TerminatedFailureInfo { identity: request.identity.clone() };
    let failure = Failure {
        message: request.reason.clone(),
        failure_info: Some(FailureInfo::TerminatedFailureInfo(info)),
        ..Failure::default()
    };
    attempt::end(&mut change, Ended::Terminated, RetryState::Unspecified, failure);
    change.finish_remembered(Reply::Done)
}
