//! `tenure batch list`

use super::{kind, state};
use crate::{
    api::{Target, ask},
    show::{
        pages,
        table::{Cell, Column},
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
    pages::print(args.json, &COLUMNS, row, async |next_page_token| {
        let request = ListBatchOperationsRequest { namespace: api.namespace(), page_size: 100, next_page_token };
        let page = ask!(api, "listing batch operations", list_batch_operations, request).await?;
        Ok((page.operation_info, page.next_page_token))
    })
    .await
}

fn row(found: &BatchOperationInfo) -> Vec<Cell> {
    vec![
        found.job_id.as_str().into(),
        kind(found.operation_type()).into(),
        state(found.state()).into(),
        time::stamp(found.start_time).into(),
        time::stamp(found.close_time).into(),
    ]
}
