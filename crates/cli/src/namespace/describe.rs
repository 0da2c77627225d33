//! `tenure namespace describe`

use crate::{
    api::{Server, ask},
    show::{facts::Facts, json, status, time},
};
use tenure_api::workflowservice::v1::{DescribeNamespaceRequest, DescribeNamespaceResponse};

/// Show what a namespace is and keeps.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(value_name = "NAMESPACE", default_value = "default", env = "TENURE_NAMESPACE")]
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.server.reach_at(&args.name).await?;
    let request = DescribeNamespaceRequest { namespace: args.name, ..Default::default() };
    let found = ask!(api, "describing", describe_namespace, request).await?;
    if args.json { json::print(&found) } else { facts(&found).print() }
}

fn facts(found: &DescribeNamespaceResponse) -> Facts {
    let (info, config) = (found.namespace_info.clone().unwrap_or_default(), found.config.clone().unwrap_or_default());
    let data = info.data.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
    let mut facts = Facts::default();
    facts
        .add("Name", &info.name)
        .add("Id", &info.id)
        .add("State", status::word(info.state().as_str_name(), "NAMESPACE_STATE_"))
        .add("Retention", time::optional(config.workflow_execution_retention_ttl))
        .add("Description", &info.description)
        .add("Owner", &info.owner_email)
        .add("Data", data);
    facts
}
