//! `tenure workflow count`: how many workflows a filter finds.

use super::plan;
use crate::{
    api::Target,
    output,
    show::{
        json, payload,
        table::{Column, Table},
        text,
    },
};
use tenure_api::workflowservice::v1::{CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse};
use tenure_client::rpc;

/// Count workflows, all together or by groups.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow count
  tenure workflow count --query 'WorkflowType = \"Order\" AND ExecutionStatus = \"Running\"'
  tenure workflow count --query 'WorkflowType = \"Order\" GROUP BY ExecutionStatus'")]
pub(crate) struct Args {
    /// A list filter, with GROUP BY for groups; without it, all workflows.
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    query: String,
    /// Show how the server counts them (index or scan, for each shard) instead of how many there are.
    #[arg(long)]
    explain: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if args.explain {
        return plan::of_count(&args.target, args.query, args.json).await;
    }
    let api = args.target.reach().await?;
    let request = CountWorkflowExecutionsRequest { namespace: api.namespace(), query: args.query };
    let call = rpc!(api.client.connection(), count_workflow_executions, request, api.patient());
    let found = api.ask("counting", call).await?;
    if args.json {
        return output::document(&with_zero(json::readable(&found)?));
    }
    if found.groups.is_empty() {
        return output::line(found.count);
    }
    let mut table = groups(&found);
    table.print_page()
}

/// Counts of zero, too: the API's JSON leaves them out.
fn with_zero(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = json.as_object_mut() {
        fields.entry("count").or_insert_with(|| "0".into());
    }
    json
}

/// A row for each group, the largest first, and one for all.
fn groups(found: &CountWorkflowExecutionsResponse) -> Table {
    let mut table = Table::new(&[Column::long("GROUP"), Column::number("COUNT")]);
    let mut groups: Vec<_> = found.groups.iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    for group in groups {
        let of = group.group_values.iter().map(named).collect::<Vec<_>>().join(", ");
        table.row([of.into(), text::count(group.count).into()]);
    }
    table.row(["(all)".into(), text::count(found.count).into()]);
    table
}

/// What a group has in common; texts without their quotes.
fn named(value: &tenure_api::common::v1::Payload) -> String {
    match payload::value(value) {
        Some(serde_json::Value::String(text)) => text,
        _ => payload::full(value),
    }
}
