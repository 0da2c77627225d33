//! Ties a started task to the response that carries it: what was not handed to the worker's connection goes back to
//! the task's owner, and what was is confirmed.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tenure_shard::Handover;
use tonic::body::Body as TonicBody;
use tower::{Layer, Service};

/// Deliveries of the tasks that a response carries, in its extensions. Lost with the response, they return the tasks.
#[derive(Clone)]
pub(crate) struct Handovers(Arc<Mutex<Vec<Handover>>>);

impl Handovers {
    pub(crate) fn new(handovers: Vec<Handover>) -> Handovers {
        Handovers(Arc::new(Mutex::new(handovers)))
    }

    fn take(self) -> Vec<Handover> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Watches the bodies of responses that carry a task; without it, every task would be returned.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandoverLayer;

impl<S> Layer<S> for HandoverLayer {
    type Service = HandoverService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandoverService { inner }
    }
}

/// See [`HandoverLayer`].
#[derive(Clone, Debug)]
pub struct HandoverService<S> {
    inner: S,
}

impl<S, R> Service<R> for HandoverService<S>
where
    S: Service<R, Response = http::Response<TonicBody>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            Ok(match response.extensions_mut().remove::<Handovers>().map(Handovers::take) {
                Some(handovers) => response.map(|body| TonicBody::new(Watched::new(body, handovers))),
                None => response,
            })
        })
    }
}

/// A body, and what to tell of its fate. Generic over what is told so that tests can listen.
struct Watched<B, D: Fate> {
    body: B,
    fate: Option<D>,
    /// A frame was taken by the connection.
    begun: bool,
}

/// What became of a body.
trait Fate: Unpin {
    /// All of it was taken by the connection.
    fn sent(self);
    /// Some of it was. (Nothing of it: the fate is dropped.)
    fn broken(self);
}

impl Fate for Vec<Handover> {
    fn sent(self) {
        self.into_iter().for_each(Handover::sent);
    }

    fn broken(self) {
        self.into_iter().for_each(Handover::broken);
    }
}

impl<B, D: Fate> Watched<B, D> {
    fn new(body: B, fate: D) -> Self {
        Watched { body, fate: Some(fate), begun: false }
    }
}

impl<B, D> Body for Watched<B, D>
where
    B: Body<Data = Bytes> + Unpin,
    D: Fate,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.begun = true;
                if (frame.is_trailers() || self.body.is_end_stream())
                    && let Some(fate) = self.fate.take()
                {
                    fate.sent();
                }
            }
            Some(Err(_)) => {}
            None => {
                if let Some(fate) = self.fate.take() {
                    fate.sent();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B, D: Fate> Drop for Watched<B, D> {
    fn drop(&mut self) {
        if self.begun
            && let Some(fate) = self.fate.take()
        {
            fate.broken();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};
    use std::{cell::Cell, convert::Infallible, rc::Rc};

    struct Told(Rc<Cell<&'static str>>);

    impl Fate for Told {
        fn sent(self) {
            self.0.set("sent");
        }
        fn broken(self) {
            self.0.set("broken");
        }
    }

    /// What is told when the connection takes so many frames of a response and drops the rest.
    async fn check(frames_taken: usize, expected: &str) {
        let frames = [Frame::data(Bytes::from("message")), Frame::trailers(http::HeaderMap::new())];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        let told = Rc::new(Cell::new("nothing"));
        let mut watched = Watched::new(body, Told(told.clone()));
        for _ in 0..frames_taken {
            watched.frame().await;
        }
        drop(watched);
        assert_eq!(told.get(), expected, "{frames_taken} frames");
    }

    #[tokio::test]
    async fn a_task_is_returned_broken_or_sent_by_what_the_connection_took() {
        check(0, "nothing").await;
        check(1, "broken").await;
        check(2, "sent").await;
        check(3, "sent").await;
    }
}
