//! `tenure task-queue ...`

mod describe;

use clap::Subcommand;

/// Look at task queues: who polls them, what waits in them.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Describe(describe::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::Describe(args) => describe::run(args).await,
    }
}
