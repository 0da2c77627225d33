//! `tenure schedule create`

use super::{One, action, action::Workflow, moment, policies::Policies, preview, times, times::Times};
use crate::{
    api::{Target, ask},
    output,
    show::text::clean,
};
use serde_json::json;
use tenure_api::{
    schedule::v1::{Schedule, SchedulePatch, ScheduleState, TriggerImmediatelyRequest},
    workflowservice::v1::CreateScheduleRequest,
};
use uuid::Uuid;

/// Create a schedule: it starts a workflow at the times of its specification.
///
/// With --dry-run nothing is created: it is said what the specification means, and which its next times are. That needs no
/// server.
#[derive(clap::Args)]
#[command(after_help = format!("\
Examples:
  tenure schedule create nightly --type Report --task-queue reports --cron '30 2 * * *' --time-zone Europe/Berlin
  tenure schedule create often --type Poll --task-queue q --every 15m --overlap buffer-one --input '{{\"shop\": 1}}'
  tenure schedule create nightly --type Report --task-queue reports --cron '0 12 * * MON-FRI' --dry-run

{}

{}", times::CALENDARS, moment::FORMS))]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
    /// The workflow type.
    #[arg(long = "type", help_heading = "Workflow")]
    kind: String,
    /// The task queue that its workers poll.
    #[arg(long, short, help_heading = "Workflow")]
    task_queue: String,
    #[command(flatten)]
    workflow: Workflow,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    policies: Policies,
    /// Create it paused.
    #[arg(long, help_heading = "How")]
    paused: bool,
    /// Let it act at once, too.
    #[arg(long, help_heading = "How", alias = "trigger-immediately")]
    trigger: bool,
    /// Show what it would do, and create nothing.
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
    let mut schedule = schedule(&args, &schedule_id)?;
    let spec = preview::compile(&schedule.spec.clone().unwrap_or_default())?;
    if args.dry_run {
        schedule.spec = Some(spec.canonical().clone());
        return preview::print(&schedule_id, &schedule, args.json);
    }
    let api = args.target.reach().await?;
    let trigger = TriggerImmediatelyRequest::default();
    let request = CreateScheduleRequest {
        namespace: api.namespace(),
        schedule_id: schedule_id.clone(),
        schedule: Some(schedule),
        initial_patch: args.trigger.then(|| SchedulePatch { trigger_immediately: Some(trigger), ..Default::default() }),
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
        memo: args.policies.memo(None)?,
        search_attributes: args.policies.search_attributes(None)?,
    };
    ask!(api, "creating", create_schedule, request).await?;
    if args.json {
        output::document(&json!({ "scheduleId": schedule_id, "meaning": spec.explain() }))?;
    } else {
        output::line(format_args!("created {}: {}", clean(&schedule_id), clean(&spec.explain())))?;
    }
    preview::warn_of_silence(&spec);
    Ok(())
}

fn schedule(args: &Args, schedule_id: &str) -> anyhow::Result<Schedule> {
    let mut schedule = Schedule::default();
    args.times.apply(schedule.spec.get_or_insert_default())?;
    let start = action::start_of(&mut schedule.action);
    schedule_id.clone_into(&mut start.workflow_id);
    start.workflow_type = action::of_type(&args.kind);
    start.task_queue = action::on_queue(&args.task_queue);
    args.workflow.apply(start)?;
    schedule.state = Some(ScheduleState { paused: args.paused, ..Default::default() });
    args.policies.apply(&mut schedule);
    Ok(schedule)
}
