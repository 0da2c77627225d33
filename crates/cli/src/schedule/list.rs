//! `tenure schedule list`

use super::preview;
use crate::{
    api::{Target, ask},
    output,
    show::{
        pages,
        style::Tone,
        table::{Cell, Column},
        text, time,
    },
};
use prost::bytes::Bytes;
use std::time::SystemTime;
use tenure_api::{schedule::v1::ScheduleListEntry, workflowservice::v1::ListSchedulesRequest};

/// List schedules: what they start, when, and when next.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure schedule list
  tenure schedule list --query 'TemporalSchedulePaused = true'
  tenure schedule list --query 'ScheduleId STARTS_WITH \"report-\"' --all --json | jq -r .scheduleId

Filters may name ScheduleId, TemporalSchedulePaused, and the search attributes of the namespace.")]
pub(super) struct Args {
    /// A filter; without it, all schedules.
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    query: String,
    /// How many to list, at most.
    #[arg(long, short, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// List all of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Schedules of one page, which is as much as comes to the terminal at once.
const PAGE: u64 = 200;

const COLUMNS: [Column; 5] = [
    Column::long("SCHEDULE ID"),
    Column::long("STARTS"),
    Column::long("WHEN"),
    Column::new("NEXT"),
    Column::long("NOTE"),
];

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let most = if args.all { u64::MAX } else { args.limit };
    let (mut listed, mut is_cut) = (0, false);
    pages::print(
        args.json,
        &COLUMNS,
        |found| row(found, SystemTime::now()),
        async |next_page_token| {
            let request = ListSchedulesRequest {
                namespace: api.namespace(),
                maximum_page_size: i32::try_from(PAGE.min(most - listed)).unwrap_or(i32::MAX),
                next_page_token,
                query: args.query.clone(),
            };
            let what = format!("listing, {} so far", text::count(listed));
            let page = ask!(api, &what, list_schedules, request).await?;
            listed += page.schedules.len() as u64;
            is_cut = listed >= most && !page.next_page_token.is_empty();
            Ok((page.schedules, if is_cut { Bytes::new() } else { page.next_page_token }))
        },
    )
    .await?;
    if is_cut {
        output::note("There may be more: see --limit, --all, and `tenure schedule count`.");
    }
    if listed == 0 && !args.json {
        output::note(format_args!("No schedules found in the namespace {}.", text::clean(api.client.namespace())));
    }
    Ok(())
}

fn row(found: &ScheduleListEntry, now: SystemTime) -> Vec<Cell> {
    let info = found.info.clone().unwrap_or_default();
    let next = match info.paused {
        true => Cell::toned("paused", Tone::Bad),
        false => time::distance(info.future_action_times.first().copied(), now).into(),
    };
    vec![
        found.schedule_id.as_str().into(),
        info.workflow_type.unwrap_or_default().name.into(),
        preview::words(info.spec.as_ref()).into(),
        next,
        info.notes.into(),
    ]
}
