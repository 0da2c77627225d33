//! `tenure cluster replace-node`: a new node takes the place of one that is lost.

use super::{
    Target,
    members::{Change, change},
};

/// Have a new node take the place of one that lost its disk, or is gone for good.
///
/// The new one is started with an id that was never used, an empty data directory and `cluster.join = true`. It gets all
/// rows from the others, which go on meanwhile, and then the old one's votes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node that is lost. It must not run.
    old: u64,
    /// The node that takes its place.
    new: u64,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    change(&args.target, &args.change, (args.new, args.old)).await
}
