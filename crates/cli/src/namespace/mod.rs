//! `tenure namespace ...`

mod create;
mod delete;
mod describe;
mod list;
mod update;

use crate::api::key_value;
use clap::Subcommand;
use std::time::Duration;

/// List, create, change and delete namespaces.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Describe(describe::Args),
    Create(create::Args),
    Update(update::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Describe(args) => describe::run(args).await,
        Verb::Create(args) => create::run(args).await,
        Verb::Update(args) => update::run(args).await,
        Verb::Delete(args) => delete::run(args).await,
    }
}

/// What can be said of a namespace.
#[derive(clap::Args)]
struct Properties {
    /// How long closed workflows are kept, for example 3d or 12h.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    retention: Option<Duration>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// Whom to ask about it.
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// Something else to keep with it; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    data: Vec<(String, String)>,
}
