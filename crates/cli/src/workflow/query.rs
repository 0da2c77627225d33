//! `tenure workflow query`: asks a workflow's own code.

use super::which::One;
use crate::{
    api::{Input, Target},
    output,
    show::{json, payload, status, text},
};
use anyhow::bail;
use clap::ValueEnum;
use tenure_api::{
    common::v1::Payload, enums::v1::QueryRejectCondition, query::v1::WorkflowQuery,
    workflowservice::v1::QueryWorkflowRequest,
};
use tenure_client::rpc;

/// Ask a workflow, running or closed; a worker with its code must be there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow query order-1 --name getStatus
  tenure workflow query order-1 --name priceOf --input '\"espresso\"' --json
  tenure workflow query order-1 --name __stack_trace")]
pub(crate) struct Args {
    #[command(flatten)]
    which: One,
    /// The query's name.
    #[arg(long, visible_alias = "type")]
    name: String,
    #[command(flatten)]
    input: Input,
    /// Refuse the query if the workflow is closed, or closed without success.
    #[arg(long, value_name = "STATE")]
    reject_if: Option<RejectIf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum RejectIf {
    NotOpen,
    NotCompletedCleanly,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let query =
        WorkflowQuery { query_type: args.name.clone(), query_args: args.input.payloads()?, ..Default::default() };
    let api = args.target.reach().await?;
    let condition = match args.reject_if {
        None => QueryRejectCondition::None,
        Some(RejectIf::NotOpen) => QueryRejectCondition::NotOpen,
        Some(RejectIf::NotCompletedCleanly) => QueryRejectCondition::NotCompletedCleanly,
    };
    let request = QueryWorkflowRequest {
        namespace: api.namespace(),
        execution: Some(args.which.execution()),
        query: Some(query),
        query_reject_condition: condition.into(),
    };
    // The caller's patience, not a worker's: nobody may be there to answer.
    let call = rpc!(api.client.connection(), query_workflow, request, api.patient());
    let answer = api.ask("waiting for a worker", call).await?;
    if let Some(rejected) = &answer.query_rejected {
        let status = status::word(rejected.status().as_str_name(), "WORKFLOW_EXECUTION_STATUS_");
        bail!("the query was not put: the workflow is {status}");
    }
    if args.json {
        return json::print(&answer);
    }
    answer.query_result.unwrap_or_default().payloads.iter().try_for_each(print_result)
}

/// Prints a result: texts as they are, line by line, all else as JSON.
pub(crate) fn print_result(payload: &Payload) -> anyhow::Result<()> {
    match payload::value(payload) {
        Some(serde_json::Value::String(said)) => output::line(text::clean_lines(&said)),
        Some(value) => output::document(&value),
        None => output::line(text::clean(&payload::described(payload))),
    }
}
