//! `tenure namespace create`

use super::Properties;
use crate::{
    api::{Server, ask},
    output,
    show::{json, text::clean, time::span},
};
use std::time::Duration;
use tenure_api::{time::duration_to_proto, workflowservice::v1::RegisterNamespaceRequest};

/// Create a namespace.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure namespace create shop --retention 30d --description 'Orders and payments' --owner shop@example.com")]
pub(crate) struct Args {
    #[arg(value_name = "NAMESPACE")]
    name: String,
    #[command(flatten)]
    properties: Properties,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// How long closed workflows are kept, unless it is said.
const RETENTION: Duration = Duration::from_secs(3 * 86_400);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.server.reach_at(&args.name).await?;
    let retention = args.properties.retention.unwrap_or(RETENTION);
    let request = RegisterNamespaceRequest {
        namespace: args.name.clone(),
        description: args.properties.description.unwrap_or_default(),
        owner_email: args.properties.owner.unwrap_or_default(),
        workflow_execution_retention_period: Some(duration_to_proto(retention)),
        data: args.properties.data.into_iter().collect(),
        ..Default::default()
    };
    let done = ask!(api, "creating", register_namespace, request).await?;
    if args.json {
        return json::print(&done);
    }
    output::line(format_args!("created {}; closed workflows are kept for {}", clean(&args.name), span(retention)))
}
