//! `tenure workflow why`: what a workflow waits for, and what to do about it.

use super::which::One;
use crate::{
    api::{Target, ask},
    output,
    show::{
        facts::Facts,
        json, status,
        style::{self, Tone, paint},
        text::clean,
    },
};
use tenure_api::tenure::v1::{Cause, ExplainWorkflowRequest, ExplainWorkflowResponse};

/// Show why a workflow does not go on, and what to do about it.
///
/// No worker polls its task queue; its workflow task fails, since when and with what; an activity is tried again, when and
/// after which failure; it waits for a timer, a child, a signal or an update; somebody paused it; it is over a limit. Of a
/// closed one: how it ended. What blocks first comes first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow why order-1
  tenure workflow why order-1 --json | jq -r '.causes[].kind'

docs/why.md tells of each cause.")]
pub(crate) struct Args {
    #[command(flatten)]
    which: One,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = ExplainWorkflowRequest { namespace: api.namespace(), execution: Some(args.which.execution()) };
    let found = ask!(own api, "asking why", explain_workflow, request).await?;
    if args.json { json::print(&found) } else { print(&found) }
}

fn print(found: &ExplainWorkflowResponse) -> anyhow::Result<()> {
    let execution = found.execution.clone().unwrap_or_default();
    let mut facts = Facts::default();
    facts
        .add("Workflow id", execution.workflow_id)
        .add("Run id", execution.run_id)
        .add("Status", status::of_workflow(found.status()));
    facts.print()?;
    found.causes.iter().try_for_each(|cause| output::line(told(cause, style::colours())))
}

/// A cause, and below it what to do about it.
fn told(cause: &Cause, colours: bool) -> String {
    let tone = cause.trouble.then_some(Tone::Bad);
    let text = paint(&clean(&cause.text), tone, colours);
    match &*cause.advice {
        "" => format!("\n{text}"),
        advice => format!("\n{text}\n  {}", paint(&clean(advice), Some(Tone::Faint), colours)),
    }
}
