//! `tenure server --config FILE`: one node of a cluster, until it is told to stop.

use crate::output;
use std::path::Path;
use tenure_server::config::Config;
use tenure_server::{Server, StartError, telemetry};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(file, &Config::environment())?;
    output::line(serde_json::to_string_pretty(&config)?)
}

pub(crate) fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(file, &Config::environment())?;
    until_stopped(config, |_| {})
}

/// Runs a node with `config` until a signal stops it or it fails; `started` is told when the node is ready.
pub(crate) fn until_stopped(config: Config, started: impl FnOnce(&Server)) -> anyhow::Result<()> {
    telemetry::init_logs(&config.log);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.runtime.worker_threads > 0 {
        runtime.worker_threads(config.runtime.worker_threads);
    }
    let runtime = runtime.thread_name("tenure").enable_all().build()?;
    let done = runtime.block_on(async {
        // From before the start on, so that a stop in the middle of it is not lost.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let server = tokio::select! {
            server = Server::start(config) => server.map_err(not_started)?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let run = async {
            server.ready().await;
            started(&server);
            std::future::pending().await
        };
        let removed = tokio::select! {
            () = run => None,
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            why = server.removed() => Some(why),
            cause = server.failed() => return Err(cause.into()),
        };
        tracing::info!("stopping; a second signal ends this at once");
        tokio::select! {
            () = server.stop() => match removed {
                None => Ok(()),
                Some(why) => Err(Removed(why).into()),
            },
            _ = terminate.recv() => Err(anyhow::anyhow!("ended by a second signal")),
            _ = interrupt.recv() => Err(anyhow::anyhow!("ended by a second signal")),
        }
    });
    // Blocking work that is still in flight must not hold up the exit.
    runtime.shutdown_background();
    done
}

/// The node was removed from its cluster: it ends, and starting it again is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Removed(String);

fn not_started(error: StartError) -> anyhow::Error {
    match error.removed() {
        Some(why) => Removed(why.to_owned()).into(),
        None => error.into(),
    }
}
