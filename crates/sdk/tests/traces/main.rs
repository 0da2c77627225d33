//! A trace goes from a client through a workflow to an activity, and to a collector. A binary of its own: it has a
//! subscriber of its own.

#[allow(dead_code)]
#[path = "../sdk/common.rs"]
mod common;

use common::{Server, unique, with_worker};
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tenure_sdk::{OpenTelemetry, prelude::*};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// The address of one that listens.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn span(&self, name: &str) -> Option<Span> {
        self.0.lock().unwrap().iter().find(|span| span.name == name).cloned()
    }
}

#[activity]
async fn charge(cents: u64) -> u64 {
    tracing::info_span!("bank").in_scope(|| cents)
}

#[workflow]
async fn order(cx: WorkflowContext, cents: u64) -> Result<u64> {
    cx.activity(charge, cents).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spans_of_activities_are_children_of_the_callers() {
    let collector = Collector::default();
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(collector.start().await);
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter.build().unwrap()).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO)).init();

    let Some(server) = Server::start().await else { return };
    let builder = Client::builder(server.address.split(',')).interceptor(OpenTelemetry);
    let (client, queue) = (builder.connect().await.unwrap(), unique("traces"));
    let worker = Worker::new(client.clone(), &queue).interceptor(OpenTelemetry).workflow(order).activity(charge);
    let request = async {
        let handle = client.start(order, 999u64).id(&queue).task_queue(&queue).await.unwrap();
        handle.result().await.unwrap()
    };
    with_worker(worker, request.instrument(tracing::info_span!("request"))).await;

    let exported = async {
        loop {
            let flushing = provider.clone();
            tokio::task::spawn_blocking(move || flushing.force_flush()).await.unwrap().unwrap();
            let spans = ["request", "workflow", "activity", "bank"].map(|name| collector.span(name));
            if let [Some(request), Some(workflow), Some(activity), Some(bank)] = spans {
                return (request, workflow, activity, bank);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let exported = tokio::time::timeout(Duration::from_secs(20), exported).await;
    let (request, workflow, activity, bank) = exported.expect("all spans come to the collector");
    assert!(request.parent_span_id.is_empty());
    assert_eq!((&workflow.parent_span_id, &workflow.trace_id), (&request.span_id, &request.trace_id));
    assert_eq!((&activity.parent_span_id, &activity.trace_id), (&request.span_id, &request.trace_id));
    assert_eq!((&bank.parent_span_id, &bank.trace_id), (&activity.span_id, &request.trace_id));
}
