//! The check of a request that starts an activity without a workflow.

pub use super::state::{NewActivity, StartOptions};

use crate::{
    activity::{Checked, check_command},
    limits::Limits,
};
use prost::Message;
use tenure_api::{
    command::v1::ScheduleActivityTaskCommandAttributes,
    enums::v1::{ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse},
    error::ApiError,
    time::optional_duration,
    workflowservice::v1::StartActivityExecutionRequest,
};

/// Bytes of the parts of what users say of an activity, at most. (The numbers are the reference server's.)
const SUMMARY: usize = 400;
const DETAILS: usize = 20_000;

/// Checks what needs no state. The errors are the reference server's.
pub fn check(request: &StartActivityExecutionRequest, limits: &Limits) -> Result<StartOptions, ApiError> {
    let invalid = |message: String| ApiError::invalid_argument(message);
    let command = ScheduleActivityTaskCommandAttributes {
        activity_id: request.activity_id.clone(),
        activity_type: request.activity_type.clone(),
        task_queue: request.task_queue.clone(),
        schedule_to_close_timeout: request.schedule_to_close_timeout,
        schedule_to_start_timeout: request.schedule_to_start_timeout,
        start_to_close_timeout: request.start_to_close_timeout,
        heartbeat_timeout: request.heartbeat_timeout,
        retry_policy: request.retry_policy.clone(),
        priority: request.priority.clone(),
        ..Default::default()
    };
    let Checked { timeouts, retry, .. } = check_command(&command, limits, None)?;
    let delay = optional_duration(request.start_delay.as_ref());
    let delay = delay.map_err(|error| invalid(format!("invalid StartDelay: {error}")))?.unwrap_or_default();
    let reuse = Reuse::try_from(request.id_reuse_policy);
    let reuse = reuse.map_err(|_| invalid(format!("unsupported ID reuse policy: {}", request.id_reuse_policy)))?;
    let conflict = Conflict::try_from(request.id_conflict_policy);
    let conflict =
        conflict.map_err(|_| invalid(format!("unsupported ID conflict policy: {}", request.id_conflict_policy)))?;
    check_length(&request.request_id, "request ID", limits)?;
    check_length(&request.identity, "identity", limits)?;
    if request.input.as_ref().is_some_and(|input| input.encoded_len() > limits.blob_size) {
        return Err(invalid("input exceeds length limit".into()));
    }
    let said = request.user_metadata.as_ref();
    let parts =
        said.into_iter().flat_map(|said| [("summary", &said.summary, SUMMARY), ("details", &said.details, DETAILS)]);
    for (name, payload, limit) in parts {
        let length = payload.as_ref().map_or(0, Message::encoded_len);
        if length > limit {
            return Err(invalid(format!("user_metadata.{name} exceeds size limit. Length={length} Limit={limit}")));
        }
    }
    Ok(StartOptions { timeouts, retry, delay, reuse, conflict, search_attributes: None })
}

/// Checks the length of a text that a request about an activity carries.
pub fn check_length(value: &str, what: &str, limits: &Limits) -> Result<(), ApiError> {
    let (length, limit) = (value.len(), limits.id_length);
    if length > limit {
        return Err(ApiError::invalid_argument(format!("{what} exceeds length limit. Length={length} Limit={limit}")));
    }
    Ok(())
}
