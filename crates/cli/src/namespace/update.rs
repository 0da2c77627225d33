//! `tenure namespace update`

use super::Properties;
use crate::{
    Usage,
    api::{Server, ask},
    output,
    show::{json, text::clean},
};
use tenure_api::{
    namespace::v1::{NamespaceConfig, UpdateNamespaceInfo},
    time::duration_to_proto,
    workflowservice::v1::UpdateNamespaceRequest,
};

/// Change a namespace; what is not said stays as it is.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure namespace update shop --retention 7d")]
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

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Properties { retention, description, owner, data } = args.properties;
    if retention.is_none() && description.is_none() && owner.is_none() && data.is_empty() {
        return Err(Usage("nothing to change: give --retention, --description, --owner or --data".to_owned()).into());
    }
    let info = (description.is_some() || owner.is_some() || !data.is_empty()).then(|| UpdateNamespaceInfo {
        description: description.unwrap_or_default(),
        owner_email: owner.unwrap_or_default(),
        data: data.into_iter().collect(),
        ..Default::default()
    });
    let config = retention.map(|retention| NamespaceConfig {
        workflow_execution_retention_ttl: Some(duration_to_proto(retention)),
        ..Default::default()
    });
    let request =
        UpdateNamespaceRequest { namespace: args.name.clone(), update_info: info, config, ..Default::default() };
    let api = args.server.reach_at(&args.name).await?;
    let done = ask!(api, "updating", update_namespace, request).await?;
    if args.json {
        return json::print(&done);
    }
    output::line(format_args!("updated {}", clean(&args.name)))
}
