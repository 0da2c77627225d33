//! `tenure workflow cancel`: asks workflows to stop.

use super::{
    batch::{self, Words},
    which::{Chosen, Which, done},
};
use crate::api::{Target, ask};
use tenure_api::{
    batch::v1::BatchOperationCancellation,
    workflowservice::v1::{RequestCancelWorkflowExecutionRequest, start_batch_operation_request::Operation},
};
use uuid::Uuid;

const WORDS: Words = Words { verb: "cancel", doing: "cancelling", done: "asked to stop" };

/// Ask a workflow to stop, or many; they may clean up first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow cancel order-1 --reason 'out of beans'
  tenure workflow cancel --query 'WorkflowType = \"Order\" AND ExecutionStatus = \"Running\"' --yes")]
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
            let operation = Operation::CancellationOperation(BatchOperationCancellation { identity: api.identity() });
            return batch::run(&api, &args.which, query, operation, &WORDS, args.json).await;
        }
    };
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution.clone()),
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
        reason: args.which.reason(),
        ..Default::default()
    };
    ask!(api, WORDS.doing, request_cancel_workflow_execution, request).await?;
    done(&execution, WORDS.done, args.json)
}
