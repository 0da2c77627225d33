//! `tenure workflow describe`: what the server knows of a run now.

use super::which::One;
use crate::{
    api::{Target, ask},
    output,
    show::{
        facts::Facts,
        failure, json,
        payload::brief_fields,
        status,
        style::Tone,
        table::{Cell, Column, Table},
        text, time,
    },
};
use std::time::SystemTime;
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::PendingActivityState,
    time::duration_from_proto,
    workflow::v1::{PendingActivityInfo, PendingWorkflowTaskInfo, WorkflowExecutionInfo},
    workflowservice::v1::{DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse},
};

/// Show what a workflow is doing now.
///
/// Its status, what it waits for, which attempt of an activity this is, what failed last and when it is tried again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow describe order-1
  tenure workflow describe order-1 --json | jq .pendingActivities")]
pub(crate) struct Args {
    #[command(flatten)]
    which: One,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let api = args.target.reach().await?;
    let request =
        DescribeWorkflowExecutionRequest { namespace: api.namespace(), execution: Some(args.which.execution()) };
    let found = ask!(api, "describing", describe_workflow_execution, request).await?;
    if args.json {
        return json::print(&found);
    }
    let now = SystemTime::now();
    facts(&found, now).print()?;
    let tables = [
        ("Pending activities", activities(&found, now)),
        ("Pending children", children(&found)),
        ("Pending Nexus operations", operations(&found, now)),
    ];
    for (title, mut table) in tables {
        if !table.is_empty() {
            output::line(format_args!("\n{title}"))?;
            table.print_page()?;
        }
    }
    Ok(())
}

