//! Failures that the server makes: timeouts, and stand-ins for what is too large to keep.

use crate::{limits::Limits, retry::timeout_name};
use prost::Message;
use tenure_api::{
    enums::v1::TimeoutType,
    error::ApiError,
    failure::v1::{self as api, Failure, failure::FailureInfo},
    nested::Cause,
    text::prefix,
    workflowservice::v1::RespondActivityTaskFailedRequest,
};

/// The source that the server's own failures name.
const SOURCE: &str = "Server";
const TOO_LARGE: &str = "Failure exceeds size limit.";
const DETAILS_TOO_LARGE: &str = "Heartbeat details exceed size limit.";
/// The limit in bytes of a failure that is kept in the execution's state between attempts.
const KEPT_FAILURE_SIZE: usize = 4096;
/// The bytes that are kept of a failure over the limit for payloads.
const TRUNCATED_FAILURE_SIZE: usize = 512 << 10;

pub(crate) fn timeout(kind: TimeoutType) -> Failure {
    timeout_with_message(kind, format!("activity {} timeout", timeout_name(kind)))
}

/// The failure of an activity without time for another attempt.
pub(crate) fn out_of_time() -> Failure {
    let message = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";
    timeout_with_message(TimeoutType::ScheduleToClose, message.into())
}

/// A timeout with a message of the caller's own.
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

/// Refuses what a worker reports of an attempt that failed unless it is an application failure, as the reference server
/// does.
pub fn check_of_activity(failure: Option<&Failure>) -> Result<(), ApiError> {
    match failure.map(|failure| &failure.failure_info) {
        None | Some(Some(FailureInfo::ApplicationFailureInfo(_))) => Ok(()),
        Some(_) => Err(ApiError::invalid_argument("Failure must have ApplicationFailureInfo.")),
    }
}

/// The failures that the response to a failed attempt reports, because parts of the request were over the limit.
pub fn oversized(request: &RespondActivityTaskFailedRequest, limits: &Limits) -> Vec<Failure> {
    let is_large = |size: usize| size > limits.blob_size;
    let details = request.last_heartbeat_details.as_ref().filter(|details| is_large(details.encoded_len()));
    let failure = request.failure.as_ref().filter(|failure| is_large(failure.encoded_len()));
    let details = details.map(|_| server(DETAILS_TOO_LARGE, true));
    details.into_iter().chain(failure.map(|failure| within_limit(failure.clone(), limits))).collect()
}

/// A failure as it is kept for the next attempt.
pub(crate) fn kept_in_state(failure: &Failure) -> Failure {
    if failure.encoded_len() <= KEPT_FAILURE_SIZE {
        return failure.clone();
    }
    Failure { cause: Some(truncated(failure, KEPT_FAILURE_SIZE).into()), ..server(TOO_LARGE, false) }
}

/// A failure as explanations show it: its beginning, without payloads.
pub(crate) fn shown(failure: &Failure) -> Failure {
    truncated(failure, KEPT_FAILURE_SIZE)
}

/// The levels below the outermost that are kept of a failure that is cut.
const KEPT_CAUSES: usize = 20;

/// The start of a failure within about `size` bytes, as the reference server cuts it: level by level from the
/// outermost, keeping of each the source, the kind if it says whether to retry, the message and the stack trace.
/// Payloads are dropped.
fn truncated(failure: &Failure, size: usize) -> Failure {
    let mut budget = Budget(size);
    let mut levels = vec![budget.level(failure)];
    let mut next = failure.cause.as_ref().map(Cause::open);
    while let Some(cause) = next.filter(|_| levels.len() <= KEPT_CAUSES && budget.0 > Budget::FIELD) {
        budget.0 -= Budget::FIELD;
        levels.push(budget.level(&cause));
        next = cause.cause.as_ref().map(Cause::open);
    }
    let innermost = levels.pop().unwrap_or_default();
    levels.into_iter().rfold(innermost, |cause, level| Failure { cause: Some(cause.into()), ..level })
}

