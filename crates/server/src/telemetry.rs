//! Logs and metrics of the process. Both are global, so a process that holds several servers shares them.

use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Seconds, from a memory access's worth of work to a long poll.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Bytes, from a small message to the largest one accepted.
const BYTES: &[f64] = &[256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
/// How many things went into one batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

/// openraft tells its whole state at `info`, and calls every message that is late for a stop an error. What matters of it
/// (leaders, the death of a group) the raft crate says. A filter that names it wins.
const QUIET: &str = "openraft=off";

/// Starts logging to standard error. A second call in one process is ignored.
pub fn init_logs(log: &Log) {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", log.filter)).unwrap_or_else(|_| EnvFilter::new(QUIET));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Standard error may be closed at its other end, and that is where this would be reported to, by a panic.
        .log_internal_errors(false);
    // Only the first subscriber of a process counts; tests start many servers.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// The process's metrics, ready to be rendered for Prometheus; recording begins with the first call.
pub(crate) fn metrics() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut made = HANDLE.lock();
    if let Some(handle) = &*made {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)?
        .set_buckets(COUNTS)?
        .build_recorder();
    let handle = recorder.handle();
    // An error: the process records into a recorder of its own, and this one stays empty.
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
    }
    Ok(made.insert(handle).clone())
}

/// Help texts come from the table that people read, so that there is one of them.
fn describe() {
    metrics_process::Collector::default().describe();
    for metric in documented() {
        let (name, help) = (metric.name.to_owned(), metric.help.to_owned());
        match metric.kind {
            "counter" => metrics::describe_counter!(name, help),
            "gauge" => metrics::describe_gauge!(name, help),
            _ => metrics::describe_histogram!(name, help),
        }
    }
}

/// A row of `docs/metrics.md`.
pub struct Metric {
    pub name: &'static str,
    pub kind: &'static str,
    pub help: &'static str,
}

/// The rows of `docs/metrics.md`, in its order.
pub fn documented() -> impl Iterator<Item = Metric> {
    include_str!("../../../docs/metrics.md").lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        let kind = cells.next()?;
        let _labels = cells.next()?;
        Some(Metric { name, kind, help: cells.next()? })
    })
}
