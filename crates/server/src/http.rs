//! What the HTTP port serves: metrics for Prometheus, health for whatever restarts or routes to this process, and the pages
//! of the web UI.

use crate::ui::{self, Pages};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use std::sync::Arc;

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

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    refresh: Refresh,
    ready: ReadyCheck,
}

pub(crate) fn router(metrics: PrometheusHandle, refresh: Refresh, ready: ReadyCheck, pages: Pages) -> Router {
    let pages = Router::new().fallback(show_page).with_state(pages);
    Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, refresh, ready })
        .merge(pages)
}

async fn show_page(State(pages): State<Pages>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    // A call that this version does not know must not be answered with a page.
    if uri.path() != ui::SETTINGS && ["/api/", "/tenure/"].iter().any(|api| uri.path().starts_with(api)) {
        let unknown = Json(serde_json::json!({"code": 12, "message": "there is no such call"}));
        return (StatusCode::NOT_FOUND, unknown).into_response();
    }
    pages.answer(&method, uri.path(), &headers)
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
