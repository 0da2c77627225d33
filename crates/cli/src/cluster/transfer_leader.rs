//! `tenure cluster transfer-leader`: hands a shard's leadership to another node.

use super::{Target, connect, refused};
use crate::output;
use anyhow::{Context, bail};
use std::time::{Duration, Instant};
use tenure_peer::admin::{StatusReply, StatusRequest, TransferLeaderRequest};

/// Hand a shard's leadership to another node, and wait until that node leads.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shard; 0 is the system shard.
    #[arg(long)]
    shard: u32,
    /// The node that shall lead.
    #[arg(long, value_name = "NODE")]
    to: u64,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let timeout = args.target.timeout();
    let mut any = args.target.connect().await?;
    let status = any.status(StatusRequest {}).await.map_err(refused)?.into_inner();
    let leader = leader_of(&status, args.shard)?;
    if leader == args.to {
        return output::line(format_args!("node {} leads shard {} already", args.to, args.shard));
    }
    if !status.nodes.iter().any(|node| node.node_id == args.to) {
        return Err(crate::Usage(format!("there is no node {}", args.to)).into());
    }
    // Only the leader can hand over.
    let address = address_of(&status, leader)?;
    let request = TransferLeaderRequest { shard: args.shard, to: args.to };
    connect(&address, timeout).await?.transfer_leader(request).await.map_err(refused)?;

    let deadline = Instant::now() + timeout.max(Duration::from_secs(5));
    loop {
        let now = any.status(StatusRequest {}).await.map_err(refused)?.into_inner();
        if leader_of(&now, args.shard).is_ok_and(|leader| leader == args.to) {
            return output::line(format_args!("shard {}: node {leader} -> node {}", args.shard, args.to));
        }
        if Instant::now() > deadline {
            anyhow::bail!("node {} was asked, but node {} does not lead yet", leader, args.to);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn leader_of(status: &StatusReply, shard: u32) -> anyhow::Result<u64> {
    let Some(found) = status.shards.iter().find(|s| s.shard == shard) else {
        bail!("there is no shard {shard}");
    };
    if found.leader == 0 {
        bail!("shard {shard} has no leader now");
    }
    Ok(found.leader)
}

pub(super) fn address_of(status: &StatusReply, node: u64) -> anyhow::Result<String> {
    let found = status.nodes.iter().find(|n| n.node_id == node);
    found.map(|n| n.peer_address.clone()).with_context(|| format!("the address of node {node} is not known"))
}
