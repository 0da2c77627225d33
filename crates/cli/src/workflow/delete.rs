//! `tenure workflow delete`: removes runs with their histories.

use super::{act::Act, batch::Words};
use crate::api::{Api, ask};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1::DeleteWorkflowExecutionRequest};
use tenure_client::Batch;

const WORDS: Words = Words { verb: "delete", doing: "deleting", done: "deleted" };

/// Remove a run and its history, or many; one that runs is terminated first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow delete order-1
  tenure workflow delete --query 'WorkflowType = \"Order\" AND CloseTime < \"2026-11-01T00:00:00Z\"'")]
pub(crate) struct Args {
    #[command(flatten)]
    act: Act,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    args.act.run(&WORDS, delete, Batch::delete).await
}

async fn delete(api: &Api, execution: WorkflowExecution, _: String) -> anyhow::Result<()> {
    let request = DeleteWorkflowExecutionRequest { namespace: api.namespace(), workflow_execution: Some(execution) };
    ask!(api, WORDS.doing, delete_workflow_execution, request).await.map(drop)
}
