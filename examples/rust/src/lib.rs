//! Programs written with the Rust SDK, from the first workflow to sagas.
//!
//! Each module is one; `cargo run -p tenure-examples --bin hello` runs the one called so against the server at
//! `TENURE_ADDRESS` (several addresses are separated by commas), or at 127.0.0.1:7233. `docs/sdk.md` explains them.

pub mod backup;
pub mod find;
pub mod hello;
pub mod jobs;
pub mod kitchen;
pub mod loyalty;
pub mod neighbours;
pub mod nightly;
pub mod order;
pub mod production;
pub mod report;
pub mod restaurant;
pub mod subscription;
pub mod trip;

use std::io::IsTerminal as _;
use tenure_sdk::{Client, ClientError, Worker};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// A client of the server that the environment names; what goes wrong is logged.
pub async fn connect() -> Result<Client, ClientError> {
    connect_logging(LevelFilter::WARN).await
}

/// Logs from `level` up to standard error, unless `RUST_LOG` says otherwise.
pub async fn connect_logging(level: LevelFilter) -> Result<Client, ClientError> {
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let addresses = std::env::var("TENURE_ADDRESS").unwrap_or_else(|_| "127.0.0.1:7233".to_owned());
    Client::connect(addresses.split(',')).await
}

/// Runs `story` beside a worker, which drains when the story ends.
pub async fn beside<T, E: From<ClientError>>(
    worker: Worker,
    story: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let work = worker.run_until(async {
        let _ = stopped.await;
    });
    let story = async {
        let told = story.await;
        let _ = stop.send(());
        told
    };
    let (worked, told) = tokio::join!(work, story);
    worked?;
    told
}

/// An id that no other run of an example has, not even one that began in the same millisecond.
pub fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{name}-{}-{}", now.as_millis(), std::process::id())
}
