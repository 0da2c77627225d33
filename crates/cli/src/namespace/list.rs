//! `tenure namespace list`

use crate::{
    api::{Server, ask},
    show::{
        pages, status,
        table::{Cell, Column},
        time,
    },
};
use tenure_api::workflowservice::v1::{DescribeNamespaceResponse, ListNamespacesRequest};

/// List the namespaces.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

const COLUMNS: [Column; 4] =
    [Column::long("NAME"), Column::new("STATE"), Column::number("RETENTION"), Column::long("DESCRIPTION")];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.server.reach().await?;
    pages::print(args.json, &COLUMNS, row, async |next_page_token| {
        let request = ListNamespacesRequest { page_size: 100, next_page_token, ..Default::default() };
        let page = ask!(api, "listing namespaces", list_namespaces, request).await?;
        Ok((page.namespaces, page.next_page_token))
    })
    .await
}

fn row(namespace: &DescribeNamespaceResponse) -> Vec<Cell> {
    let (info, config) =
        (namespace.namespace_info.clone().unwrap_or_default(), namespace.config.clone().unwrap_or_default());
    vec![
        info.name.as_str().into(),
        status::word(info.state().as_str_name(), "NAMESPACE_STATE_").into(),
        time::optional(config.workflow_execution_retention_ttl).into(),
        info.description.into(),
    ]
}
