//! Several addresses of one cluster: a call goes to the one that answered last, and to the next when it does not.

use crate::{error::ClientError, outgoing::Extras};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_api::{
    operatorservice::v1::operator_service_client::OperatorServiceClient,
    tenure::v1::tenure_service_client::TenureServiceClient,
    workflowservice::v1::workflow_service_client::WorkflowServiceClient,
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};

/// The API's client on one address.
pub type WorkflowService = WorkflowServiceClient<Channel>;

/// The client of the API's operator service on one address.
pub type OperatorService = OperatorServiceClient<Channel>;

/// The client of Tenure's own API on one address.
pub type TenureService = TenureServiceClient<Channel>;

/// How long a call may take: one attempt, and all of them.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Limit for one attempt.
    pub attempt: Duration,
    /// Limit for all attempts together.
    pub total: Duration,
}

impl Patience {
    /// A call that is answered at once, within `total`.
    pub const fn short(total: Duration) -> Self {
        Patience { attempt: Duration::from_secs(10), total }
    }

    /// A call that the server may hold for a minute.
    pub const fn long(total: Duration) -> Self {
        Patience { attempt: Duration::from_secs(70), total }
    }
}

type ResponseFuture<R> = Pin<Box<dyn Future<Output = Result<Response<R>, Status>> + Send>>;

/// Connections to the addresses of a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connection {
    addresses: Arc<[(String, Channel)]>,
    /// Index of the address that calls go to.
    current: Arc<AtomicUsize>,
    extras: Arc<Extras>,
    /// When it was last said that no address answers.
    complained: Arc<Mutex<Option<Instant>>>,
}

/// How addresses are connected to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::Tls>,
}

/// What the server may send in one message: a page of history with large payloads.
const LARGEST_MESSAGE: usize = 128 << 20;

const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(10);

impl Connection {
    /// Connects when it is first used. An address is `host:port`, with `http://` or `https://` or without.
    pub(crate) fn lazy(addresses: Vec<String>, security: &Security, extras: Extras) -> Result<Self, ClientError> {
        let channels = addresses.into_iter().map(|address| channel(address, security));
        let addresses = channels.collect::<Result<Arc<[_]>, _>>()?;
        if addresses.is_empty() {
            return Err(ClientError::Invalid("no address to connect to".to_owned()));
        }
        let extras = Arc::new(extras);
        Ok(Connection { addresses, current: Arc::default(), extras, complained: Arc::default() })
    }

