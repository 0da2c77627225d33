//! `tenure workflow signal`: tells workflows something.

use super::{act::Act, batch::Words};
use crate::api::{Api, Input, ask};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1::SignalWorkflowExecutionRequest};
use tenure_client::{Batch, Raw};
use uuid::Uuid;

const WORDS: Words = Words { verb: "signal", doing: "signalling", done: "signalled" };

/// Send a signal to a workflow, or to many.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow signal order-1 --name pickedUp
  tenure workflow signal order-1 --name tip --input 200
  tenure workflow signal --query 'WorkflowType = \"Order\" AND ExecutionStatus = \"Running\"' --name closingTime")]
pub(crate) struct Args {
    #[command(flatten)]
    act: Act,
    /// The signal's name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    input: Input,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (name, input) = (&args.name, &args.input.payloads()?);
    let one = async |api: &Api, execution: WorkflowExecution, _: String| {
        let request = SignalWorkflowExecutionRequest {
            namespace: api.namespace(),
            workflow_execution: Some(execution),
            signal_name: name.clone(),
            input: input.clone(),
            identity: api.identity(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        ask!(api, WORDS.doing, signal_workflow_execution, request).await.map(drop)
    };
    let many = |batch: Batch| {
        let input: Vec<_> = input.iter().flat_map(|input| &input.payloads).cloned().map(Raw).collect();
        batch.signal_by_name(name, input)
    };
    args.act.run(&WORDS, one, many).await
}
