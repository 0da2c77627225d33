//! `tenure schedule describe`

use super::{One, change, preview};
use crate::{
    api::Target,
    output,
    show::{
        facts::Facts,
        json,
        payload::brief_fields,
        status,
        style::Tone,
        table::{Cell, Column, Table},
        text, time,
    },
};
use std::time::SystemTime;
use tenure_api::{
    schedule::v1::{Schedule, ScheduleInfo},
    workflowservice::v1::DescribeScheduleResponse,
};

/// Show a schedule: what it starts, when, what became of its times, and which come next.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure schedule describe nightly
  tenure schedule describe nightly --json | jq .info.futureActionTimes")]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let (schedule_id, api) = (args.which.id(), args.target.reach().await?);
    let found = change::described(&api, &schedule_id).await?;
    if args.json {
        return json::print(&found);
    }
    let (now, info) = (SystemTime::now(), found.info.clone().unwrap_or_default());
    facts(&schedule_id, &found, &info, now).print()?;
    for (title, mut table) in [("Recent actions", recent(&info)), ("Next times", future(&info, now))] {
        if !table.is_empty() {
            output::line(format_args!("\n{title}"))?;
            table.print_page()?;
        }
    }
    Ok(())
}

fn facts(schedule_id: &str, found: &DescribeScheduleResponse, info: &ScheduleInfo, now: SystemTime) -> Facts {
    let empty = Schedule::default();
    let schedule = found.schedule.as_ref().unwrap_or(&empty);
    let state = schedule.state.clone().unwrap_or_default();
    let mut facts = Facts::default();
    facts.add("Schedule id", schedule_id).add(
        "State",
        match (state.paused, state.limited_actions) {
            (true, _) => Cell::toned("Paused", Tone::Bad),
            (false, true) if state.remaining_actions == 0 => "Has no actions left".into(),
            (false, _) => Cell::toned("Acts", Tone::Live),
        },
    );
    facts.add("Note", &state.notes);
    preview::describe(&mut facts, schedule, &preview::words(schedule.spec.as_ref()));
    facts
        .add("Created", when(info.create_time, now))
        .add("Updated", when(info.update_time, now))
        .add("Actions", text::count(info.action_count))
        .add("Missed", counted(info.missed_catchup_window, "noticed later than the catch-up window allows"))
        .add("Skipped", counted(info.overlap_skipped, "because of what was running"))
        .add("Dropped", counted(info.buffer_dropped, "because too many waited"))
        .add("Waiting", counted(info.buffer_size, "for their turn"))
        .add("Running", running(info))
        .add("Refused", refused(info))
        .add("Memo", brief_fields(found.memo.as_ref().map(|memo| &memo.fields)))
        .add("Search attributes", brief_fields(found.search_attributes.as_ref().map(|it| &it.indexed_fields)));
    facts
}

/// A count that is worth a line only if there is something to count.
fn counted(count: i64, why: &str) -> String {
    if count == 0 { String::new() } else { format!("{}, {why}", text::count(count)) }
}

fn running(info: &ScheduleInfo) -> String {
    info.running_workflows.iter().map(|run| run.workflow_id.as_str()).collect::<Vec<_>>().join(", ")
}

#[allow(deprecated, reason = "the one place where the API tells it")]
fn refused(info: &ScheduleInfo) -> Cell {
    Cell::toned(&info.invalid_schedule_error, Tone::Bad)
}

fn when(at: Option<prost_types::Timestamp>, now: SystemTime) -> String {
    match (time::stamp(at), time::distance(at, now)) {
        (at, _) if at.is_empty() => at,
        (at, distance) => format!("{at} UTC, {distance}"),
    }
}

/// The last actions, the latest first.
fn recent(info: &ScheduleInfo) -> Table {
    let columns = [
        Column::new("FOR"),
        Column::new("STARTED"),
        Column::new("STATUS"),
        Column::long("WORKFLOW ID"),
        Column::long("FIRST RUN"),
    ];
    let mut table = Table::new(&columns);
    for action in info.recent_actions.iter().rev() {
        let run = action.start_workflow_result.clone().unwrap_or_default();
        table.row([
            time::stamp(action.schedule_time).into(),
            time::stamp(action.actual_time).into(),
            status::of_workflow(action.start_workflow_status()),
            run.workflow_id.into(),
            run.run_id.into(),
        ]);
    }
    table
}

fn future(info: &ScheduleInfo, now: SystemTime) -> Table {
    let mut table = Table::new(&[Column::new("AT"), Column::number("FROM NOW")]);
    for at in &info.future_action_times {
        table.row([time::stamp(Some(*at)).into(), time::distance(Some(*at), now).into()]);
    }
    table
}
