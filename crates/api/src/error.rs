//! The API's errors: a gRPC code, a message, and optionally one of the `errordetails` messages.

use crate::{
    enums::v1::{ResourceExhaustedCause, ResourceExhaustedScope},
    errordetails::v1 as details,
};
use bytes::Bytes;
use prost::{Message, Name};
use std::fmt;

/// gRPC status codes, by their canonical numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// All codes.
    const ALL: [Code; 16] = [
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// The code of this number; `None` for OK and for what is no code.
    pub fn from_number(number: i32) -> Option<Code> {
        Code::ALL.into_iter().find(|code| *code as i32 == number)
    }
}

/// An error as a caller of the API sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub code: Code,
    pub message: String,
    /// The type name (`temporal.api.errordetails.v1.…`) and the encoding of the detail.
    pub detail: Option<(String, Bytes)>,
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        ApiError { code, message: message.into(), detail: None }
    }

    /// The error with a message of `errordetails` attached.
    #[must_use]
    pub fn with_detail<M: Message + Name>(mut self, detail: &M) -> Self {
        self.detail = Some((M::full_name(), detail.encode_to_vec().into()));
        self
    }

    /// RESOURCE_EXHAUSTED with what is exhausted, and in whose scope; clients try again after a while.
    pub fn exhausted(cause: ResourceExhaustedCause, scope: ResourceExhaustedScope, message: impl Into<String>) -> Self {
        let detail = details::ResourceExhaustedFailure { cause: cause.into(), scope: scope.into() };
        Self::new(Code::ResourceExhausted, message).with_detail(&detail)
    }

    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// NOT_FOUND with the detail `NotFoundFailure`, as the reference server sends it.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message).with_detail(&details::NotFoundFailure::default())
    }

    pub fn failed_precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    pub fn unimplemented(what: &str) -> Self {
        Self::new(Code::Unimplemented, format!("{what} is not implemented"))
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }
}

#[cfg(feature = "grpc")]
impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        let code = tonic::Code::from(error.code as i32);
        let error = ApiError { message: shortened(error.message), ..error };
        let Some((name, value)) = error.detail else { return tonic::Status::new(code, error.message) };
        let any = prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value: value.into() };
        let status = RpcStatus { code: error.code as i32, message: error.message.clone(), details: vec![any] };
        tonic::Status::with_details(code, error.message, status.encode_to_vec().into())
    }
}

/// The limit in bytes of a message: it travels as a header, twice if there are details, and many clients refuse more
/// than 8 KiB of headers. The reference server has the same limit.
#[cfg(feature = "grpc")]
const MAX_MESSAGE: usize = 4000;
#[cfg(feature = "grpc")]
const TRUNCATED: &str = "... <truncated>";

#[cfg(feature = "grpc")]
fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        message.truncate(crate::text::prefix(&message, MAX_MESSAGE - TRUNCATED.len()).len());
        message.push_str(TRUNCATED);
    }
    message
}

/// `google.rpc.Status`, what the trailer `grpc-status-details-bin` carries.
#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[cfg(all(test, feature = "grpc"))]
mod tests {
    use super::*;

    /// F77.
    #[test]
    fn a_long_message_is_cut_as_the_reference_server_cuts_it() {
        let message = |text: String| tonic::Status::from(ApiError::not_found(text)).message().to_owned();
        assert_eq!(message("x".repeat(4000)), "x".repeat(4000));
        assert_eq!(message("x".repeat(4001)), format!("{}... <truncated>", "x".repeat(3985)));
        assert_eq!(message("é".repeat(4000)), format!("{}... <truncated>", "é".repeat(1992)));
        assert!(tonic::Status::from(ApiError::not_found("x".repeat(9000))).details().len() < 4200);
    }
}