/// The bytes that are left for what follows.
struct Budget(usize);

impl Budget {
    /// The bytes that a field takes besides its content.
    const FIELD: usize = 4;

    /// Cuts one failure, without its cause, to the bytes that are left.
    fn level(&mut self, failure: &Failure) -> Failure {
        let source = self.text(&failure.source);
        let failure_info = match &failure.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => {
                self.take(2 * Self::FIELD);
                let (r#type, non_retryable) = (self.text(&info.r#type), info.non_retryable);
                let kept = api::ApplicationFailureInfo { r#type, non_retryable, ..Default::default() };
                Some(FailureInfo::ApplicationFailureInfo(kept))
            }
            Some(FailureInfo::ServerFailureInfo(info)) => {
                self.take(Self::FIELD);
                Some(FailureInfo::ServerFailureInfo(*info))
            }
            Some(
                FailureInfo::TimeoutFailureInfo(_)
                | FailureInfo::CanceledFailureInfo(_)
                | FailureInfo::TerminatedFailureInfo(_)
                | FailureInfo::ResetWorkflowFailureInfo(_)
                | FailureInfo::ActivityFailureInfo(_)
                | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
                | FailureInfo::NexusOperationExecutionFailureInfo(_)
                | FailureInfo::NexusHandlerFailureInfo(_),
            )
            | None => None,
        };
        let (message, stack_trace) = (self.text(&failure.message), self.text(&failure.stack_trace));
        Failure { message, source, stack_trace, failure_info, ..empty() }
    }

    fn text(&mut self, text: &str) -> String {
        let kept = prefix(text, self.0);
        if !kept.is_empty() {
            self.take(kept.len() + Self::FIELD);
        }
        kept.to_owned()
    }

    fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
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
        assert_eq!(kept_in_state(&small), small);
        assert_eq!(within_limit(small.clone(), &Limits::default()), small);
    }

