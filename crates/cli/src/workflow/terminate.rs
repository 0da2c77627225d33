//! `tenure workflow terminate`: ends workflows at once.

use super::{
    batch::{self, Words},
    which::{Chosen, Which, done},
};
use crate::api::{Target, ask};
use tenure_api::{
    batch::v1::BatchOperationTermination,
    workflowservice::v1::{TerminateWorkflowExecutionRequest, start_batch_operation_request::Operation},
};

const WORDS: Words = Words { verb: "terminate", doing: "terminating", done: "terminated" };

/// End a workflow at once, or many; their code learns nothing of it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow terminate order-1 --reason 'test order'
  tenure workflow terminate --query 'WorkflowId STARTS_WITH \"test-\" AND ExecutionStatus = \"Running\"'
  tenure workflow terminate --query 'WorkflowType = \"Order\"' --rate 50 --yes --json")]
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
            let operation = BatchOperationTermination { identity: api.identity(), ..Default::default() };
            let operation = Operation::TerminationOperation(operation);
            return batch::run(&api, &args.which, query, operation, &WORDS, args.json).await;
        }
    };
    let request = TerminateWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution.clone()),
        reason: args.which.reason(),
        identity: api.identity(),
        ..Default::default()
    };
    ask!(api, WORDS.doing, terminate_workflow_execution, request).await?;
    done(&execution, WORDS.done, args.json)
}
