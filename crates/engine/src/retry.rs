//! Retry policies: defaults, validation, and how long to wait before the next attempt.

use crate::codec::is_default;
use minicbor::{Decode, Encode};
use std::time::Duration;
use tenure_api::{
    common::v1 as common,
    enums::v1::TimeoutType,
    failure::v1::{Failure, failure::FailureInfo},
    time::{duration_to_proto, optional_duration},
};

const INITIAL_INTERVAL: Duration = Duration::from_secs(1);
const BACKOFF_COEFFICIENT: f64 = 2.0;
/// The default maximum interval, in initial intervals.
const MAXIMUM_INTERVAL_FACTOR: u32 = 100;
/// The prefix by which `non_retryable_error_types` names timeouts.
const TIMEOUT_TYPE_PREFIX: &str = "TemporalTimeout:";

/// A retry policy with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct RetryPolicy {
    #[n(0)]
    pub initial_interval: Duration,
    #[n(1)]
    pub backoff_coefficient: f64,
    #[n(2)]
    pub maximum_interval: Duration,
    /// The most attempts; zero means no limit.
    #[cbor(n(3), skip_if = "is_default")]
    pub maximum_attempts: i32,
    #[cbor(n(4), skip_if = "is_default")]
    pub non_retryable_error_types: Vec<String>,
}

impl RetryPolicy {
    /// Checks a policy and fills in what is not set; the error is the reference server's message.
    pub fn new(policy: &common::RetryPolicy) -> Result<Self, String> {
        // One attempt means no retries, so nothing else of the policy is looked at.
        let checked = policy.maximum_attempts != 1;
        let interval = |name, value| match optional_duration(value) {
            Err(error) if checked => Err(format!("invalid {name} set on retry policy: {error}")),
            other => Ok(other.unwrap_or_default()),
        };
        let initial = interval("InitialInterval", policy.initial_interval.as_ref())?.unwrap_or(INITIAL_INTERVAL);
        let coefficient =
            if policy.backoff_coefficient == 0.0 { BACKOFF_COEFFICIENT } else { policy.backoff_coefficient };
        if checked && (coefficient.is_nan() || coefficient < 1.0) {
            return Err("BackoffCoefficient cannot be less than 1 on retry policy.".into());
        }
        let maximum = interval("MaximumInterval", policy.maximum_interval.as_ref())?
            .unwrap_or_else(|| initial.saturating_mul(MAXIMUM_INTERVAL_FACTOR));
        if checked && maximum < initial {
            return Err("MaximumInterval cannot be less than InitialInterval on retry policy.".into());
        }
        if policy.maximum_attempts < 0 {
            return Err("MaximumAttempts cannot be negative on retry policy.".into());
        }
        if checked {
            for name in policy.non_retryable_error_types.iter().filter_map(|t| t.strip_prefix(TIMEOUT_TYPE_PREFIX)) {
                if timeout_type_by_name(name).is_none() {
                    return Err(format!("Invalid timeout type value: {name}."));
                }
            }
        }
        Ok(RetryPolicy {
            initial_interval: initial,
            backoff_coefficient: coefficient,
            maximum_interval: maximum,
            maximum_attempts: policy.maximum_attempts,
            non_retryable_error_types: policy.non_retryable_error_types.clone(),
        })
    }

    /// The policy that sets nothing.
    pub fn unlimited() -> Self {
        RetryPolicy::new(&common::RetryPolicy::default()).expect("the defaults are valid")
    }

    pub fn to_proto(&self) -> common::RetryPolicy {
        common::RetryPolicy {
            initial_interval: Some(duration_to_proto(self.initial_interval)),
            backoff_coefficient: self.backoff_coefficient,
            maximum_interval: Some(duration_to_proto(self.maximum_interval)),
            maximum_attempts: self.maximum_attempts,
            non_retryable_error_types: self.non_retryable_error_types.clone(),
        }
    }

