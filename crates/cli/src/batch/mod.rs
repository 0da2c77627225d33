//! `tenure batch ...`: batch operations, which `tenure workflow signal --query` and the like begin.

mod describe;
mod list;
mod stop;

use crate::show::status::word;
use clap::Subcommand;
use tenure_api::enums::v1::{BatchOperationState, BatchOperationType};

/// Look at batch operations on many workflows, and stop them.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Describe(describe::Args),
    Stop(stop::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Describe(args) => describe::run(args).await,
        Verb::Stop(args) => stop::run(args).await,
    }
}

fn state(state: BatchOperationState) -> String {
    word(state.as_str_name(), "BATCH_OPERATION_STATE_")
}

fn kind(kind: BatchOperationType) -> String {
    word(kind.as_str_name(), "BATCH_OPERATION_TYPE_")
}
