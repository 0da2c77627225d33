//! `tenure schedule delete`

use super::{One, change};
use crate::api::{Target, ask};
use tenure_api::workflowservice::v1::DeleteScheduleRequest;

/// Remove a schedule; workflows that it has started go on.
#[derive(clap::Args)]
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
    let request = DeleteScheduleRequest {
        namespace: api.namespace(),
        schedule_id: schedule_id.clone(),
        identity: api.identity(),
    };
    ask!(api, "deleting", delete_schedule, request).await?;
    change::told("deleted", &schedule_id, args.json)
}
