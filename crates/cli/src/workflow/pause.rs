//! `tenure workflow pause` and `tenure workflow unpause`.

use super::which::One;
use crate::{
    api::{Target, ask},
    output,
    show::text::clean,
};
use serde_json::json;
use tenure_api::workflowservice::v1::{PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest};
use uuid::Uuid;

/// Pause a workflow: its code gets no further turn until it is unpaused.
#[derive(clap::Args)]
#[command(after_help = "\
What it waits for goes on: activities that run, timers, children. Signals are kept for it; queries and updates are refused.

Example:
  tenure workflow pause order-1 --reason 'the card reader is down'")]
pub(crate) struct Pause {
    #[command(flatten)]
    args: Args,
}

/// Let a paused workflow go on.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure workflow unpause order-1")]
pub(crate) struct Unpause {
    #[command(flatten)]
    args: Args,
}

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    one: One,
    /// Why; the history keeps it, and a description shows why it is paused.
    #[arg(long, default_value = "")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Args {
    fn tell(&self, done: &str) -> anyhow::Result<()> {
        let workflow_id = self.one.execution().workflow_id;
        if self.json {
            return output::document(&json!({ "workflowId": workflow_id }));
        }
        output::line(format_args!("{done} {}", clean(&workflow_id)))
    }
}

pub(crate) async fn pause(Pause { args }: Pause) -> anyhow::Result<()> {
    let (api, execution) = (args.target.reach().await?, args.one.execution());
    let request = PauseWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        identity: api.identity(),
        reason: args.reason.clone(),
        request_id: Uuid::new_v4().to_string(),
    };
    ask!(api, "pausing", pause_workflow_execution, request).await?;
    args.tell("paused")
}

pub(crate) async fn unpause(Unpause { args }: Unpause) -> anyhow::Result<()> {
    let (api, execution) = (args.target.reach().await?, args.one.execution());
    let request = UnpauseWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        identity: api.identity(),
        reason: args.reason.clone(),
        request_id: Uuid::new_v4().to_string(),
    };
    ask!(api, "unpausing", unpause_workflow_execution, request).await?;
    args.tell("unpaused")
}
