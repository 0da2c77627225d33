//! `tenure cluster upgrade`: raises the cluster's feature level.

use super::{Target, connect, refused};
use crate::output;
use anyhow::bail;
use tenure_peer::admin::{StatusRequest, UpgradeRequest};

/// Let the cluster use what its nodes' build brings, once all of them run it.
///
/// Nodes of a new build go on writing what the build before it can read, so that they may still be replaced by that build.
/// This raises the cluster's feature level to the highest that all nodes know. From then on nodes of an earlier build do
/// not start any more; there is no way back.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let timeout = args.target.timeout();
    let mut any = args.target.connect().await?;
    let status = any.status(StatusRequest {}).await.map_err(refused)?.into_inner();
    let now = status.feature_level;
    if now == 0 {
        bail!("node {} does not know the cluster's feature level yet", status.node_id);
    }
    let mut known = Vec::new();
    for node in &status.nodes {
        let asked =
            async { connect(&node.peer_address, timeout).await?.status(StatusRequest {}).await.map_err(refused) };
        match asked.await {
            Ok(status) => known.push((node.node_id, status.into_inner())),
            Err(cause) => bail!("node {} cannot be asked which build it runs, and all must run: {cause}", node.node_id),
        }
    }
    for (node, status) in &known {
        let (version, level) = (&status.version, status.known_feature_level);
        output::line(format_args!("node {node} runs {version} and knows feature level {level}"))?;
    }
    let lowest = known.iter().map(|(_, status)| status.known_feature_level).min().unwrap_or(now);
    if lowest <= now {
        return output::line(format_args!("the cluster is at feature level {now}: nothing to do"));
    }
    if args.dry_run {
        return output::line(format_args!("the cluster would go from feature level {now} to {lowest}"));
    }
    let level = any.upgrade(UpgradeRequest {}).await.map_err(refused)?.into_inner().feature_level;
    output::line(format_args!("the cluster went from feature level {now} to {level}"))
}
