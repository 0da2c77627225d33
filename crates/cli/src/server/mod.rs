//! `tenure server ...`

mod run;
mod start_dev;

pub(crate) use run::Removed;

use clap::Subcommand;
use std::path::PathBuf;

/// Run a node.
///
/// Without a subcommand this runs one node of a cluster as the configuration says. A key of the file is overridden by
/// an environment variable of the form `TENURE_<SECTION>__<KEY>`, for example `TENURE_LISTEN__GRPC=0.0.0.0:7233` or
/// `TENURE_NODE__ID=2`. SIGTERM and SIGINT stop the node gracefully: it hands its leaderships to other nodes, flushes
/// and exits with 0; a second signal ends it at once. A node that is removed from its cluster ends by itself, with 3.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The configuration, in TOML; without it, defaults and environment variables are all there is.
    #[arg(long, short, value_name = "FILE", env = "TENURE_CONFIG")]
    config: Option<PathBuf>,
    /// Check the configuration, print it with everything merged, and exit.
    #[arg(long)]
    check: bool,
}

#[derive(Subcommand)]
enum Verb {
    StartDev(start_dev::Args),
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Some(Verb::StartDev(args)) => start_dev::run(args),
        None if args.check => run::check(args.config.as_deref()),
        None => run::run(args.config.as_deref()),
    }
}
