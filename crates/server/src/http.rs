//! What the HTTP port serves: metrics for Prometheus, health for whatever restarts or routes to this process, the API as
//! JSON, and the pages of the web UI.

use crate::{
    connections,
    ui::{self, Pages},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::StreamExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tenure_frontend::HttpApi;
use tenure_limits::{ARRIVAL, HTTP_CONNECTIONS, STREAMS, VITAL_ARRIVAL, VITAL_CONNECTIONS};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;
use tower_http::compression::CompressionLayer;

/// Whether clients may be sent to this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Why not, for people; absent when ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Readiness {
    pub(crate) fn ready() -> Self {
        Readiness { ready: true, reason: None }
    }

    pub(crate) fn not_because(reason: impl Into<String>) -> Self {
        Readiness { ready: false, reason: Some(reason.into()) }
    }
}

pub(crate) type ReadyCheck = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// What is wrong with the process itself, if anything is.
pub(crate) type HealthCheck = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Brings gauges up to date that are read off the process and the databases when somebody looks.
pub(crate) type Refresh = Arc<dyn Fn() + Send + Sync>;

/// The JSON API, once the node is far enough to have one.
pub(crate) type Api = Arc<OnceLock<HttpApi>>;

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    refresh: Refresh,
    ready: ReadyCheck,
    ill: HealthCheck,
}

/// What the port answers.
#[derive(Clone)]
pub(crate) struct Routes {
    all: Router,
    /// What a connection may ask for that came when there was no more room.
    vital: Router,
}

/// `calls` tracks those of the API that are in flight.
pub(crate) fn router(
    metrics: PrometheusHandle,
    refresh: Refresh,
    (ready, ill): (ReadyCheck, HealthCheck),
    api: Api,
    calls: TaskTracker,
    pages: Pages,
) -> Routes {
    // Whoever scrapes is near: what it takes off is not worth the time.
    let compressed = Router::new().fallback(ask).layer(CompressionLayer::new()).with_state(Rest { api, calls, pages });
    let vital = Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, refresh, ready, ill });
    let no_room = (StatusCode::SERVICE_UNAVAILABLE, "this node has no room for more connections\n");
    Routes { all: vital.clone().merge(compressed), vital: vital.fallback(async move || no_room) }
}

/// What answers all other paths.
#[derive(Clone)]
struct Rest {
    api: Api,
    /// Those of the API that are in flight.
    calls: TaskTracker,
    pages: Pages,
}

async fn ask(State(Rest { api, calls, pages }): State<Rest>, request: Request) -> Response {
    let told = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if told.starts_with(b"application/grpc") {
        // It is not spoken here; a body would be taken for the beginning of a message.
        return StatusCode::NOT_FOUND.into_response();
    }
    if is_page(&request) {
        return pages.answer(request.method(), request.uri().path(), request.headers());
    }
    calls.track_future(ask_api(&api, request)).await
}

/// Some paths of the API without its prefix are also paths of pages: a browser that is sent to one wants the page.
fn is_page(request: &Request) -> bool {
    let path = request.uri().path();
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if path == ui::SETTINGS {
        return true;
    }
    if below("/api") || below("/tenure") || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html")
        || !["/namespaces", "/cluster", "/system-info", "/nexus"].iter().any(|root| below(root))
}

async fn ask_api(api: &Api, request: Request) -> Response {
    let Some(api) = api.get() else {
        let starting = Json(serde_json::json!({"code": 14, "message": "this node is starting"}));
        return (StatusCode::SERVICE_UNAVAILABLE, starting).into_response();
    };
    let answer = api.clone().answer(request.map(tonic::body::Body::new)).await;
    answer.map(Body::new)
}

/// Serves the port until `watching` ends. A connection over which no head of a request comes is closed after a while.
pub(crate) async fn serve(listener: TcpListener, routes: Routes, watching: CancellationToken) {
    serve_within(Room { usual: HTTP_CONNECTIONS, vital: VITAL_CONNECTIONS }, listener, routes, watching).await;
}

/// The connections that there may be.
struct Room {
    usual: usize,
    /// Beyond these.
    vital: usize,
}

