//! `tenure workflow list`: the workflows that a filter finds.

use super::plan;
use crate::{
    api::Target,
    output,
    show::{
        pages, status,
        style::Tone,
        table::{Cell, Column},
        text, time,
    },
};
use prost::bytes::Bytes;
use std::time::SystemTime;
use tenure_api::{
    enums::v1::WorkflowExecutionStatus as Status,
    time::{duration_from_proto, time_from_proto},
    workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::ListWorkflowExecutionsRequest,
};
use tenure_client::rpc;

/// List workflows: those that run, newest first, then those that were closed last.
///
/// ORDER BY in a filter sorts otherwise, on servers that can. Times are UTC; the duration of a workflow that runs is the
/// time since its start.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow list
  tenure workflow list --query 'ExecutionStatus = \"Running\" AND WorkflowType = \"Order\"' --limit 100
  tenure workflow list --query 'WorkflowId STARTS_WITH \"order-\"' --wide
  tenure workflow list --all --json | jq -r .execution.workflowId")]
pub(crate) struct Args {
    /// A list filter, for example 'ExecutionStatus = "Failed"'; without it, all workflows.
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    query: String,
    /// How many to list, at most.
    #[arg(long, short, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// List all of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Show run id, task queue, end and number of events as well.
    #[arg(long)]
    wide: bool,
    /// Show how the server finds them (index or scan, for each shard) instead of what it finds.
    #[arg(long)]
    explain: bool,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Workflows of one page, which is as much as comes to the terminal at once.
const PAGE: u64 = 200;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if args.explain {
        return plan::of_list(&args.target, args.query, args.json).await;
    }
    let api = args.target.reach().await?;
    let most = if args.all { u64::MAX } else { args.limit };
    let (mut listed, mut is_cut) = (0, false);
    let row = |info: &WorkflowExecutionInfo| row(info, args.wide, SystemTime::now());
    pages::print(args.json, columns(args.wide), row, async |next_page_token| {
        let request = ListWorkflowExecutionsRequest {
            namespace: api.namespace(),
            query: args.query.clone(),
            page_size: i32::try_from(PAGE.min(most - listed)).unwrap_or(i32::MAX),
            next_page_token,
        };
        let what = format!("listing, {} so far", text::count(listed));
        let call = rpc!(api.client.connection(), list_workflow_executions, request, api.patient());
        let page = api.ask(&what, call).await?;
        listed += page.executions.len() as u64;
        is_cut = listed >= most && !page.next_page_token.is_empty();
        Ok((page.executions, if is_cut { Bytes::new() } else { page.next_page_token }))
    })
    .await?;
    if is_cut {
        output::note("There may be more: see --limit, --all, and `tenure workflow count`.");
    }
    if listed == 0 && !args.json {
        output::note(format_args!("No workflows found in the namespace {}.", text::clean(api.client.namespace())));
    }
    Ok(())
}

const BASE: [Column; 5] = [
    Column::new("STATUS"),
    Column::long("WORKFLOW ID"),
    Column::long("TYPE"),
    Column::new("STARTED"),
    Column::number("DURATION"),
];

/// Too much for a narrow terminal, unless everything may be broken but words.
const WIDE: [Column; 9] = [
    Column::new("STATUS"),
    Column::long("WORKFLOW ID"),
    Column::long("RUN ID"),
    Column::long("TYPE"),
    Column::long("TASK QUEUE"),
    Column::long("STARTED"),
    Column::long("CLOSED"),
    Column::number("DURATION"),
    Column::number("EVENTS"),
];

fn columns(wide: bool) -> &'static [Column] {
    if wide { &WIDE } else { &BASE }
}

fn row(info: &WorkflowExecutionInfo, wide: bool, now: SystemTime) -> Vec<Cell> {
    let execution = info.execution.clone().unwrap_or_default();
    let kind = info.r#type.as_ref().map_or("", |kind| &kind.name);
    let status = status::of_workflow(info.status());
    let started = time::stamp(info.start_time).into();
    if !wide {
        return vec![status, execution.workflow_id.into(), kind.into(), started, duration(info, now)];
    }
    vec![
        status,
        execution.workflow_id.into(),
        execution.run_id.into(),
        kind.into(),
        Cell::from(&info.task_queue),
        started,
        time::stamp(info.close_time).into(),
        duration(info, now),
        if info.history_length > 0 { text::count(info.history_length).into() } else { Cell::default() },
    ]
}

