//! Errors as `google.rpc.Status` in JSON, with the HTTP status that goes with the code.

use super::{encode::Writer, routes::POOL, text};
use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

/// What is written of an error: `{"code": 5, "message": "..", "details": [{"@type": "..", ..}]}`.
pub(super) fn body(status: &Status, shorthand: bool) -> Vec<u8> {
    let mut out = format!(r#"{{"code":{},"message":"#, i32::from(status.code())).into_bytes();
    text::string(status.message(), &mut out);
    let details = RpcStatus::decode(status.details()).unwrap_or_default().details;
    let written: Vec<_> = details.into_iter().filter_map(|detail| write(detail, shorthand)).collect();
    if !written.is_empty() {
        out.extend_from_slice(br#","details":["#);
        out.extend_from_slice(&written.join(&b','));
        out.push(b']');
    }
    out.push(b'}');
    out
}

fn write(detail: Any, shorthand: bool) -> Option<Vec<u8>> {
    let any = POOL.get_message_by_name("google.protobuf.Any")?;
    let (mut writer, mut out) = Writer::new(&any, Bytes::from(detail.encode_to_vec()), shorthand).ok()?;
    // Details are small: so is a message that is cut.
    writer.fill(&mut out, usize::MAX).ok()?;
    Some(out)
}

/// `google.rpc.Status` as the trailer `grpc-status-details-bin` has it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// The HTTP status of a gRPC code, as all gateways have it.
pub(super) fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
