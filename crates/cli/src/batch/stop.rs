//! `tenure batch stop`

use crate::{
    api::{Target, ask},
    output,
    show::{json, text::clean},
};
use tenure_api::workflowservice::v1::StopBatchOperationRequest;

/// Stop a batch operation; what it has done stays done.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its id.
    #[arg(value_name = "ID")]
    id: String,
    /// Why.
    #[arg(long, default_value = "asked for with the tenure command", hide_default_value = true)]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = StopBatchOperationRequest {
        namespace: api.namespace(),
        job_id: args.id.clone(),
        reason: args.reason,
        identity: api.identity(),
    };
    let done = ask!(api, "stopping", stop_batch_operation, request).await?;
    if args.json { json::print(&done) } else { output::line(format_args!("stopped {}", clean(&args.id))) }
}
