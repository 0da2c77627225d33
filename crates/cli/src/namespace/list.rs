//! `tenure namespace list`

use crate::{
    api::{Server, ask},
    show::{
        json, status,
        table::{Column, Table},
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

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.server.reach().await?;
    let columns =
        [Column::long("NAME"), Column::new("STATE"), Column::number("RETENTION"), Column::long("DESCRIPTION")];
    let mut table = Table::new(&columns);
    let mut request = ListNamespacesRequest { page_size: 100, ..Default::default() };
    loop {
        let page = ask!(api, "listing namespaces", list_namespaces, request.clone()).await?;
        if args.json {
            page.namespaces.iter().try_for_each(json::print_line)?;
        } else {
            page.namespaces.iter().for_each(|namespace| add(&mut table, namespace));
            if !table.is_empty() {
                table.print_page()?;
            }
        }
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() {
            return Ok(());
        }
    }
}

fn add(table: &mut Table, namespace: &DescribeNamespaceResponse) {
    let (info, config) =
        (namespace.namespace_info.clone().unwrap_or_default(), namespace.config.clone().unwrap_or_default());
    table.row([
        info.name.as_str().into(),
        status::word(info.state().as_str_name(), "NAMESPACE_STATE_").into(),
        time::optional(config.workflow_execution_retention_ttl).into(),
        info.description.into(),
    ]);
}