    /// The wait after this attempt; attempts count from one.
    pub fn interval_after(&self, attempt: i32) -> Duration {
        let factor = self.backoff_coefficient.powi(attempt.saturating_sub(1).max(0));
        let seconds = self.initial_interval.as_secs_f64() * factor;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.maximum_interval)
    }

    pub fn attempts_exhausted(&self, attempt: i32) -> bool {
        self.maximum_attempts > 0 && attempt >= self.maximum_attempts
    }

    /// Whether an attempt that ended with this failure may be followed by another one.
    pub fn retries(&self, failure: Option<&Failure>) -> bool {
        let Some(info) = failure.and_then(|f| f.failure_info.as_ref()) else { return true };
        let listed = |error_type: &str| self.non_retryable_error_types.iter().any(|t| t == error_type);
        match info {
            FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_) => false,
            FailureInfo::ServerFailureInfo(info) => !info.non_retryable,
            FailureInfo::ApplicationFailureInfo(info) => !info.non_retryable && !listed(&info.r#type),
            FailureInfo::TimeoutFailureInfo(info) => match info.timeout_type() {
                kind @ (TimeoutType::StartToClose | TimeoutType::Heartbeat) => {
                    !listed(&format!("{TIMEOUT_TYPE_PREFIX}{}", timeout_name(kind)))
                }
                TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose | TimeoutType::Unspecified => false,
            },
            FailureInfo::ResetWorkflowFailureInfo(_)
            | FailureInfo::ActivityFailureInfo(_)
            | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
            | FailureInfo::NexusOperationExecutionFailureInfo(_)
            | FailureInfo::NexusHandlerFailureInfo(_) => true,
        }
    }
}

