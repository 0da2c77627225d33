//! `tenure task-queue describe`: backlog, rates and pollers.

use crate::{
    api::{Api, Target, ask},
    output,
    show::{
        json,
        style::Tone,
        table::{Cell, Column, Table},
        text, time,
    },
};
use serde_json::json;
use std::time::SystemTime;
use tenure_api::{
    enums::v1::TaskQueueType,
    taskqueue::v1::{PollerInfo, TaskQueue, TaskQueueStats},
    workflowservice::v1::{DescribeTaskQueueRequest, DescribeTaskQueueResponse},
};

/// Show what waits in a task queue, and the workers that poll it.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure task-queue describe orders

A backlog that grows wants more workers; one without pollers of its kind has none at all.")]
pub(crate) struct Args {
    /// The task queue.
    #[arg(value_name = "TASK_QUEUE", required_unless_present = "task_queue")]
    name: Option<String>,
    /// The task queue, as an option.
    #[arg(long, short, value_name = "TASK_QUEUE", conflicts_with = "name", allow_hyphen_values = true)]
    task_queue: Option<String>,
    /// Print JSON: {"workflow": ..., "activity": ...}.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// The kinds of tasks that a queue has, and their names here.
const KINDS: [(TaskQueueType, &str); 2] =
    [(TaskQueueType::Workflow, "workflow"), (TaskQueueType::Activity, "activity")];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let name = args.name.or(args.task_queue).unwrap_or_default();
    let mut found = Vec::new();
    for (kind, title) in KINDS {
        found.push((title, describe(&api, &name, kind).await?));
    }
    if args.json {
        let mut all = json!({});
        for (title, queue) in &found {
            all[title] = json::readable(queue)?;
        }
        return output::document(&all);
    }
    let now = SystemTime::now();
    backlog(&found).print_page()?;
    output::line("")?;
    let mut pollers = pollers(&found, now);
    if pollers.is_empty() { output::line("no worker polls it") } else { pollers.print_page() }
}

async fn describe(api: &Api, name: &str, kind: TaskQueueType) -> anyhow::Result<DescribeTaskQueueResponse> {
    let request = DescribeTaskQueueRequest {
        namespace: api.namespace(),
        task_queue: Some(TaskQueue { name: name.to_owned(), ..Default::default() }),
        task_queue_type: kind.into(),
        report_stats: true,
        ..Default::default()
    };
    ask!(api, "describing", describe_task_queue, request).await
}

fn backlog(found: &[(&str, DescribeTaskQueueResponse)]) -> Table {
    let mut table = Table::new(&[
        Column::new("TASKS"),
        Column::number("BACKLOG"),
        Column::number("OLDEST"),
        Column::number("ADDED/S"),
        Column::number("DISPATCHED/S"),
        Column::number("POLLERS"),
    ]);
    for (title, queue) in found {
        let stats = queue.stats.unwrap_or_default();
        table.row([
            Cell::from(title),
            waiting(&stats, queue.pollers.is_empty()),
            time::timeout(stats.approximate_backlog_age).into(),
            format!("{:.1}", stats.tasks_add_rate).into(),
            format!("{:.1}", stats.tasks_dispatch_rate).into(),
            queue.pollers.len().to_string().into(),
        ]);
    }
    table
}

fn waiting(stats: &TaskQueueStats, unattended: bool) -> Cell {
    let count = text::count(stats.approximate_backlog_count);
    if stats.approximate_backlog_count > 0 && unattended { Cell::toned(count, Tone::Bad) } else { count.into() }
}

fn pollers(found: &[(&str, DescribeTaskQueueResponse)], now: SystemTime) -> Table {
    let mut table = Table::new(&[
        Column::new("TASKS"),
        Column::long("POLLER"),
        Column::new("LAST POLL"),
        Column::number("LIMIT/S"),
    ]);
    for (title, queue) in found {
        for poller in &queue.pollers {
            table.row(row(title, poller, now));
        }
    }
    table
}

fn row(title: &str, poller: &PollerInfo, now: SystemTime) -> [Cell; 4] {
    // What SDKs send when there is none.
    let unlimited = poller.rate_per_second <= 0.0 || poller.rate_per_second >= 100_000.0;
    let limit = if unlimited { String::new() } else { format!("{:.1}", poller.rate_per_second) };
    [title.into(), poller.identity.as_str().into(), time::distance(poller.last_access_time, now).into(), limit.into()]
}
