//! `tenure schedule update`

use super::{One, action, action::Workflow, change, moment, policies::Policies, preview, times, times::Times};
use crate::{api::Target, output, show::text::clean};
use serde_json::json;
use tenure_api::schedule::v1::Schedule;

/// Change a schedule. What is not said stays as it is.
///
/// --cron, --every and --calendar together take the place of all such times that there were; --except takes the place of
/// all exclusions. When somebody else changes the schedule meanwhile, that is not undone.
#[derive(clap::Args)]
#[command(after_help = format!("\
Examples:
  tenure schedule update nightly --cron '0 4 * * *'
  tenure schedule update nightly --until none --overlap allow-all --dry-run
  tenure schedule update nightly --pause-on-failure=false --input '{{\"shop\": 2}}'

{}

{}", times::CALENDARS, moment::FORMS))]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
    /// The workflow type.
    #[arg(long = "type", help_heading = "Workflow")]
    kind: Option<String>,
    /// The task queue that its workers poll.
    #[arg(long, short, help_heading = "Workflow")]
    task_queue: Option<String>,
    #[command(flatten)]
    workflow: Workflow,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    policies: Policies,
    /// Show what it would do, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let schedule_id = args.which.id();
    let api = args.target.reach().await?;
    if args.dry_run {
        let mut schedule = change::described(&api, &schedule_id).await?.schedule.unwrap_or_default();
        apply(&args, &mut schedule)?;
        return preview::print(&schedule_id, &schedule, args.json);
    }
    let changed = change::update(&api, &schedule_id, |schedule| apply(&args, schedule), &args.policies).await?;
    let spec = preview::compile(&changed.spec.unwrap_or_default())?;
    if args.json {
        output::document(&json!({ "scheduleId": schedule_id, "meaning": spec.explain() }))?;
    } else {
        output::line(format_args!("updated {}: {}", clean(&schedule_id), clean(&spec.explain())))?;
    }
    if !args.times.is_empty() {
        preview::warn_of_silence(&spec);
    }
    Ok(())
}

/// Puts what is said into a schedule, and its specification into the server's form.
fn apply(args: &Args, schedule: &mut Schedule) -> anyhow::Result<()> {
    let spec = schedule.spec.get_or_insert_default();
    args.times.apply(spec)?;
    *spec = preview::compile(spec)?.canonical().clone();
    let start = action::start_of(&mut schedule.action);
    if let Some(kind) = &args.kind {
        start.workflow_type = action::of_type(kind);
    }
    if let Some(queue) = &args.task_queue {
        start.task_queue = action::on_queue(queue);
    }
    args.workflow.apply(start)?;
    args.policies.apply(schedule);
    Ok(())
}