/// How long the run took; of one that goes on, how long it has been running.
fn duration(info: &WorkflowExecutionInfo, now: SystemTime) -> Cell {
    if info.status() == Status::Running {
        return time::between(info.start_time, now)
            .map(|so_far| Cell::toned(time::span(so_far), Tone::Faint))
            .unwrap_or_default();
    }
    let told = duration_from_proto(info.execution_duration);
    let end = time_from_proto(info.close_time);
    let took = told.or_else(|| time::between(info.execution_time.or(info.start_time), end?));
    took.map(|took| time::span(took).into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::table::{Screen, Table};
    use expect_test::{Expect, expect};
    use prost_types::Timestamp;
    use std::time::Duration;
    use tenure_api::common::v1::{WorkflowExecution, WorkflowType};

    fn info(id: &str, status: Status, took: Option<i64>) -> WorkflowExecutionInfo {
        let at = |seconds| Some(Timestamp { seconds: 1_764_444_386 + seconds, nanos: 0 });
        WorkflowExecutionInfo {
            execution: Some(WorkflowExecution { workflow_id: id.to_owned(), run_id: format!("run-of-{}", id.len()) }),
            r#type: Some(WorkflowType { name: "Order".to_owned() }),
            status: status.into(),
            start_time: at(0),
            close_time: took.and_then(at),
            task_queue: "orders".to_owned(),
            history_length: took.unwrap_or_default() * 10,
            ..Default::default()
        }
    }

    fn check(width: Option<u16>, wide: bool, expected: Expect) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_444_386 + 3700);
        let mut table = Table::on(Screen { width, colours: false }, columns(wide));
        let long = format!("order-{}-\u{1b}[2J", "of-somebody".repeat(4));
        let found = [
            info("order-1", Status::Running, None),
            info(&long, Status::Failed, Some(125)),
            info("b", Status::ContinuedAsNew, Some(1)),
        ];
        for info in &found {
            table.row(row(info, wide, now));
        }
        expected.assert_eq(&(table.page() + "\n"));
    }

    #[test]
    fn workflows_are_rows() {
        check(
            None,
            false,
            expect![[r#"
            STATUS          WORKFLOW ID                                                   TYPE   STARTED              DURATION
            Running         order-1                                                       Order  2025-11-29 19:26:26     1h 1m
            Failed          order-of-somebodyof-somebodyof-somebodyof-somebody-\u{1b}[2J  Order  2025-11-29 19:26:26     2m 5s
            ContinuedAsNew  b                                                             Order  2025-11-29 19:26:26      1.0s
        "#]],
        );
        check(
            None,
            true,
            expect![[r#"
            STATUS          WORKFLOW ID                                                   RUN ID     TYPE   TASK QUEUE  STARTED              CLOSED               DURATION  EVENTS
            Running         order-1                                                       run-of-7   Order  orders      2025-11-29 19:26:26                          1h 1m
            Failed          order-of-somebodyof-somebodyof-somebodyof-somebody-\u{1b}[2J  run-of-55  Order  orders      2025-11-29 19:26:26  2025-11-29 19:28:31     2m 5s   1,250
            ContinuedAsNew  b                                                             run-of-1   Order  orders      2025-11-29 19:26:26  2025-11-29 19:26:27      1.0s      10
        "#]],
        );
    }

    #[test]
    fn rows_fit_a_terminal() {
        check(
            Some(100),
            true,
            expect![[r#"
            STATUS          WORKFLOW ID  RUN ID     TYPE   TASK QUEUE  STARTED      CLOSED      DURATION  EVENTS
            Running         order-1      run-of-7   Order  orders      2025-11-29                  1h 1m
                                                                       19:26:26
            Failed          order-of-so  run-of-55  Order  orders      2025-11-29   2025-11-29     2m 5s   1,250
                            mebodyof-so                                19:26:26     19:28:31
                            mebodyof-so
                            mebodyof-so
                            mebody-\u{1
                            b}[2J
            ContinuedAsNew  b            run-of-1   Order  orders      2025-11-29   2025-11-29      1.0s      10
                                                                       19:26:26     19:26:27
        "#]],
        );
        check(
            Some(80),
            false,
            expect![[r#"
                STATUS          WORKFLOW ID                 TYPE   STARTED              DURATION
                Running         order-1                     Order  2025-11-29 19:26:26     1h 1m
                Failed          order-of-somebodyof-somebo  Order  2025-11-29 19:26:26     2m 5s
                                dyof-somebodyof-somebody-\
                                u{1b}[2J
                ContinuedAsNew  b                           Order  2025-11-29 19:26:26      1.0s
            "#]],
        );
    }
}
