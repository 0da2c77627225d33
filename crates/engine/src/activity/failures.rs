//! Failures that the server makes: timeouts, and stand-ins for what is too large to keep.

use crate::{limits::Limits, retry::timeout_name};
use prost::Message;
use tenure_api::{
    enums::v1::TimeoutType,
    failure::v1::{self as api, Failure, failure::FailureInfo},
    text::prefix,
};

/// Where the server's own failures say they come from.
const SOURCE: &str = "Server";
const TOO_LARGE: &str = "Failure exceeds size limit.";
/// Bytes of a failure that is kept in the execution's state between attempts.
const KEPT_FAILURE_SIZE: usize = 4096;
/// Bytes that are kept of a failure that is over the limit for payloads.
const TRUNCATED_FAILURE_SIZE: usize = 512 << 10;

pub(crate) fn timeout(kind: TimeoutType) -> Failure {
    timeout_with_message(kind, format!("activity {} timeout", timeout_name(kind)))
}

/// There is no time left for another attempt.
pub(crate) fn out_of_time() -> Failure {
    let message = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";
    timeout_with_message(TimeoutType::ScheduleToClose, message.into())
}

/// With a message of the caller's own.
pub(crate) fn timeout_with_message(kind: TimeoutType, message: String) -> Failure {
    let info = api::TimeoutFailureInfo { timeout_type: kind.into(), last_heartbeat_details: None };
    Failure { message, source: SOURCE.into(), failure_info: Some(FailureInfo::TimeoutFailureInfo(info)), ..empty() }
}

pub(crate) fn server(message: &str, non_retryable: bool) -> Failure {
    let info = api::ServerFailureInfo { non_retryable };
    Failure { message: message.into(), failure_info: Some(FailureInfo::ServerFailureInfo(info)), ..empty() }
}

/// A worker's failure as it goes into history: one over the limit for payloads is cut and no longer retried.
pub(crate) fn within_limit(failure: Failure, limits: &Limits) -> Failure {
    if failure.encoded_len() <= limits.blob_size {
        return failure;
    }
    let cause = truncated(&failure, TRUNCATED_FAILURE_SIZE.min(limits.blob_size));
    Failure { cause: Some(cause.into()), ..server(TOO_LARGE, true) }
}

/// A failure as it is kept for the next attempt.
pub(crate) fn kept(failure: &Failure) -> Failure {
    if failure.encoded_len() <= KEPT_FAILURE_SIZE {
        return failure.clone();
    }
    Failure { cause: Some(truncated(failure, KEPT_FAILURE_SIZE).into()), ..server(TOO_LARGE, false) }
}

/// The start of a failure: its message and stack trace within `size` bytes, its kind without payloads.
fn truncated(failure: &Failure, size: usize) -> Failure {
    let failure_info = failure.failure_info.as_ref().map(|info| match info {
        FailureInfo::ApplicationFailureInfo(info) => {
            FailureInfo::ApplicationFailureInfo(api::ApplicationFailureInfo { details: None, ..info.clone() })
        }
        FailureInfo::CanceledFailureInfo(info) => {
            FailureInfo::CanceledFailureInfo(api::CanceledFailureInfo { details: None, ..info.clone() })
        }
        FailureInfo::TimeoutFailureInfo(info) => {
            FailureInfo::TimeoutFailureInfo(api::TimeoutFailureInfo { last_heartbeat_details: None, ..*info })
        }
        FailureInfo::ResetWorkflowFailureInfo(_) => FailureInfo::ResetWorkflowFailureInfo(Default::default()),
        other => other.clone(),
    });
    let message = prefix(&failure.message, size).to_owned();
    let stack_trace = prefix(&failure.stack_trace, size - message.len()).to_owned();
    let source = prefix(&failure.source, size).to_owned();
    Failure { message, stack_trace, source, failure_info, ..empty() }
}

fn empty() -> Failure {
    Failure::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_api::common::v1::{Payload, Payloads};

    fn failure(message: String) -> Failure {
        let payload = Payload { data: vec![7; 8].into(), ..Default::default() };
        let info = api::ApplicationFailureInfo {
            r#type: "E".into(),
            details: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        };
        Failure {
            message,
            source: "S".into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        }
    }

    #[test]
    fn small_failures_are_kept_whole() {
        let small = failure("boom".into());
        assert_eq!(kept(&small), small);
        assert_eq!(within_limit(small.clone(), &Limits::default()), small);
    }

    #[test]
    fn large_failures_keep_their_start_and_kind() {
        let large = failure("é".repeat(3000));
        let got = kept(&large);
        assert_eq!(got.message, "Failure exceeds size limit.");
        assert_eq!(got.failure_info, Some(FailureInfo::ServerFailureInfo(Default::default())));
        let cause = got.cause.unwrap().open();
        assert_eq!((cause.message.len(), cause.source.as_str()), (4096, "S"));
        let Some(FailureInfo::ApplicationFailureInfo(info)) = cause.failure_info else { panic!("kind was lost") };
        assert_eq!((info.r#type.as_str(), info.details), ("E", None));
    }

    #[test]
    fn a_failure_over_the_payload_limit_is_not_retried() {
        let got = within_limit(failure("x".repeat(3 << 20)), &Limits::default());
        let info = api::ServerFailureInfo { non_retryable: true };
        assert_eq!(got.failure_info, Some(FailureInfo::ServerFailureInfo(info)));
        assert_eq!(got.cause.unwrap().open().message.len(), 512 << 10);
    }
}