    /// The addresses, separated by commas.
    pub fn addresses(&self) -> String {
        self.addresses.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Calls until an address answers, or refuses for good, or time is up. `request` carries ids that make a second
    /// try harmless.
    ///
    /// # Errors
    /// [`ClientError::Status`] as soon as a server refuses; [`ClientError::Unreachable`] when none has answered within
    /// `patience`. UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, CANCELLED and broken connections are no answers.
    pub async fn call<Q: Clone, R>(
        &self,
        method: &'static str,
        request: Q,
        patience: Patience,
        rpc: impl Fn(WorkflowService, Request<Q>) -> ResponseFuture<R>,
    ) -> Result<R, ClientError> {
        self.respond(method, request, patience, rpc).await.map(Response::into_inner)
    }

    /// The same, with the metadata that came along with the answer.
    pub async fn respond<Q: Clone, R>(
        &self,
        method: &'static str,
        request: Q,
        patience: Patience,
        rpc: impl Fn(WorkflowService, Request<Q>) -> ResponseFuture<R>,
    ) -> Result<Response<R>, ClientError> {
        let rpc =
            |channel, request| rpc(WorkflowService::new(channel).max_decoding_message_size(LARGEST_MESSAGE), request);
        self.at_any_address(method, request, patience, rpc).await
    }

    /// The same as [`Self::call`], for the operator service.
    pub async fn operate<Q: Clone, R>(
        &self,
        method: &'static str,
        request: Q,
        patience: Patience,
        rpc: impl Fn(OperatorService, Request<Q>) -> ResponseFuture<R>,
    ) -> Result<R, ClientError> {
        let rpc = |channel, request| rpc(OperatorService::new(channel), request);
        self.at_any_address(method, request, patience, rpc).await.map(Response::into_inner)
    }

    /// The same as [`Self::call`], for Tenure's own API.
    pub async fn own<Q: Clone, R>(
        &self,
        method: &'static str,
        request: Q,
        patience: Patience,
        rpc: impl Fn(TenureService, Request<Q>) -> ResponseFuture<R>,
    ) -> Result<R, ClientError> {
        let rpc = |channel, request| rpc(TenureService::new(channel), request);
        self.at_any_address(method, request, patience, rpc).await.map(Response::into_inner)
    }

    async fn at_any_address<Q: Clone, R>(
        &self,
        method: &'static str,
        request: Q,
        patience: Patience,
        rpc: impl Fn(Channel, Request<Q>) -> ResponseFuture<R>,
    ) -> Result<Response<R>, ClientError> {
        let began = Instant::now();
        let mut pauses = pauses(Duration::from_secs(2));
        for tried in 1.. {
            let at = self.current.load(Ordering::Relaxed);
            let (address, channel) = &self.addresses[at % self.addresses.len()];
            let remaining = patience.total.saturating_sub(began.elapsed());
            let mut request = Request::new(request.clone());
            self.extras.apply(method, request.metadata_mut())?;
            let status = match attempt(channel, request, patience.attempt.min(remaining), &rpc).await {
                Ok(answer) => return Ok(answer),
                Err(status) if !worth_another_try(&status) => return Err(status.into()),
                Err(status) => status,
            };
            tracing::debug!(%address, method, code = ?status.code(), message = status.message(), "call failed");
            if status.code() != Code::ResourceExhausted {
                // Only one of those that fail at the same time moves on.
                let _ = self.current.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
            }
            if tried >= self.addresses.len() {
                self.say_that_nobody_answers(&status);
            }
            // All addresses at once in the first round, then with pauses.
            let pause = if tried < self.addresses.len() { Duration::ZERO } else { pauses.next().unwrap_or_default() };
            if began.elapsed() + pause >= patience.total {
                let seconds = patience.total.as_secs();
                return Err(ClientError::Unreachable { addresses: self.addresses(), seconds, last: status });
            }
            tokio::time::sleep(pause).await;
        }
        unreachable!("tries until time is up")
    }

    /// Once per interval, however many calls are waiting.
    fn say_that_nobody_answers(&self, status: &Status) {
        let Ok(mut last) = self.complained.try_lock() else { return };
        if last.is_none_or(|last| last.elapsed() >= BETWEEN_COMPLAINTS) {
            *last = Some(Instant::now());
            let (code, message) = (status.code(), status.message());
            tracing::warn!(addresses = self.addresses(), ?code, message, "no server answers, trying on");
        }
    }
}

/// The pauses between tries: they double from 20 ms up to `longest`, and never end.
pub(crate) fn pauses(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .build()
}

fn channel(address: String, security: &Security) -> Result<(String, Channel), ClientError> {
    let (scheme, host) = address.split_once("://").unwrap_or(("", &address));
    let invalid = |why: &dyn std::fmt::Display| ClientError::Invalid(format!("the address {address:?}: {why}"));
    let endpoint = |scheme: &str| Endpoint::from_shared(format!("{scheme}://{host}")).map_err(|error| invalid(&error));
    #[cfg(feature = "tls")]
    let endpoint = match (&security.tls, scheme) {
        (Some(tls), _) => tls.apply(endpoint("https")?)?,
        (None, "https") => crate::Tls::new().apply(endpoint("https")?)?,
        (None, _) => endpoint("http")?,
    };
    #[cfg(not(feature = "tls"))]
    let endpoint = match (security, scheme) {
        (_, "https") => return Err(invalid(&"for TLS, enable the crate's feature `tls`")),
        _ => endpoint("http")?,
    };
    let channel = endpoint
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .connect_lazy();
    Ok((address, channel))
}

async fn attempt<Q, R>(
    channel: &Channel,
    mut request: Request<Q>,
    time: Duration,
    rpc: &impl Fn(Channel, Request<Q>) -> ResponseFuture<R>,
) -> Result<Response<R>, Status> {
    request.set_timeout(time);
    // The deadline is the server's to keep; a server that is gone is noticed here.
    let kept = tokio::time::timeout(time + Duration::from_millis(500), rpc(channel.clone(), request));
    match kept.await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

/// What another address, or the same one later, may answer.
fn worth_another_try(status: &Status) -> bool {
    let code = status.code();
    if crate::error::is_too_large(status) {
        return false;
    }
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled)
        // Not said by a server, but by the connection that broke.
        || status.source().is_some()
}

/// `rpc!(connection, method, request, patience)` calls a method of the workflow service. With `operate` in front it is one
/// of the operator service, with `own` one of Tenure's own API; with `respond`, the answer comes with its metadata.
#[doc(hidden)]
#[macro_export]
macro_rules! rpc {
    ($connection:expr, $method:ident, $request:expr, $patience:expr) => {
        $crate::rpc!(call $connection, $method, $request, $patience)
    };
    ($way:ident $connection:expr, $method:ident, $request:expr, $patience:expr) => {
        $connection.$way(stringify!($method), $request, $patience, |mut service, request| {
            ::std::boxed::Box::pin(async move { service.$method(request).await })
        })
    };
}
