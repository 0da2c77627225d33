//! Traces that go through workflows. With the feature `opentelemetry`.

use crate::{ClientCall, ClientError, ClientInterceptor, Headers, OutboundCall, WorkerInterceptor};
use opentelemetry::global;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header of other SDKs: a map, as the process's propagator writes it.
const HEADER: &str = "_tracer-data";

/// Takes the trace of the `tracing` span in which a client calls along, through workflows, to the activities that they
/// call: their spans become children of the caller's. An interceptor of clients and of workers.
///
/// The process has to have a layer of the crate `tracing-opentelemetry`, and a propagator:
///
/// ```no_run
/// # async fn run() -> Result<(), tenure_sdk::ClientError> {
/// use tenure_sdk::{OpenTelemetry, prelude::*};
///
/// // opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
/// // tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer)).init();
/// let client = Client::builder(["127.0.0.1:7233"]).interceptor(OpenTelemetry).connect().await?;
/// let worker = Worker::new(client.clone(), "shop").interceptor(OpenTelemetry);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTelemetry;

impl ClientInterceptor for OpenTelemetry {
    fn call(&self, call: &mut ClientCall<'_>) -> Result<(), ClientError> {
        let (context, mut carrier) = (Span::current().context(), HashMap::<String, String>::new());
        global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
        if !carrier.is_empty() {
            call.headers.insert(HEADER, carrier)?;
        }
        Ok(())
    }
}

impl WorkerInterceptor for OpenTelemetry {
    fn span(&self, headers: &Headers, span: &Span) {
        if let Some(carrier) = headers.get::<HashMap<String, String>>(HEADER) {
            let caller = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
            // Without a layer there are no traces.
            let _ = span.set_parent(caller);
        }
    }

    fn workflow_outbound(&self, call: &mut OutboundCall<'_>) {
        call.headers.copy_from(&call.workflow.headers, HEADER);
    }
}
