//! `tenure cluster remove-node`: takes a node out of the cluster.

use super::{
    Target,
    members::{Change, change},
};

/// Take a node out of the cluster, whether it runs or not.
///
/// It hands over what it leads and loses its votes. From then on it is refused, and its id is never used again. Stop it
/// when this has ended.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node that goes.
    node: u64,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    change(&args.target, &args.change, (0, args.node)).await
}
