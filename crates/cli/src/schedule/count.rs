//! `tenure schedule count`

use crate::{
    api::{Target, ask},
    output,
};
use serde_json::json;
use tenure_api::workflowservice::v1::CountSchedulesRequest;

/// Count schedules.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure schedule count
  tenure schedule count --query 'TemporalSchedulePaused = true'")]
pub(super) struct Args {
    /// A filter; without it, all schedules.
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    query: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = CountSchedulesRequest { namespace: api.namespace(), query: args.query };
    let count = ask!(api, "counting", count_schedules, request).await?.count;
    // As the API's JSON has it, but also where it is zero.
    if args.json { output::document(&json!({ "count": count.to_string() })) } else { output::line(count) }
}
