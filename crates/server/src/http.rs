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
use tenure_limits::{ARRIVAL, HTTP_CONNECTIONS, STREAMS};
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

/// Brings gauges up to date that are read off the process and the databases when somebody looks.
pub(crate) type Refresh = Arc<dyn Fn() + Send + Sync>;

/// The JSON API, once the node is far enough to have one.
pub(crate) type Api = Arc<OnceLock<HttpApi>>;

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    refresh: Refresh,
    ready: ReadyCheck,
}

/// `calls` tracks those of the API that are in flight.
pub(crate) fn router(
    metrics: PrometheusHandle,
    refresh: Refresh,
    ready: ReadyCheck,
    api: Api,
    calls: TaskTracker,
    pages: Pages,
) -> Router {
    // Whoever scrapes is near: what it takes off is not worth the time.
    let compressed = Router::new().fallback(ask).layer(CompressionLayer::new()).with_state(Rest { api, calls, pages });
    Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, refresh, ready })
        .merge(compressed)
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
pub(crate) async fn serve(listener: TcpListener, routes: Router, watching: CancellationToken) {
    // Over HTTP/2, too: who asks this port for gRPC hears that it is not there.
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(ARRIVAL);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(ARRIVAL).max_concurrent_streams(STREAMS);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let accepting = async {
        let mut connections = pin!(connections::at_most(HTTP_CONNECTIONS, incoming));
        while let Some(accepted) = connections.next().await {
            let Ok(connection) = accepted else {
                // There may be too many open files: it would go wrong again at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // What goes wrong with one connection is its client's to notice.
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

async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = (shared.ready)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
