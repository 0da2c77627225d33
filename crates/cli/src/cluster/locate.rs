//! `tenure cluster locate`: where a workflow lives.

use super::{Target, refused};
use crate::output;
use serde_json::json;
use tenure_peer::admin::LocateRequest;

/// Show the slot and the shard of a workflow, and the node that leads it.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, short, default_value = "default")]
    namespace: String,
    #[arg(long, short)]
    workflow_id: String,
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let request = LocateRequest { namespace: args.namespace, workflow_id: args.workflow_id };
    let at = args.target.connect().await?.locate(request).await.map_err(refused)?.into_inner();
    if args.json {
        output::line(json!({ "slot": at.slot, "shard": at.shard, "leader": at.leader }))
    } else {
        let leader = if at.leader == 0 { "none".to_owned() } else { format!("node {}", at.leader) };
        output::line(format_args!("slot {}, shard {}, leader: {leader}", at.slot, at.shard))
    }
}
