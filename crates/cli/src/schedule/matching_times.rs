//! `tenure schedule matching-times`

use super::{
    One,
    moment::{self, to_proto},
};
use crate::{
    api::{Target, ask},
    output,
    show::{json, time},
};
use jiff::Timestamp;
use tenure_api::workflowservice::v1::ListScheduleMatchingTimesRequest;

/// Show the times that a schedule's specification has within a span, past or future, whether it acts on them or not.
#[derive(clap::Args)]
#[command(after_help = format!("\
Example:
  tenure schedule matching-times nightly --from 2026-11-01 --to 2026-12-01

{}", moment::FORMS))]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
    /// Where the span begins.
    #[arg(long, value_name = "TIME", alias = "start-time", allow_hyphen_values = true, value_parser = moment::parse)]
    #[arg(default_value = "now")]
    from: Timestamp,
    /// Where it ends.
    #[arg(long, value_name = "TIME", alias = "end-time", allow_hyphen_values = true, value_parser = moment::parse)]
    #[arg(default_value = "+7d")]
    to: Timestamp,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = ListScheduleMatchingTimesRequest {
        namespace: api.namespace(),
        schedule_id: args.which.id(),
        start_time: Some(to_proto(args.from)),
        end_time: Some(to_proto(args.to)),
    };
    let found = ask!(api, "looking for times", list_schedule_matching_times, request).await?;
    if args.json {
        return json::print(&found);
    }
    if found.start_time.is_empty() {
        output::note("It has no times there.");
    }
    found.start_time.into_iter().try_for_each(|at| output::line(time::stamp(Some(at))))
}
