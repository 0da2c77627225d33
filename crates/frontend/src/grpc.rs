//! A service of the API as tonic's router takes it. One piece of code for all methods, which sees messages as bytes:
//! the generated services would be compiled once for each of the API's methods, and most of those are not there.

use crate::{
    Frontend,
    budget::Slot,
    client::{Caller, Client},
    deadline,
    message::{self, Encoding},
    observe::Observed,
    rpc::Method,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body::Frame;
use std::{
    convert::Infallible,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tonic::{Response, Status, body::Body, metadata::MetadataMap, server::NamedService};
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
    let (head, body) = request.into_parts();
    let encoding = match Encoding::of(&head.headers) {
        Ok(encoding) => encoding,
        Err(refused) => return refused.into_http(),
    };
    let metadata = MetadataMap::from_headers(head.headers);
    let caller =
        Caller { arrived: Instant::now(), timeout: deadline::timeout(&metadata), client: Client::of(&metadata) };
    let received = async {
        let mut slot = frontend.budget().enter()?;
        let patience = caller.timeout.map(deadline::less_margin);
        let message = message::read(body, encoding, patience, frontend.options().request_bytes, &mut slot).await?;
        Ok((message, slot))
    };
    let (message, mut slot) = match received.await {
        Ok(received) => received,
        Err(error) => return Status::from(Observed::refused(method.name(), error)).into_http(),
    };
    match frontend.serve(method, message, caller, &mut slot).await {
        Ok(response) => respond(response, slot),
        Err(status) => status.into_http(),
    }
}

/// A response with its message, which holds the request's place until it is sent.
fn respond(response: Response<Bytes>, mut slot: Slot) -> http::Response<Body> {
    let (metadata, message, extensions) = response.into_parts();
    slot.answer(message.len());
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    let mut response =
        http::Response::new(Body::new(Answer { message: Some(framed.freeze()), ended: false, _slot: slot }));
    *response.headers_mut() = metadata.into_headers();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    *response.extensions_mut() = extensions;
    response
}

/// The body of a response: one message, and that all is well.
struct Answer {
    message: Option<Bytes>,
    ended: bool,
    /// Held, not read.
    _slot: Slot,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(None);
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone::frontend;

    /// Each request's future is put on the heap, and its parts are moved from one to the other of those who watch over them.
    #[tokio::test]
    async fn a_request_in_progress_is_small() {
        let size = size_of_val(&answer(frontend(), http::Request::new(Body::empty())));
        assert!(size < 16 << 10, "{size} bytes");
    }
}