    #[test]
    fn large_failures_keep_their_start_and_kind() {
        let large = failure("é".repeat(3000));
        let got = kept_in_state(&large);
        assert_eq!(got.message, "Failure exceeds size limit.");
        assert_eq!(got.failure_info, Some(FailureInfo::ServerFailureInfo(Default::default())));
        let cause = got.cause.unwrap().open();
        assert_eq!((cause.message.len(), cause.source.as_str()), (4096 - (1 + 4) - (1 + 12), "S"));
        let Some(FailureInfo::ApplicationFailureInfo(info)) = cause.failure_info else { panic!("kind was lost") };
        assert_eq!((info.r#type.as_str(), info.details), ("E", None));
    }

    #[test]
    fn a_failure_over_the_payload_limit_is_not_retried() {
        let got = within_limit(failure("x".repeat(3 << 20)), &Limits::default());
        let info = api::ServerFailureInfo { non_retryable: true };
        assert_eq!(got.failure_info, Some(FailureInfo::ServerFailureInfo(info)));
        assert_eq!(got.cause.unwrap().open().message.len(), (512 << 10) - (1 + 4) - (1 + 12));
    }

    /// F34: lengths as the reference server answers them, of a failure that is too large in one thing after the other.
    #[test]
    fn a_failure_is_cut_where_the_reference_server_cuts_it() {
        let text = |letter: &str, bytes: usize| letter.repeat(bytes / letter.len());
        let sizes = |failure: Failure| {
            let kept = within_limit(failure, &Limits::default()).cause.unwrap().levels();
            let of = |f: &Failure| match &f.failure_info {
                Some(FailureInfo::ApplicationFailureInfo(info)) => [f.source.len(), info.r#type.len()],
                _ => [f.source.len(), 0],
            };
            (of(&kept[0]), kept.iter().map(|f| [f.message.len(), f.stack_trace.len()]).collect::<Vec<_>>())
        };
        let small = || Some(Failure { message: "c".into(), ..empty() }.into());
        let app = |bytes| {
            let info = api::ApplicationFailureInfo { r#type: text("E", bytes), ..Default::default() };
            Some(FailureInfo::ApplicationFailureInfo(info))
        };
        let source = |bytes| text("s", bytes);
        let large = Failure { message: text("é", 3 << 20), stack_trace: "t".into(), cause: small(), ..empty() };
        let check = |failure: Failure, head: [usize; 2], levels: &[[usize; 2]]| {
            assert_eq!(sizes(failure), (head, levels.to_vec()));
        };
        check(
            Failure { source: source(10_000), failure_info: app(700), ..large.clone() },
            [10_000, 700],
            &[[513_572, 0]],
        );
        check(Failure { source: source(10_000), ..large.clone() }, [10_000, 0], &[[514_284, 0]]);
        let flag = Some(FailureInfo::ServerFailureInfo(api::ServerFailureInfo { non_retryable: true }));
        let plain = Failure { message: text("z", 3 << 20), source: source(1), cause: small(), ..empty() };
        check(Failure { failure_info: flag, ..plain.clone() }, [1, 0], &[[524_279, 0]]);
        check(Failure { failure_info: app(0), ..plain }, [1, 0], &[[524_275, 0]]);
        let stack = Failure {
            message: text("m", 1000),
            source: source(10_000),
            stack_trace: text("é", 3 << 20),
            failure_info: app(700),
            cause: small(),
            ..empty()
        };
        check(stack, [10_000, 700], &[[1000, 512_568]]);
        let whole = |failure: Failure| Failure { message: "m".into(), cause: small(), ..failure };
        check(whole(Failure { source: source(3 << 20), ..empty() }), [512 << 10, 0], &[[0, 0]]);
        check(whole(Failure { failure_info: app(3 << 20), ..empty() }), [0, (512 << 10) - 8], &[[0, 0]]);
        let payload = Payload { data: vec![7; 3 << 20].into(), ..Default::default() };
        let almost = |left: usize| Failure {
            source: source((512 << 10) - 18 - left),
            message: text("m", 10),
            encoded_attributes: Some(payload.clone()),
            cause: Some(Failure { message: text("c", 10), ..empty() }.into()),
            ..empty()
        };
        for (left, cause) in [(4, None), (5, Some(1)), (8, Some(4)), (9, Some(5))] {
            let levels: Vec<_> = [Some(10), cause].into_iter().flatten().map(|message| [message, 0]).collect();
            check(almost(left), [(512 << 10) - 18 - left, 0], &levels);
        }
    }

    /// F34.
    #[test]
    fn of_a_failure_that_is_cut_twenty_causes_are_kept() {
        let message = |n: usize, bytes: usize| format!("{n}{}", "m".repeat(bytes));
        let chain = |causes: usize, bytes: usize| {
            let inner = |cause, n| Failure { message: message(n, bytes), cause, ..empty() };
            let chain = (1..=causes).rev().fold(None, |cause: Option<Cause>, n| Some(inner(cause, n).into()));
            let payload = Payload { data: vec![7; 3 << 20].into(), ..Default::default() };
            let details = Some(Payloads { payloads: vec![payload] });
            let info = api::ApplicationFailureInfo { r#type: "E".into(), details, ..Default::default() };
            let failure_info = Some(FailureInfo::ApplicationFailureInfo(info));
            let failure = Failure { message: "top".into(), failure_info, cause: chain, ..empty() };
            within_limit(failure, &Limits::default()).cause.unwrap().levels()
        };
        let kept = chain(1000, 0);
        assert_eq!((kept.len(), kept.last().unwrap().message.as_str()), (21, "20"));
        let kept = chain(40, 30_000);
        assert_eq!((kept.len(), kept.last().unwrap().message.len()), (19, 14_103));
    }
}
