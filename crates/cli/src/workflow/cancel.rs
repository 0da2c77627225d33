//! `tenure workflow cancel`: asks workflows to stop.

use super::{act::Act, batch::Words};
use crate::api::{Api, ask};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1::RequestCancelWorkflowExecutionRequest};
use tenure_client::Batch;
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
    act: Act,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    args.act.run(&WORDS, cancel, Batch::cancel).await
}

async fn cancel(api: &Api, execution: WorkflowExecution, reason: String) -> anyhow::Result<()> {
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution),
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
        reason,
        ..Default::default()
    };
    ask!(api, WORDS.doing, request_cancel_workflow_execution, request).await.map(drop)
}
