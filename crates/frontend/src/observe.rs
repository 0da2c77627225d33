//! Requests by method and code, and how long they took.

use metrics::{counter, histogram};
use std::convert::Infallible;
use std::time::Instant;
use tenure_api::error::{ApiError, Code};

/// One request, from its arrival to its answer. Dropped without one, it counts as cancelled by its caller.
pub(crate) struct Observed {
    method: &'static str,
    /// Waits for something to happen, so that its time says nothing about the server's.
    waits: bool,
    began: Instant,
    code: &'static str,
}

impl Observed {
    pub(crate) fn begin(method: &'static str, waits: bool) -> Observed {
        Observed { method, waits, began: Instant::now(), code: code_name(Some(Code::Cancelled)) }
    }

    /// Counts a request that is refused before it was looked at. Gives the refusal back.
    pub(crate) fn refused(method: &'static str, error: ApiError) -> ApiError {
        let outcome = Err::<Infallible, _>(error);
        Self::begin(method, false).answered(&outcome);
        let Err(error) = outcome;
        error
    }

    pub(crate) fn answered<T>(&mut self, outcome: &Result<T, ApiError>) {
        self.code = code_name(outcome.as_ref().err().map(|error| error.code));
        if let Err(error) = outcome
            && matches!(error.code, Code::Internal | Code::DataLoss | Code::Unknown)
        {
            tracing::error!(method = self.method, code = self.code, %error, "request failed");
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        counter!("tenure_requests_total", "method" => self.method, "code" => self.code).increment(1);
        let took = self.began.elapsed();
        if self.waits {
            histogram!("tenure_long_poll_seconds", "method" => self.method).record(took);
        } else {
            histogram!("tenure_request_seconds", "method" => self.method).record(took);
        }
    }
}

fn code_name(code: Option<Code>) -> &'static str {
    match code {
        None => "OK",
        Some(Code::Cancelled) => "CANCELLED",
        Some(Code::Unknown) => "UNKNOWN",
        Some(Code::InvalidArgument) => "INVALID_ARGUMENT",
        Some(Code::DeadlineExceeded) => "DEADLINE_EXCEEDED",
        Some(Code::NotFound) => "NOT_FOUND",
        Some(Code::AlreadyExists) => "ALREADY_EXISTS",
        Some(Code::PermissionDenied) => "PERMISSION_DENIED",
        Some(Code::ResourceExhausted) => "RESOURCE_EXHAUSTED",
        Some(Code::FailedPrecondition) => "FAILED_PRECONDITION",
        Some(Code::Aborted) => "ABORTED",
        Some(Code::OutOfRange) => "OUT_OF_RANGE",
        Some(Code::Unimplemented) => "UNIMPLEMENTED",
        Some(Code::Internal) => "INTERNAL",
        Some(Code::Unavailable) => "UNAVAILABLE",
        Some(Code::DataLoss) => "DATA_LOSS",
        Some(Code::Unauthenticated) => "UNAUTHENTICATED",
    }
}
