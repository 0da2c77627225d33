//! `tenure schedule pause` and `tenure schedule unpause`

use super::{One, change};
use crate::api::Target;
use tenure_api::schedule::v1::SchedulePatch;

/// Let a schedule not act until it is unpaused; triggers and backfills still do.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure schedule pause nightly --reason 'the shops are closed'")]
pub(super) struct Pause {
    #[command(flatten)]
    switch: Switch,
}

/// Let a schedule act again; times that passed meanwhile are not made up for (see backfill).
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure schedule unpause nightly --reason 'the shops are open'")]
pub(super) struct Unpause {
    #[command(flatten)]
    switch: Switch,
}

#[derive(clap::Args)]
struct Switch {
    #[command(flatten)]
    which: One,
    /// Why; it becomes the schedule's note.
    #[arg(long, default_value = "asked for with the tenure command", hide_default_value = true)]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn pause(args: Pause) -> anyhow::Result<()> {
    let patch = |pause| SchedulePatch { pause, ..Default::default() };
    args.switch.run(["pausing", "paused"], patch).await
}

pub(super) async fn unpause(args: Unpause) -> anyhow::Result<()> {
    let patch = |unpause| SchedulePatch { unpause, ..Default::default() };
    args.switch.run(["unpausing", "unpaused"], patch).await
}

impl Switch {
    async fn run(self, [doing, done]: [&str; 2], patch: impl FnOnce(String) -> SchedulePatch) -> anyhow::Result<()> {
        let (schedule_id, api) = (self.which.id(), self.target.reach().await?);
        change::patch(&api, doing, schedule_id.clone(), patch(self.reason)).await?;
        change::told(done, &schedule_id, self.json)
    }
}
