//! `tenure workflow signal`: tells workflows something.

use super::{
    batch::{self, Words},
    which::{Chosen, Which, done},
};
use crate::api::{Input, Target, ask};
use tenure_api::{
    batch::v1::BatchOperationSignal,
    workflowservice::v1::{SignalWorkflowExecutionRequest, start_batch_operation_request::Operation},
};
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
    which: Which,
    /// The signal's name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    input: Input,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let input = args.input.payloads()?;
    let api = args.target.reach().await?;
    let execution = match args.which.chosen() {
        Chosen::One(execution) => execution,
        Chosen::Many(query) => {
            let operation =
                BatchOperationSignal { signal: args.name, input, identity: api.identity(), ..Default::default() };
            return batch::run(&api, &args.which, query, Operation::SignalOperation(operation), &WORDS, args.json)
                .await;
        }
    };
    let request = SignalWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution.clone()),
        signal_name: args.name,
        input,
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    ask!(api, WORDS.doing, signal_workflow_execution, request).await?;
    done(&execution, WORDS.done, args.json)
}
