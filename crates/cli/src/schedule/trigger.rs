//! `tenure schedule trigger`

use super::{
    One, change,
    policies::{Overlap, number},
};
use crate::api::Target;
use tenure_api::schedule::v1::{SchedulePatch, TriggerImmediatelyRequest};

/// Let a schedule act now, also while it is paused.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure schedule trigger nightly --overlap allow-all")]
pub(super) struct Args {
    #[command(flatten)]
    which: One,
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
    let (schedule_id, api) = (args.which.id(), args.target.reach().await?);
    let trigger = TriggerImmediatelyRequest { overlap_policy: number(args.overlap), ..Default::default() };
    let patch = SchedulePatch { trigger_immediately: Some(trigger), ..Default::default() };
    change::patch(&api, "triggering", schedule_id.clone(), patch).await?;
    change::told("triggered", &schedule_id, args.json)
}
