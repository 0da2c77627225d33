//! `tenure worker ...`

mod describe;
mod list;

use crate::show::{style::Tone, table::Cell};
use clap::Subcommand;
use tenure_api::{deployment::v1::WorkerDeploymentVersion, enums::v1::WorkerStatus};

/// Look at workers: what each process says of itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Describe(describe::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Describe(args) => describe::run(args).await,
    }
}

fn status(number: i32) -> Cell {
    match WorkerStatus::try_from(number) {
        Ok(WorkerStatus::Unspecified) => Cell::from(""),
        Ok(WorkerStatus::Running) => Cell::toned("running", Tone::Live),
        Ok(WorkerStatus::ShuttingDown) => Cell::toned("shutting down", Tone::Faint),
        Ok(WorkerStatus::Shutdown) => Cell::toned("shut down", Tone::Faint),
        Err(_) => Cell::from(number.to_string()),
    }
}

/// A version of a deployment; empty for none.
fn version(version: Option<&WorkerDeploymentVersion>) -> String {
    match version {
        Some(version) if version.deployment_name.is_empty() => version.build_id.clone(),
        Some(version) => format!("{}/{}", version.deployment_name, version.build_id),
        None => String::new(),
    }
}

/// The SDK with its version.
fn sdk(name: &str, version: &str) -> String {
    format!("{name} {version}").trim().to_owned()
}
