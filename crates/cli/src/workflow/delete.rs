//! `tenure workflow delete`: removes runs with their histories.

use super::{
    batch::{self, Words},
    which::{Chosen, Which, done},
};
use crate::api::{Target, ask};
use tenure_api::{
    batch::v1::BatchOperationDeletion,
    workflowservice::v1::{DeleteWorkflowExecutionRequest, start_batch_operation_request::Operation},
};

const WORDS: Words = Words { verb: "delete", doing: "deleting", done: "deleted" };

/// Remove a run and its history, or many; one that runs is terminated first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow delete order-1
  tenure workflow delete --query 'WorkflowType = \"Order\" AND CloseTime < \"2026-11-01T00:00:00Z\"'")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let execution = match args.which.chosen() {
        Chosen::One(execution) => execution,
        Chosen::Many(query) => {
            let operation = Operation::DeletionOperation(BatchOperationDeletion { identity: api.identity() });
            return batch::run(&api, &args.which, query, operation, &WORDS, args.json).await;
        }
    };
    let request =
        DeleteWorkflowExecutionRequest { namespace: api.namespace(), workflow_execution: Some(execution.clone()) };
    ask!(api, WORDS.doing, delete_workflow_execution, request).await?;
    done(&execution, WORDS.done, args.json)
}
