//! `tenure workflow result`: waits for a workflow's end.

use super::{query::print_result, which::One};
use crate::{api::Target, output, show::payload};
use serde_json::json;
use tenure_client::{Raw, WorkflowRef};

/// Wait for a workflow to complete, over retries and continue-as-new, and show its result.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 it completed; 1 it failed, was cancelled or terminated, or ran out of time.")]
pub(crate) struct Args {
    #[command(flatten)]
    which: One,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Whatever the workflow is.
const ANY: WorkflowRef<(), Raw> = WorkflowRef::new("");

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let execution = args.which.execution();
    let handle = api.client.handle(ANY, execution.workflow_id).of_run(execution.run_id);
    let Raw(result) = api.ask("waiting for the result", handle.result()).await?;
    if args.json {
        let value = payload::value(&result).unwrap_or_else(|| payload::described(&result).into());
        return output::document(&json!({ "result": value }));
    }
    print_result(&result)
}
