//! `tenure cluster init`: founds a cluster of a node that waits for that.

use super::{Target, refused, token};
use crate::output;
use std::time::Duration;
use tenure_peer::admin::InitRequest;

/// Found a cluster of one node that was started with an empty data directory and `cluster.join = true`.
///
/// Prints a join token: the other nodes are started with it, and come in one after the other.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long the join token is good.
    #[arg(long, value_name = "DURATION", default_value = "1day", value_parser = humantime::parse_duration)]
    valid_for: Duration,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let reply = args.target.connect().await?.init(InitRequest {}).await.map_err(refused)?.into_inner();
    output::line(format_args!("cluster {} is founded, and node {} is in it", reply.cluster_id, reply.node_id))?;
    let made = token::make(&args.target, args.valid_for).await?;
    output::line(format_args!(
        "\nAnother node joins when it starts with an id of its own, an empty data directory, and this in its configuration \
         (good until {}):\n\n[cluster]\ntoken = \"{}\"",
        token::until(&made),
        made.token
    ))
}
