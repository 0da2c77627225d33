//! `tenure cluster rebuild`: puts the rows of another replica in the place of damaged ones.

use super::{Target, connect, refused, transfer_leader::address_of};
use crate::output;
use serde::Serialize;
use std::time::Duration;
use tenure_peer::admin::{RebuildRequest, StatusRequest};

/// All rows of a shard are sent.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Rebuild a node's replica of a shard from another node's, and wait until that is done.
///
/// For one whose rows are damaged, or not those of the others. It hands over what it leads, keeps its log and its vote, and goes on
/// from the new rows. `tenure cluster status` shows how far it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node whose replica is rebuilt.
    node: u64,
    /// The shard; 0 is the system shard.
    shard: u32,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View {
    /// Whose rows they are.
    from: u64,
    /// Of the last entry that was applied to them.
    index: u64,
    seconds: f64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (node, shard) = (args.node, args.shard);
    let status = args.target.connect().await?.status(StatusRequest {}).await.map_err(refused)?.into_inner();
    let address = address_of(&status, node)?;
    let rebuilt = connect(&address, PATIENCE).await?.rebuild(RebuildRequest { shard }).await;
    let rebuilt = rebuilt.map_err(refused)?.into_inner();
    let view = View { from: rebuilt.from, index: rebuilt.index, seconds: rebuilt.seconds };
    if args.json {
        return output::line(serde_json::to_string_pretty(&view)?);
    }
    let View { from, index, seconds } = view;
    output::line(format_args!(
        "The replica of shard {shard} on node {node} has the rows of node {from} after entry {index}; it took {seconds:.1} s."
    ))
}
