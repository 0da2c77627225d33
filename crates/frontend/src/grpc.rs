//! A service of the API as tonic's router takes it. One piece of code for all methods, which sees messages as bytes:
//! the generated services would be compiled once for each of the API's methods, and most of those are not there.

use crate::{
    Frontend,
    client::{Caller, Client},
    deadline,
    observe::Observed,
    rpc::Method,
};
use bytes::{Buf, BufMut, Bytes};
use futures::future::BoxFuture;
use std::{
    convert::Infallible,
    marker::PhantomData,
    task::{Context, Poll},
};
use tenure_api::error::{ApiError, Code};
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, NamedService, UnaryService},
};
use tower::Service;

/// The service that bears the name of `N`.
pub(crate) struct ApiService<N> {
    frontend: Frontend,
    name: PhantomData<fn() -> N>,
}

impl<N> ApiService<N> {
    pub(crate) fn new(frontend: Frontend) -> Self {
        ApiService { frontend, name: PhantomData }
    }
}

impl<N> Clone for ApiService<N> {
    fn clone(&self) -> Self {
        ApiService::new(self.frontend.clone())
    }
}

impl<N: NamedService> NamedService for ApiService<N> {
    const NAME: &'static str = N::NAME;
}

impl<N> Service<http::Request<Body>> for ApiService<N> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let frontend = self.frontend.clone();
        Box::pin(async move { Ok(answer(frontend, request).await) })
    }
}

async fn answer(frontend: Frontend, request: http::Request<Body>) -> http::Response<Body> {
    let Some(method) = Method::at(request.uri().path()) else {
        return Status::unimplemented("").into_http();
    };
    let limit = frontend.options().request_bytes;
    let response = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX)
        .unary(Unary { frontend, method }, request)
        .await;
    match too_large(response.headers(), limit) {
        Some(refused) => {
            let refused: Result<(), ApiError> = Err(refused);
            Observed::begin(method.name(), false).answered(&refused);
            refused.err().map_or(response, |error| Status::from(error).into_http())
        }
        None => response,
    }
}

/// What tonic says of a message whose header tells that it is too large, and of one that is no longer inflated.
const TOO_LONG: &str = "Error, decoded message length too large: found ";
const TOO_LONG_INFLATED: &str = "Error decompressing: size limit, ";

/// The refusal of a request that was too large to be read, in the words by which SDKs know it.
fn too_large(headers: &http::HeaderMap, limit: usize) -> Option<ApiError> {
    let status = Status::from_header_map(headers)?;
    let message = match status.code() {
        tonic::Code::OutOfRange => {
            let size: usize = status.message().strip_prefix(TOO_LONG)?.split(' ').next()?.parse().ok()?;
            format!("grpc: received message larger than max ({size} vs. {limit})")
        }
        tonic::Code::ResourceExhausted if status.message().starts_with(TOO_LONG_INFLATED) => {
            format!("grpc: received message after decompression larger than max {limit}")
        }
        _ => return None,
    };
    Some(ApiError::new(Code::ResourceExhausted, message))
}

struct Unary {
    frontend: Frontend,
    method: &'static Method,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (frontend, method) = (self.frontend.clone(), self.method);
        let metadata = request.metadata();
        let caller = Caller { timeout: deadline::timeout(metadata), client: Client::of(metadata) };
        Box::pin(async move { frontend.serve(method, request.into_inner(), caller).await })
    }
}

/// Messages as they are on the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
