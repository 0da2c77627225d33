//! `tenure batch list`

use super::{kind, state};
use crate::{
    api::{Target, ask},
    show::{
        json,
        table::{Column, Table},
        time,
    },
};
use tenure_api::{batch::v1::BatchOperationInfo, workflowservice::v1::ListBatchOperationsRequest};

/// List batch operations.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const COLUMNS: [Column; 5] = [
    Column::new("ID"),
    Column::new("OPERATION"),
    Column::new("STATE"),
    Column::long("STARTED"),
    Column::long("CLOSED"),
];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let mut table = Table::new(&COLUMNS);
    let mut request = ListBatchOperationsRequest { namespace: api.namespace(), page_size: 100, ..Default::default() };
    loop {
        let page = ask!(api, "listing batch operations", list_batch_operations, request.clone()).await?;
        if args.json {
            page.operation_info.iter().try_for_each(json::print_line)?;
        } else {
            page.operation_info.iter().for_each(|found| add(&mut table, found));
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

fn add(table: &mut Table, found: &BatchOperationInfo) {
    table.row([
        found.job_id.as_str().into(),
        kind(found.operation_type()).into(),
        state(found.state()).into(),
        time::stamp(found.start_time).into(),
        time::stamp(found.close_time).into(),
    ]);
}
