//! The door of the peer port: a caller is looked at by its headers, before any of its message is gathered or decoded.

use crate::Pool;
use futures::future::BoxFuture;
use http_body_util::Limited;
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{body::Body, metadata::MetadataMap, server::NamedService};
use tower::Service;

/// The one method whose callers need not have signed: their message says who they are.
const HELLO: &str = "/Hello";

/// Lets calls of members through to `S`, and short greetings of anybody.
#[derive(Clone)]
pub struct Door<S> {
    inner: S,
    pool: Pool,
}

impl<S> Door<S> {
    pub(crate) fn new(inner: S, pool: Pool) -> Door<S> {
        Door { inner, pool }
    }
}

impl<S: NamedService> NamedService for Door<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Door<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path().ends_with(HELLO) {
            let short = request.map(|body| Body::new(Limited::new(body, tenure_limits::STRANGER)));
            return Box::pin(self.inner.call(short));
        }
        let (head, body) = request.into_parts();
        let metadata = MetadataMap::from_headers(head.headers.clone());
        match self.pool.gate().admit(&metadata, self.pool.local()) {
            Ok(_) => Box::pin(self.inner.call(http::Request::from_parts(head, body))),
            Err(refused) => Box::pin(async move { Ok(refused.into_http()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gate, Local, PeerService};
    use bytes::Bytes;
    use futures::stream;
    use http_body_util::StreamBody;
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tonic::{Code, Status};
    use uuid::Uuid;

    const CLUSTER: Uuid = Uuid::from_u128(7);

    /// Node 2 as it signs its calls.
    fn signed() -> http::HeaderMap {
        let mut metadata = MetadataMap::new();
        Local::new(2, Uuid::from_u128(22), Some(CLUSTER)).sign(&mut metadata);
        metadata.into_headers()
    }

    /// Calls a method of node 1 with a message of 16 MiB that says nothing; the answer's code, and how much of the
    /// message was taken.
    async fn call(method: &str, headers: http::HeaderMap) -> (Code, usize) {
        let local = Arc::new(Local::new(1, Uuid::from_u128(11), Some(CLUSTER)));
        let gate = Arc::new(Gate::new(1, [1, 2]));
        let pool = Pool::new(local, gate, BTreeMap::new()).unwrap();
        let mut server = PeerService::new(pool).into_server();
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let size: u32 = 16 << 20;
        let head = [&[0][..], &size.to_be_bytes()].concat();
        let frames = std::iter::once(Bytes::from(head)).chain((0..256).map(|_| Bytes::from(vec![0; 64 << 10])));
        let frames = frames.map(move |data| {
            counted.fetch_add(data.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(http_body::Frame::data(data))
        });
        let mut request = http::Request::post(format!("http://node/tenure.peer.v1.Peer/{method}"))
            .body(Body::new(StreamBody::new(stream::iter(frames))))
            .unwrap();
        *request.headers_mut() = headers;
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let response = server.call(request).await.unwrap();
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        (code, taken.load(Ordering::Relaxed))
    }

    /// F6: a stranger's message is not gathered.
    #[tokio::test]
    async fn a_stranger_is_sent_away_before_its_message_is_read() {
        for method in ["Forward", "Ask", "Raft", "InstallSnapshot"] {
            assert_eq!(call(method, http::HeaderMap::new()).await, (Code::Unauthenticated, 0), "{method}");
        }
        let (code, taken) = call("Hello", http::HeaderMap::new()).await;
        assert_ne!(code, Code::Ok);
        assert!(taken <= 2 * tenure_limits::STRANGER, "{taken} bytes of a greeting");
    }

    #[tokio::test]
    async fn a_members_message_is_read() {
        let (_, taken) = call("Forward", signed()).await;
        assert!(taken > 16 << 20);
    }
}
