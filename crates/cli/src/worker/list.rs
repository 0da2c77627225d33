//! `tenure worker list`

use super::{sdk, status, version};
use crate::{
    api::{Target, ask},
    output,
    show::{
        pages,
        table::{Cell, Column},
        text, time,
    },
};
use prost::bytes::Bytes;
use std::time::SystemTime;
use tenure_api::{worker::v1::WorkerListInfo, workflowservice::v1::ListWorkersRequest};

/// List workers that said something of themselves in the last five minutes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure worker list
  tenure worker list --task-queue orders
  tenure worker list --query 'HostName = \"node-7\" AND Status = \"Running\"'
  tenure worker list --all --json | jq -r .workerInstanceKey

Filters may name WorkerInstanceKey, WorkerIdentity, HostName, TaskQueue, DeploymentName, BuildId,
SdkName, SdkVersion, StartTime, HeartbeatTime and Status (Running, ShuttingDown).")]
pub(super) struct Args {
    /// A filter; without it, all workers.
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    query: String,
    /// Only workers of this task queue.
    #[arg(long, short, value_name = "TASK_QUEUE", allow_hyphen_values = true)]
    task_queue: Option<String>,
    /// How many to list, at most.
    #[arg(long, short, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// List all of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Workers of one page, which is as much as comes to the terminal at once.
const PAGE: u64 = 200;

const COLUMNS: [Column; 8] = [
    Column::long("WORKER"),
    Column::long("TASK QUEUE"),
    Column::long("IDENTITY"),
    Column::long("HOST"),
    Column::long("SDK"),
    Column::long("BUILD"),
    Column::new("STATUS"),
    Column::new("STARTED"),
];

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let query = filter(&args.query, args.task_queue.as_deref());
    let most = if args.all { u64::MAX } else { args.limit };
    let (mut listed, mut is_cut) = (0, false);
    pages::print(
        args.json,
        &COLUMNS,
        |found| row(found, SystemTime::now()),
        async |next_page_token| {
            let request = ListWorkersRequest {
                namespace: api.namespace(),
                page_size: i32::try_from(PAGE.min(most - listed)).unwrap_or(i32::MAX),
                next_page_token,
                query: query.clone(),
                ..Default::default()
            };
            let what = format!("listing, {} so far", text::count(listed));
            let page = ask!(api, &what, list_workers, request).await?;
            listed += page.workers.len() as u64;
            is_cut = listed >= most && !page.next_page_token.is_empty();
            Ok((page.workers, if is_cut { Bytes::new() } else { page.next_page_token }))
        },
    )
    .await?;
    if is_cut {
        output::note("There may be more: see --limit and --all.");
    }
    if listed == 0 && !args.json {
        output::note(format_args!(
            "No workers found in the namespace {}. SDKs that send no heartbeats are not listed; `tenure task-queue \
             describe` shows who polls.",
            text::clean(api.client.namespace())
        ));
    }
    Ok(())
}

fn filter(query: &str, task_queue: Option<&str>) -> String {
    let queue = task_queue.map(|name| format!("TaskQueue = '{}'", name.replace('\\', "\\\\").replace('\'', "''")));
    match (queue, query.trim().is_empty()) {
        (Some(queue), true) => queue,
        (Some(queue), false) => format!("{queue} AND ({query})"),
        (None, _) => query.to_owned(),
    }
}

fn row(found: &WorkerListInfo, now: SystemTime) -> Vec<Cell> {
    vec![
        found.worker_instance_key.as_str().into(),
        found.task_queue.as_str().into(),
        found.worker_identity.as_str().into(),
        found.host_name.as_str().into(),
        sdk(&found.sdk_name, &found.sdk_version).into(),
        version(found.deployment_version.as_ref()).into(),
        status(found.status),
        time::distance(found.start_time, now).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_and_a_filter_are_asked_for_together() {
        assert_eq!(filter("", None), "");
        assert_eq!(filter(" ", Some("q")), "TaskQueue = 'q'");
        assert_eq!(filter("A = 'a' OR B = 'b'", Some("it's \\")), r"TaskQueue = 'it''s \\' AND (A = 'a' OR B = 'b')");
        assert_eq!(filter("A = 'a'", None), "A = 'a'");
    }
}
