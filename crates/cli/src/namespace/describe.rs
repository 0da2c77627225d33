//! `tenure namespace describe`

use crate::{
    api::{
        Api, Server,
        asides::{ASK, told},
    },
    output,
    show::{facts::Facts, json, status, text, time},
};
use tenure_api::{
    enums::v1::NamespaceState,
    workflowservice::v1::{DescribeNamespaceRequest, DescribeNamespaceResponse},
};
use tenure_client::{ClientError, rpc};
use tonic::{Code, Response};

/// Show what a namespace is and keeps; of one that was deleted, how much is left.
///
/// A deleted namespace is found by its id, or by the name that it got.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name, or the id.
    #[arg(value_name = "NAMESPACE", default_value = "default", env = "TENURE_NAMESPACE")]
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.server.reach_at_with(&args.name, |builder| builder.header(ASK, "1")).await?;
    let answer = api.ask("describing", find(&api, &args.name)).await?;
    let left = told(answer.metadata());
    let found = answer.into_inner();
    if !args.json {
        return facts(&found, left.as_deref()).print();
    }
    let Some(left) = left else { return json::print(&found) };
    let mut document = json::readable(&found)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("left".to_owned(), left.into());
    }
    output::document(&document)
}

/// Asks by the name, and, where none is called so and it may be an id, by that.
async fn find(api: &Api, name: &str) -> Result<Response<DescribeNamespaceResponse>, ClientError> {
    let ask = async |request: DescribeNamespaceRequest| {
        rpc!(respond api.client.connection(), describe_namespace, request, api.patient()).await
    };
    let by_name = ask(DescribeNamespaceRequest { namespace: name.to_owned(), ..Default::default() }).await;
    match by_name {
        Err(error) if error.code() == Some(Code::NotFound) && may_be_id(name) => {
            ask(DescribeNamespaceRequest { id: name.to_owned(), ..Default::default() }).await
        }
        answer => answer,
    }
}

fn may_be_id(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn facts(found: &DescribeNamespaceResponse, left: Option<&str>) -> Facts {
    let (info, config) = (found.namespace_info.clone().unwrap_or_default(), found.config.clone().unwrap_or_default());
    let data = info.data.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
    let mut facts = Facts::default();
    facts
        .add("Name", &info.name)
        .add("Id", &info.id)
        .add("State", status::word(info.state().as_str_name(), "NAMESPACE_STATE_"))
        .add("Left", left.filter(|_| info.state() == NamespaceState::Deleted).map(text::clean).unwrap_or_default())
        .add("Retention", time::optional(config.workflow_execution_retention_ttl))
        .add("Description", &info.description)
        .add("Owner", &info.owner_email)
        .add("Data", data);
    facts
}