/// A timeout's name in messages and in `non_retryable_error_types`.
pub(crate) fn timeout_name(kind: TimeoutType) -> &'static str {
    match kind {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

fn timeout_type_by_name(name: &str) -> Option<TimeoutType> {
    [TimeoutType::StartToClose, TimeoutType::ScheduleToStart, TimeoutType::ScheduleToClose, TimeoutType::Heartbeat]
        .into_iter()
        .find(|&kind| timeout_name(kind) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_api::failure::v1 as failure;

    fn seconds(s: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds: s, nanos: 0 })
    }

    /// F34: whatever the coefficient is, a wait is a wait. One attempt means that nothing of a policy is checked.
    #[test]
    fn no_coefficient_makes_a_wait_that_is_none() {
        for coefficient in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -1.0, 1e300] {
            let policy = RetryPolicy::new(&policy(1, coefficient, 60, 1)).unwrap();
            for attempt in [1, 2, 3, i32::MAX] {
                let wait = policy.interval_after(attempt);
                assert!(wait <= Duration::from_secs(60), "{coefficient}, {attempt}: {wait:?}");
            }
        }
    }

    fn policy(initial: i64, coefficient: f64, maximum: i64, attempts: i32) -> common::RetryPolicy {
        common::RetryPolicy {
            initial_interval: seconds(initial),
            backoff_coefficient: coefficient,
            maximum_interval: seconds(maximum),
            maximum_attempts: attempts,
            non_retryable_error_types: vec![],
        }
    }

    #[test]
    fn policies_are_checked_and_filled_in() {
        #[track_caller]
        fn check(policy: common::RetryPolicy, expected: Result<(u64, f64, u64, i32), &str>) {
            let got = RetryPolicy::new(&policy);
            let got = got.as_ref().map(|p| {
                (p.initial_interval.as_secs(), p.backoff_coefficient, p.maximum_interval.as_secs(), p.maximum_attempts)
            });
            assert_eq!(got.map_err(String::as_str), expected);
        }
        check(common::RetryPolicy::default(), Ok((1, 2.0, 100, 0)));
        check(policy(0, 0.0, 0, 3), Ok((1, 2.0, 100, 3)));
        check(policy(5, 1.0, 0, 0), Ok((5, 1.0, 500, 0)));
        check(policy(5, 1.5, 7, 0), Ok((5, 1.5, 7, 0)));
        check(policy(-1, 0.0, 0, 0), Err("invalid InitialInterval set on retry policy: negative duration"));
        check(policy(1, 0.5, 0, 0), Err("BackoffCoefficient cannot be less than 1 on retry policy."));
        check(policy(1, f64::NAN, 0, 0), Err("BackoffCoefficient cannot be less than 1 on retry policy."));
        check(policy(5, 2.0, -1, 0), Err("invalid MaximumInterval set on retry policy: negative duration"));
        check(policy(5, 2.0, 1, 0), Err("MaximumInterval cannot be less than InitialInterval on retry policy."));
        check(policy(5, 2.0, 5, -1), Err("MaximumAttempts cannot be negative on retry policy."));
        check(
            common::RetryPolicy {
                non_retryable_error_types: vec!["E".into(), "TemporalTimeout:Foo".into()],
                ..Default::default()
            },
            Err("Invalid timeout type value: Foo."),
        );
        check(policy(-1, 0.5, -1, 1), Ok((1, 0.5, 100, 1)));
    }

    #[test]
    fn intervals_grow_up_to_the_maximum() {
        let intervals = |p: common::RetryPolicy, attempts: &[i32]| -> Vec<u64> {
            let p = RetryPolicy::new(&p).unwrap();
            attempts.iter().map(|&a| p.interval_after(a).as_secs()).collect()
        };
        assert_eq!(intervals(policy(1, 2.0, 0, 0), &[1, 2, 3, 7, 8, 1000, i32::MAX]), [1, 2, 4, 64, 100, 100, 100]);
        assert_eq!(intervals(policy(3, 1.0, 0, 0), &[1, 2, i32::MAX]), [3, 3, 3]);
        assert_eq!(intervals(policy(2, 10.0, 30, 0), &[1, 2, 3]), [2, 20, 30]);
    }

    #[test]
    fn failures_are_retried_by_kind_and_type() {
        #[track_caller]
        fn check(info: Option<FailureInfo>, types: &[&str], expected: bool) {
            let policy = RetryPolicy::new(&common::RetryPolicy {
                non_retryable_error_types: types.iter().map(|t| t.to_string()).collect(),
                ..Default::default()
            });
            let failure = Failure { failure_info: info, ..Default::default() };
            assert_eq!(policy.unwrap().retries(Some(&failure)), expected);
        }
        let application = |non_retryable| {
            Some(FailureInfo::ApplicationFailureInfo(failure::ApplicationFailureInfo {
                r#type: "E".into(),
                non_retryable,
                ..Default::default()
            }))
        };
        let timeout = |kind: TimeoutType| {
            Some(FailureInfo::TimeoutFailureInfo(failure::TimeoutFailureInfo {
                timeout_type: kind.into(),
                ..Default::default()
            }))
        };
        let server = |non_retryable| Some(FailureInfo::ServerFailureInfo(failure::ServerFailureInfo { non_retryable }));
        check(None, &["E"], true);
        check(application(false), &[], true);
        check(application(false), &["F"], true);
        check(application(false), &["E"], false);
        check(application(true), &[], false);
        check(timeout(TimeoutType::StartToClose), &["StartToClose"], true);
        check(timeout(TimeoutType::StartToClose), &["TemporalTimeout:StartToClose"], false);
        check(timeout(TimeoutType::Heartbeat), &["TemporalTimeout:StartToClose"], true);
        check(timeout(TimeoutType::ScheduleToClose), &[], false);
        check(timeout(TimeoutType::ScheduleToStart), &[], false);
        check(server(false), &[], true);
        check(server(true), &[], false);
        check(Some(FailureInfo::CanceledFailureInfo(Default::default())), &[], false);
        check(Some(FailureInfo::TerminatedFailureInfo(Default::default())), &[], false);
    }
}
