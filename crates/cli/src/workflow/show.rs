//! `tenure workflow show`: the history of a run.

use super::which::One;
use crate::{
    api::{Api, Target},
    output,
    show::{
        event, json,
        table::{Column, Table},
        text, time,
    },
};
use serde_json::json;
use tenure_api::{
    history::v1::HistoryEvent,
    workflowservice::v1::{GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse},
};
use tenure_client::rpc;

/// Show the history of a workflow.
///
/// A line for each event: when it happened (UTC), and the main thing about it; `of N` names the event that began it.
/// With --json it is what SDKs replay: {"events": [...]}, payloads as they are; with --follow, a line for each event.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow show order-1
  tenure workflow show order-1 --follow            until the run is closed
  tenure workflow show order-1 --json > order-1.json")]
pub(crate) struct Args {
    #[command(flatten)]
    which: One,
    /// Wait for events that have not happened yet, until the run is closed.
    #[arg(long, short)]
    follow: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const COLUMNS: [Column; 4] =
    [Column::number("ID").at_least(3), Column::new("TIME"), Column::new("EVENT").at_least(26), Column::long("WHAT")];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach_for_histories().await?;
    let mut request = GetWorkflowExecutionHistoryRequest {
        namespace: api.namespace(),
        execution: Some(args.which.execution()),
        wait_new_event: args.follow,
        ..Default::default()
    };
    let mut table = Table::new(&COLUMNS);
    let mut events = Vec::new();
    let mut shown = 0;
    loop {
        let page = turn(&api, &request, shown).await?;
        let new = page.history.unwrap_or_default().events;
        shown += new.len();
        match (args.json, args.follow) {
            (true, true) => new.iter().try_for_each(|event| output::json_line(&json::exact(event)?))?,
            (true, false) => events.extend(new),
            (false, _) => print(&mut table, &new)?,
        }
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() {
            break;
        }
    }
    if args.json && !args.follow {
        let events = events.iter().map(json::exact).collect::<anyhow::Result<Vec<_>>>()?;
        output::document(&json!({ "events": events }))?;
    }
    Ok(())
}

async fn turn(
    api: &Api,
    request: &GetWorkflowExecutionHistoryRequest,
    shown: usize,
) -> anyhow::Result<GetWorkflowExecutionHistoryResponse> {
    let (client, follow) = (&api.client, request.wait_new_event);
    let patience = if follow { client.long() } else { client.short() };
    let what = if follow { "waiting for events" } else { "reading the history" };
    let what = format!("{what}, {} so far", text::count(shown as i64));
    api.ask(&what, rpc!(client.connection(), get_workflow_execution_history, request.clone(), patience)).await
}

fn print(table: &mut Table, events: &[HistoryEvent]) -> anyhow::Result<()> {
    for event in events {
        let (kind, what) = (event::name(event), event::what(event));
        table.row([event.event_id.to_string().into(), time::exact(event.event_time).into(), kind, what.into()]);
    }
    if table.is_empty() { Ok(()) } else { table.print_page() }
}
