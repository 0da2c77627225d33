//! `tenure workflow ...`

mod act;
mod batch;
mod cancel;
mod count;
mod delete;
mod describe;
mod list;
mod pause;
mod plan;
mod query;
mod reset;
mod result;
mod show;
mod signal;
mod start;
mod terminate;
mod which;
mod why;

use clap::Subcommand;

/// List, count, look at, start, signal, query, pause and end workflows.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(list::Args),
    Count(count::Args),
    Describe(describe::Args),
    Why(why::Args),
    Show(show::Args),
    Start(start::Args),
    Result(result::Args),
    Query(query::Args),
    Signal(signal::Args),
    Pause(pause::Pause),
    Unpause(pause::Unpause),
    Cancel(cancel::Args),
    Terminate(terminate::Args),
    Delete(delete::Args),
    Reset(reset::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Count(args) => count::run(args).await,
        Verb::Describe(args) => describe::run(args).await,
        Verb::Why(args) => why::run(args).await,
        Verb::Show(args) => show::run(args).await,
        Verb::Start(args) => start::run(args).await,
        Verb::Result(args) => result::run(args).await,
        Verb::Query(args) => query::run(args).await,
        Verb::Signal(args) => signal::run(args).await,
        Verb::Pause(args) => pause::pause(args).await,
        Verb::Unpause(args) => pause::unpause(args).await,
        Verb::Cancel(args) => cancel::run(args).await,
        Verb::Terminate(args) => terminate::run(args).await,
        Verb::Delete(args) => delete::run(args).await,
        Verb::Reset(args) => reset::run(args).await,
    }
}
