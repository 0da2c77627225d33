//! `tenure workflow start`: starts a workflow.

use crate::{
    api::{Input, Target, ask},
    output,
    show::facts::Facts,
};
use serde_json::json;
use std::time::Duration;
use tenure_api::{
    common::v1::WorkflowType, taskqueue::v1::TaskQueue, time::duration_to_proto,
    workflowservice::v1::StartWorkflowExecutionRequest,
};
use uuid::Uuid;

/// Start a workflow; a worker of its task queue does the rest.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow start order-1 --type Order --task-queue orders --input '{\"dish\": \"pizza\"}'
  tenure workflow start --type Report --task-queue reports --cron '0 9 * * 1-5'")]
pub(crate) struct Args {
    /// The workflow id; without it, a random one.
    #[arg(value_name = "WORKFLOW_ID")]
    id: Option<String>,
    /// The workflow id, for ids that begin with a dash.
    #[arg(long, short, value_name = "WORKFLOW_ID", conflicts_with = "id", allow_hyphen_values = true)]
    workflow_id: Option<String>,
    /// The workflow type.
    #[arg(long = "type")]
    kind: String,
    /// The task queue that its workers poll.
    #[arg(long, short)]
    task_queue: String,
    #[command(flatten)]
    input: Input,
    /// A cron schedule, on which it runs again and again.
    #[arg(long, value_name = "SCHEDULE", default_value = "", hide_default_value = true)]
    cron: String,
    /// How long it may take, all runs together, for example 30d.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    execution_timeout: Option<Duration>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let input = args.input.payloads()?;
    let api = args.target.reach().await?;
    let workflow_id = args.id.or(args.workflow_id).unwrap_or_else(|| Uuid::new_v4().to_string());
    let request = StartWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType { name: args.kind }),
        task_queue: Some(TaskQueue { name: args.task_queue, ..Default::default() }),
        input,
        workflow_execution_timeout: args.execution_timeout.map(duration_to_proto),
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
        cron_schedule: args.cron,
        ..Default::default()
    };
    let run_id = ask!(api, "starting", start_workflow_execution, request).await?.run_id;
    if args.json {
        return output::document(&json!({ "workflowId": workflow_id, "runId": run_id }));
    }
    let mut facts = Facts::default();
    facts.add("Workflow id", &workflow_id).add("Run id", &run_id);
    facts.print()
}
