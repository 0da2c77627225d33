//! `tenure cluster add-node`: makes a node that waits to join a member.

use super::{
    Target,
    members::{Change, change},
};

/// Make a node a member that was started with `cluster.join = true`.
///
/// It gets a replica of every shard, and a vote once it has caught up. The others go on meanwhile.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The id of the new node.
    node: u64,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    change(&args.target, &args.change, (args.node, 0)).await
}
