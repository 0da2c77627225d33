//! A program as it runs in production: what it tells of itself, what its workers may take, and how its clients connect.

use axum::{Router, routing::get};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use std::{error::Error, net::SocketAddr, time::Duration};
use tenure_sdk::{
    ClientBuilder, ClientCall, DataConverter, DataError, OpenTelemetry, Payload, PayloadCodec, prelude::*,
};
use tokio::net::TcpListener;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub struct Shop;

#[activities]
impl Shop {
    #[activity]
    async fn ship(&self, item: String) -> Result<String> {
        Ok(format!("{item} is on its way"))
    }
}

/// The activities that the bank limits have a queue of their own.
pub struct Bank;

#[activities]
impl Bank {
    #[activity]
    async fn charge(&self, cents: u64) -> Result<String> {
        Ok(format!("receipt for {cents} cents"))
    }
}

#[workflow]
pub async fn order(cx: WorkflowContext, item: String) -> Result<String> {
    cx.activity(Bank::CHARGE, 999u64).task_queue("bank").start_to_close(Duration::from_secs(10)).await?;
    cx.activity(Shop::SHIP, item).start_to_close(Duration::from_secs(10)).await
}

/// Logs are lines of JSON, of the levels that `RUST_LOG` names; traces go to a collector.
pub fn telemetry(collector: &str) -> Result<SdkTracerProvider, Box<dyn Error>> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(collector).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    let logs = tracing_subscriber::fmt::layer().json().with_filter(EnvFilter::from_default_env());
    tracing_subscriber::registry().with(traces.with_filter(LevelFilter::INFO)).with(logs).init();
    Ok(provider)
}

/// Metrics are at `/metrics`, for Prometheus.
pub async fn metrics(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let buckets = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0];
    let recorder = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
    let page = Router::new().route("/metrics", get(async move || recorder.render()));
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move { axum::serve(listener, page).await });
    Ok(())
}

/// One process with a worker for each of two queues.
pub async fn run(collector: &str) -> Result<(), Box<dyn Error>> {
    let traces = telemetry(collector)?;
    metrics(([0, 0, 0, 0], 9090).into()).await?;
    let client = Client::builder(["10.0.0.1:7233", "10.0.0.2:7233"]).interceptor(OpenTelemetry).connect().await?;
    let orders = Worker::new(client.clone(), "orders").interceptor(OpenTelemetry).workflow(order).activities(Shop);
    let limit = WorkerOptions::default().queue_activities_per_second(5.0);
    let bank = Worker::new(client, "bank").interceptor(OpenTelemetry).options(limit).activities(Bank);
    // Each takes nothing new after SIGTERM, and ends when what runs has ended.
    tokio::try_join!(orders.run(), bank.run())?;
    traces.shutdown()?;
    Ok(())
}

/// A worker with limits.
pub async fn work(client: Client, shop: Shop) -> Result<(), ClientError> {
    let options = WorkerOptions::default()
        .activity_slots(20) // activities at the same time
        .activities_per_second(5.0) // what a payment service allows
        .cached_workflows(5_000) // kept between their tasks; the others are replayed
        .grace(Duration::from_secs(60));
    Worker::new(client, "orders").options(options).workflow(order).activities(shop).run().await?;
    Ok(())
}

/// Keys that change.
pub trait Keys: Send + Sync + 'static {
    fn current(&self) -> String;
}

/// Looks up the key for each call.
pub async fn with_changing_key(builder: ClientBuilder, keys: impl Keys) -> Result<Client, ClientError> {
    let builder = builder.intercept(move |call| call.insert("authorization", &format!("Bearer {}", keys.current())));
    builder.connect().await
}

/// Sends the tenant along with each call.
pub async fn of_tenant(addresses: Vec<String>) -> Result<Client, ClientError> {
    let tenant = |call: &mut ClientCall<'_>| Ok(call.headers.insert("tenant", "ann".to_owned())?);
    let client = Client::builder(addresses).interceptor(tenant).connect().await?;
    Ok(client)
}

/// Stands for whatever seals and opens.
pub struct Vault;

impl Vault {
    pub fn new(_key: [u8; 32]) -> Self {
        Vault
    }
}

impl PayloadCodec for Vault {
    fn encode(&self, payload: Payload) -> Result<Payload, DataError> {
        Ok(payload)
    }

    fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
        Ok(payload)
    }
}

/// Encrypts what the server gets to see.
pub async fn sealed(addresses: Vec<String>, key: [u8; 32]) -> Result<Client, ClientError> {
    let converter = DataConverter::default().with_codec(Vault::new(key)).with_sealed_failures();
    let client = Client::builder(addresses).converter(converter).connect().await?;
    Ok(client)
}
