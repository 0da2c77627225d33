//! `tenure schedule backfill`

use super::{
    One, change,
    moment::{self, to_proto},
    policies::{Overlap, number},
};
use crate::{Usage, api::Target};
use jiff::Timestamp;
use tenure_api::schedule::v1::{BackfillRequest, SchedulePatch};

/// Let a schedule act for times that have passed, or that are to come, now.
#[derive(clap::Args)]
#[command(after_help = format!("\
Examples:
  tenure schedule backfill nightly --from 2026-11-01 --to 2026-11-08 --overlap buffer-all
  tenure schedule backfill often --from -6h --to now --overlap allow-all

Both ends belong to it. Where the schedule skips what overlaps, only the first of the times acts, unless --overlap says
otherwise. `tenure schedule matching-times` shows which times there are.

{}", moment::FORMS))]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
    /// The first time.
    #[arg(long, value_name = "TIME", alias = "start-time", allow_hyphen_values = true, value_parser = moment::parse)]
    from: Timestamp,
    /// The last time.
    #[arg(long, value_name = "TIME", alias = "end-time", allow_hyphen_values = true, value_parser = moment::parse)]
    to: Timestamp,
    /// Another overlap policy than the schedule's.
    #[arg(long, value_name = "POLICY", alias = "overlap-policy", value_enum)]
    overlap: Option<Overlap>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    if args.from > args.to {
        return Err(Usage("--from is after --to".to_owned()).into());
    }
    let (schedule_id, api) = (args.which.id(), args.target.reach().await?);
    let backfill = BackfillRequest {
        start_time: Some(to_proto(args.from)),
        end_time: Some(to_proto(args.to)),
        overlap_policy: number(args.overlap),
    };
    let patch = SchedulePatch { backfill_request: vec![backfill], ..Default::default() };
    change::patch(&api, "asking for a backfill", schedule_id.clone(), patch).await?;
    change::told("backfilling", &schedule_id, args.json)
}