fn facts(found: &DescribeWorkflowExecutionResponse, now: SystemTime) -> Facts {
    let empty = WorkflowExecutionInfo::default();
    let info = found.workflow_execution_info.as_ref().unwrap_or(&empty);
    let (execution, kind) = (info.execution.clone().unwrap_or_default(), info.r#type.clone().unwrap_or_default());
    let mut facts = Facts::default();
    facts
        .add("Workflow id", execution.workflow_id)
        .add("Run id", execution.run_id)
        .add("Type", kind.name)
        .add("Status", status::of_workflow(info.status()))
        .add("Task queue", &info.task_queue)
        .add("Started", when(info.start_time, now))
        .add(
            "First task at",
            if info.execution_time == info.start_time { String::new() } else { when(info.execution_time, now) },
        )
        .add("Closed", when(info.close_time, now))
        .add("Took", duration_from_proto(info.execution_duration).map(time::span).unwrap_or_default())
        .add("Parent", of(info.parent_execution.as_ref()))
        .add(
            "Root",
            if info.root_execution == info.execution { String::new() } else { of(info.root_execution.as_ref()) },
        )
        .add("First run", if info.first_run_id == run_id_of(info) { "" } else { &info.first_run_id })
        .add("History", history(info));
    limits(&mut facts, found, now);
    facts
        .add("Memo", brief_fields(info.memo.as_ref().map(|memo| &memo.fields)))
        .add("Search attributes", brief_fields(info.search_attributes.as_ref().map(|it| &it.indexed_fields)))
        .add("Workflow task", workflow_task(found.pending_workflow_task.as_ref(), now));
    facts
}

fn run_id_of(info: &WorkflowExecutionInfo) -> &str {
    info.execution.as_ref().map_or("", |execution| &execution.run_id)
}

fn limits(facts: &mut Facts, found: &DescribeWorkflowExecutionResponse, now: SystemTime) {
    let extended = found.workflow_extended_info.clone().unwrap_or_default();
    let config = found.execution_config.clone().unwrap_or_default();
    facts
        .add("Cancel", if extended.cancel_requested { "asked to stop" } else { "" })
        .add("Expires", when(extended.execution_expiration_time, now))
        .add("Run expires", when(extended.run_expiration_time, now))
        .add("Reset to", &extended.reset_run_id)
        .add("Execution timeout", time::timeout(config.workflow_execution_timeout))
        .add("Run timeout", time::timeout(config.workflow_run_timeout))
        .add("Task timeout", time::timeout(config.default_workflow_task_timeout));
    if let Some(pause) = extended.pause_info {
        facts.add("Paused", Cell::toned(format!("{} by {}", pause.reason, pause.identity), Tone::Bad));
    }
}

/// A time, and how far away it is.
fn when(at: Option<prost_types::Timestamp>, now: SystemTime) -> String {
    match (time::stamp(at), time::distance(at, now)) {
        (at, _) if at.is_empty() => at,
        (at, distance) => format!("{at} UTC, {distance}"),
    }
}

fn of(execution: Option<&WorkflowExecution>) -> String {
    execution.map(|it| format!("{}, run {}", it.workflow_id, it.run_id)).unwrap_or_default()
}

fn history(info: &WorkflowExecutionInfo) -> String {
    let (events, bytes) = (text::count(info.history_length), text::count(info.history_size_bytes));
    let unit = if info.history_length == 1 { "event" } else { "events" };
    format!("{events} {unit}, {bytes} bytes, {} state transitions", text::count(info.state_transition_count))
}

fn workflow_task(task: Option<&PendingWorkflowTaskInfo>, now: SystemTime) -> Cell {
    let Some(task) = task else { return Cell::default() };
    let state = status::word(task.state().as_str_name(), "PENDING_WORKFLOW_TASK_STATE_");
    let since = time::distance(task.started_time.or(task.scheduled_time), now);
    match task.attempt {
        0 | 1 => format!("{state} {since}").into(),
        attempt => Cell::toned(format!("{state} {since}, attempt {attempt}: the ones before failed"), Tone::Bad),
    }
}

fn activities(found: &DescribeWorkflowExecutionResponse, now: SystemTime) -> Table {
    let mut table = Table::new(&[
        Column::long("ID"),
        Column::long("TYPE"),
        Column::new("STATE"),
        Column::number("ATTEMPT"),
        Column::new("NEXT TRY"),
        Column::new("HEARTBEAT"),
        Column::long("LAST FAILURE"),
    ]);
    for activity in &found.pending_activities {
        table.row(activity_row(activity, now));
    }
    table
}

fn activity_row(activity: &PendingActivityInfo, now: SystemTime) -> [Cell; 7] {
    let state = status::word(activity.state().as_str_name(), "PENDING_ACTIVITY_STATE_");
    let running = matches!(activity.state(), PendingActivityState::Started | PendingActivityState::CancelRequested);
    let attempt = match activity.maximum_attempts {
        0 => activity.attempt.to_string(),
        most => format!("{} of {most}", activity.attempt),
    };
    [
        activity.activity_id.as_str().into(),
        activity.activity_type.as_ref().map_or("", |kind| &kind.name).into(),
        if running { Cell::toned(state, Tone::Live) } else { state.into() },
        attempt.into(),
        if running { Cell::default() } else { time::distance(activity.next_attempt_schedule_time, now).into() },
        time::distance(activity.last_heartbeat_time, now).into(),
        Cell::toned(failure::line(activity.last_failure.as_ref()), Tone::Bad),
    ]
}

fn children(found: &DescribeWorkflowExecutionResponse) -> Table {
    let columns =
        [Column::long("WORKFLOW ID"), Column::new("RUN ID"), Column::long("TYPE"), Column::new("IF WE CLOSE")];
    let mut table = Table::new(&columns);
    for child in &found.pending_children {
        let policy = status::word(child.parent_close_policy().as_str_name(), "PARENT_CLOSE_POLICY_");
        table.row([
            child.workflow_id.as_str().into(),
            child.run_id.as_str().into(),
            child.workflow_type_name.as_str().into(),
            policy.into(),
        ]);
    }
    table
}

fn operations(found: &DescribeWorkflowExecutionResponse, now: SystemTime) -> Table {
    let mut table = Table::new(&[
        Column::long("ENDPOINT"),
        Column::long("OPERATION"),
        Column::new("STATE"),
        Column::number("ATTEMPT"),
        Column::new("NEXT TRY"),
        Column::long("LAST FAILURE"),
    ]);
    for operation in &found.pending_nexus_operations {
        table.row([
            operation.endpoint.as_str().into(),
            format!("{} {}", operation.service, operation.operation).into(),
            status::word(operation.state().as_str_name(), "PENDING_NEXUS_OPERATION_STATE_").into(),
            operation.attempt.to_string().into(),
            time::distance(operation.next_attempt_schedule_time, now).into(),
            Cell::toned(failure::line(operation.last_attempt_failure.as_ref()), Tone::Bad),
        ]);
    }
    table
}
