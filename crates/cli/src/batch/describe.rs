//! `tenure batch describe`

use super::{kind, state};
use crate::{
    api::{Target, ask},
    show::{facts::Facts, json, text::count, time},
};
use tenure_api::workflowservice::v1::{DescribeBatchOperationRequest, DescribeBatchOperationResponse};

/// Show how far a batch operation is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its id.
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = DescribeBatchOperationRequest { namespace: api.namespace(), job_id: args.id };
    let found = ask!(api, "describing", describe_batch_operation, request).await?;
    if args.json { json::print(&found) } else { facts(&found).print() }
}

fn facts(found: &DescribeBatchOperationResponse) -> Facts {
    let mut facts = Facts::default();
    facts
        .add("Id", &found.job_id)
        .add("Operation", kind(found.operation_type()))
        .add("State", state(found.state()))
        .add("Workflows", count(found.total_operation_count))
        .add("Done", count(found.complete_operation_count))
        .add("Failed", count(found.failure_operation_count))
        .add("Started", time::stamp(found.start_time))
        .add("Closed", time::stamp(found.close_time))
        .add("Filter", &found.query)
        .add("Reason", &found.reason)
        .add("By", &found.identity);
    facts
}