async fn serve_within(room: Room, listener: TcpListener, routes: Routes, watching: CancellationToken) {
    // Over HTTP/2, too: who asks this port for gRPC hears that it is not there.
    let mut usual = Builder::new(TokioExecutor::new());
    usual.http1().timer(TokioTimer::new()).header_read_timeout(ARRIVAL);
    usual.http2().timer(TokioTimer::new()).keep_alive_interval(ARRIVAL).max_concurrent_streams(STREAMS);
    let mut brief = Builder::new(TokioExecutor::new()).http1_only();
    brief.http1().timer(TokioTimer::new()).header_read_timeout(VITAL_ARRIVAL).keep_alive(false);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let accepting = async {
        let mut connections = pin!(connections::with_reserve(room.usual, room.vital, incoming));
        while let Some(accepted) = connections.next().await {
            let Ok(connection) = accepted else {
                // There may be too many open files: it would go wrong again at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // What goes wrong with one connection is its client's to notice.
            let (builder, routes) =
                if connection.is_reserve() { (&brief, &routes.vital) } else { (&usual, &routes.all) };
            let service = TowerToHyperService::new(routes.clone());
            let served = builder.serve_connection(TokioIo::new(connection), service).into_owned();
            tokio::spawn(watching.clone().run_until_cancelled_owned(served));
        }
    };
    watching.run_until_cancelled(accepting).await;
}

async fn render_metrics(State(shared): State<Shared>) -> Response {
    // RocksDB's properties and /proc are read with blocking calls, and rendering a large exposition takes a while.
    let rendered = tokio::task::spawn_blocking(move || {
        (shared.refresh)();
        shared.metrics.render()
    });
    match rendered.await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn healthz(State(shared): State<Shared>) -> (StatusCode, String) {
    match (shared.ill)() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = (shared.ready)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ui;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::{io, net::SocketAddr, time::Instant};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };
    use tokio_util::sync::DropGuard;

    const TIMEOUT: Duration = Duration::from_secs(10);

    async fn port(room: Room) -> (SocketAddr, DropGuard) {
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let pages = Pages::new(&Ui { codec_endpoint: String::new(), codec_credentials: false }, None);
        let ready: ReadyCheck = Arc::new(Readiness::ready);
        let routes =
            router(metrics, Arc::new(|| ()), (ready, Arc::new(|| None)), Api::default(), TaskTracker::new(), pages);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let watching = CancellationToken::new();
        tokio::spawn(serve_within(room, listener, routes, watching.clone()));
        (address, watching.drop_guard())
    }

    /// The status line of the answer over a connection of its own, and whether it says that the connection ends with it.
    async fn ask(address: SocketAddr, path: &str) -> io::Result<(String, bool)> {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes()).await?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match timeout(TIMEOUT, connection.read(&mut part)).await?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => answer.extend_from_slice(&part[..read]),
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.lines().next().unwrap_or_default().to_owned();
        Ok((status, answer.contains("connection: close")))
    }

    #[tokio::test]
    async fn a_node_without_room_still_tells_that_it_is_well() {
        let (roomy, _port) = port(Room { usual: 1, vital: 0 }).await;
        assert_eq!(ask(roomy, "/").await.unwrap(), ("HTTP/1.1 200 OK".into(), false));

        let (address, _port) = port(Room { usual: 2, vital: 1 }).await;
        let idle = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        for path in ["/healthz", "/readyz", "/metrics"] {
            // The one before may not have gone yet.
            let begin = Instant::now();
            let answer = loop {
                match ask(address, path).await {
                    Err(_) if begin.elapsed() < TIMEOUT => tokio::time::sleep(Duration::from_millis(10)).await,
                    answer => break answer.unwrap(),
                }
            };
            assert_eq!(answer, ("HTTP/1.1 200 OK".into(), true), "{path}");
        }
        let refused = ask(address, "/").await.unwrap();
        assert_eq!(refused, ("HTTP/1.1 503 Service Unavailable".into(), true));

        // Who takes the last place and asks nothing loses it soon.
        let mut silent = TcpStream::connect(address).await.unwrap();
        let closed = timeout(VITAL_ARRIVAL + TIMEOUT, silent.read(&mut [0; 4096])).await.expect("it is closed");
        assert_eq!(closed.unwrap_or(0), 0);
        drop(idle);
    }
}
