//! `tenure cluster partition`: cuts a node off from peers, in builds for tests.

use super::{Target, refused};
use crate::output;
use tenure_peer::admin::PartitionRequest;

/// Cut the node at --address off from some of its peers (only builds with the feature `fault-injection`).
///
/// Nothing is said to or heard from them until this is called again; without --from the node is whole again. With
/// --one-way they do not hear it, and it still hears them. Clients still reach it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A node to be cut off from; may be given more than once.
    #[arg(long, value_name = "NODE")]
    from: Vec<u64>,
    /// Cut only what this node sends.
    #[arg(long, requires = "from")]
    one_way: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let request = PartitionRequest { nodes: args.from.clone(), one_way: args.one_way };
    args.target.connect().await?.partition(request).await.map_err(refused)?;
    if args.from.is_empty() {
        output::line(format_args!("{} hears and speaks to all peers", args.target.address))
    } else if args.one_way {
        output::line(format_args!("{} is not heard by {:?}", args.target.address, args.from))
    } else {
        output::line(format_args!("{} is cut off from {:?}", args.target.address, args.from))
    }
}
