//! `tenure workflow terminate`: ends workflows at once.

use super::{act::Act, batch::Words};
use crate::api::{Api, ask};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1::TerminateWorkflowExecutionRequest};
use tenure_client::Batch;

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
    act: Act,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    args.act.run(&WORDS, terminate, Batch::terminate).await
}

async fn terminate(api: &Api, execution: WorkflowExecution, reason: String) -> anyhow::Result<()> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution),
        reason,
        identity: api.identity(),
        ..Default::default()
    };
    ask!(api, WORDS.doing, terminate_workflow_execution, request).await.map(drop)
}
