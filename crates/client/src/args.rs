//! Small conversions between the API's messages and plain types.

use std::time::Duration;
use tenure_api::{common::v1 as common, time::duration_to_proto};

/// When a failed attempt is followed by another.
///
/// ```
/// use std::time::Duration;
/// use tenure_client::RetryPolicy;
/// let patient = RetryPolicy::default().initial_interval(Duration::from_secs(2)).maximum_attempts(5);
/// let never = RetryPolicy::once();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy(common::RetryPolicy);

impl Default for RetryPolicy {
    /// The server's own policy: one second, doubled each time, no end.
    fn default() -> Self {
        RetryPolicy(common::RetryPolicy {
            initial_interval: Some(duration_to_proto(Duration::from_secs(1))),
            backoff_coefficient: 2.0,
            ..Default::default()
        })
    }
}

impl RetryPolicy {
    /// One attempt.
    pub fn once() -> Self {
        Self::default().maximum_attempts(1)
    }

    /// The time between the first attempt and the second. Default: one second.
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.0.initial_interval = Some(duration_to_proto(interval));
        self
    }

    /// What the interval is multiplied with after each attempt, 1 or more.
    #[must_use]
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.0.backoff_coefficient = coefficient;
        self
    }

    /// The interval grows no longer than this. Default: the server's, a hundred times the first.
    #[must_use]
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.0.maximum_interval = Some(duration_to_proto(interval));
        self
    }

    /// 0: no limit.
    #[must_use]
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.0.maximum_attempts = attempts.try_into().unwrap_or(i32::MAX);
        self
    }

    /// Application failures of these types are not retried.
    #[must_use]
    pub fn never_for(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.0.non_retryable_error_types = types.into_iter().map(Into::into).collect();
        self
    }

    #[doc(hidden)]
    pub fn into_proto(self) -> common::RetryPolicy {
        self.0
    }

    #[doc(hidden)]
    pub fn from_proto(policy: common::RetryPolicy) -> Self {
        RetryPolicy(policy)
    }
}
