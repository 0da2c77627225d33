//! `tenure worker describe`

use super::{sdk, status, version};
use crate::{
    api::{Target, ask},
    output,
    show::{
        facts::Facts,
        json,
        style::Tone,
        table::{Cell, Column, Table},
        text::count,
        time,
    },
};
use std::time::SystemTime;
use tenure_api::{
    worker::v1::{WorkerHeartbeat, WorkerPollerInfo, WorkerSlotsInfo},
    workflowservice::v1::DescribeWorkerRequest,
};

/// Show what a worker said of itself last: host, SDK, slots and polls.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  tenure worker describe 63bc3e0a-6f8c-4a3a-9d2b-0d8b6c4f2f5c

`tenure worker list` shows the names of workers. Slots that are all in use want more workers.")]
pub(super) struct Args {
    /// The worker, by the key that `tenure worker list` shows.
    #[arg(value_name = "WORKER", allow_hyphen_values = true)]
    worker: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request = DescribeWorkerRequest { namespace: api.namespace(), worker_instance_key: args.worker };
    let found = ask!(api, "describing", describe_worker, request).await?.worker_info.unwrap_or_default();
    if args.json {
        return json::print(&found);
    }
    let worker = found.worker_heartbeat.unwrap_or_default();
    facts(&worker, SystemTime::now()).print()?;
    output::line("")?;
    slots(&worker).print_page()?;
    output::line("")?;
    polls(&worker, SystemTime::now()).print_page()
}

fn facts(worker: &WorkerHeartbeat, now: SystemTime) -> Facts {
    let host = worker.host_info.clone().unwrap_or_default();
    let process = if host.process_id.is_empty() { String::new() } else { format!(", process {}", host.process_id) };
    let load = format!(
        "{:.0}% of processors, {:.0}% of memory",
        100.0 * host.current_host_cpu_usage,
        100.0 * host.current_host_mem_usage
    );
    let plugins: Vec<_> = worker.plugins.iter().map(|plugin| sdk(&plugin.name, &plugin.version)).collect();
    let cached = worker.total_sticky_cache_hit > 0 || worker.total_sticky_cache_miss > 0;
    let cache = format!(
        "{} workflows, {} hits, {} misses",
        count(worker.current_sticky_cache_size),
        count(worker.total_sticky_cache_hit),
        count(worker.total_sticky_cache_miss)
    );
    let mut facts = Facts::default();
    facts
        .add("Worker", &worker.worker_instance_key)
        .add("Status", status(worker.status))
        .add("Task queue", &worker.task_queue)
        .add("Identity", &worker.worker_identity)
        .add("Host", format!("{}{process}", host.host_name))
        .add("Load", if worker.host_info.is_some() { load } else { String::new() })
        .add("SDK", sdk(&worker.sdk_name, &worker.sdk_version))
        .add("Build", version(worker.deployment_version.as_ref()))
        .add("Plugins", plugins.join(", "))
        .add("Started", time::stamp(worker.start_time))
        .add("Heartbeat", time::distance(worker.heartbeat_time, now))
        .add("Cache", if cached { cache } else { String::new() });
    facts
}

fn slots(worker: &WorkerHeartbeat) -> Table {
    let mut table = Table::new(&[
        Column::new("SLOTS"),
        Column::number("USED"),
        Column::number("FREE"),
        Column::new("KIND"),
        Column::number("DONE"),
        Column::number("FAILED"),
        Column::number("LATELY"),
        Column::number("FAILED LATELY"),
    ]);
    for (name, slots) in [
        ("workflow tasks", &worker.workflow_task_slots_info),
        ("activities", &worker.activity_task_slots_info),
        ("local activities", &worker.local_activity_slots_info),
        ("nexus tasks", &worker.nexus_task_slots_info),
    ] {
        if let Some(slots) = slots {
            table.row(slots_row(name, slots));
        }
    }
    table
}

fn slots_row(name: &str, slots: &WorkerSlotsInfo) -> [Cell; 8] {
    let free = match slots.current_available_slots {
        0 if slots.current_used_slots > 0 => Cell::toned("0", Tone::Bad),
        // The SDK does not know how many there could be.
        unknown if unknown < 0 => Cell::from(""),
        free => count(free).into(),
    };
    let failures = |failed: i32| if failed > 0 { Cell::toned(count(failed), Tone::Bad) } else { count(failed).into() };
    [
        name.into(),
        count(slots.current_used_slots).into(),
        free,
        slots.slot_supplier_kind.as_str().into(),
        count(slots.total_processed_tasks).into(),
        failures(slots.total_failed_tasks),
        count(slots.last_interval_processed_tasks).into(),
        failures(slots.last_interval_failure_tasks),
    ]
}

fn polls(worker: &WorkerHeartbeat, now: SystemTime) -> Table {
    let mut table =
        Table::new(&[Column::new("POLLS FOR"), Column::number("NOW"), Column::new("LAST TASK"), Column::new("NUMBER")]);
    for (name, polls) in [
        ("workflow tasks", &worker.workflow_poller_info),
        ("sticky workflow tasks", &worker.workflow_sticky_poller_info),
        ("activities", &worker.activity_poller_info),
        ("nexus tasks", &worker.nexus_poller_info),
    ] {
        if let Some(WorkerPollerInfo { current_pollers, last_successful_poll_time, is_autoscaling }) = polls {
            table.row([
                name.into(),
                count(*current_pollers).into(),
                time::distance(*last_successful_poll_time, now).into(),
                if *is_autoscaling { "by load" } else { "fixed" }.into(),
            ]);
        }
    }
    table
}
