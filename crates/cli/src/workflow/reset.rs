//! `tenure workflow reset`: lets workflows go on from an earlier point, as new runs.

use super::{
    batch::{self, Words},
    which::{Chosen, Which},
};
use crate::{
    api::{Api, Target, ask},
    output,
    show::text::clean,
};
use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::EventType,
    workflowservice::v1::{
        DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, ResetWorkflowExecutionRequest,
    },
};
use tenure_client::{Batch, ResetPoint as Point, ResetReapplyExcludeType};
use uuid::Uuid;

const WORDS: Words = Words { verb: "reset", doing: "resetting", done: "reset" };

/// Let a workflow go on from an earlier point of its history, as a new run, or many.
///
/// What happened behind that point is forgotten, except for signals and updates, which reach the new run again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tenure workflow reset order-1 --to first-task --reason 'wrong price list'
  tenure workflow reset order-1 --to 17 --exclude signal          event 17 is a WorkflowTaskCompleted
  tenure workflow reset --query 'WorkflowType = \"Order\"' --to build:2026-11-29")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Where to: first-task, last-task, the id of an event that ends or starts a workflow task, or build:ID, the first
    /// task that this build did.
    #[arg(long, value_name = "POINT", value_parser = parse_point)]
    to: Point,
    /// What shall not reach the new run again; may be given several times.
    #[arg(long, value_name = "WHAT")]
    exclude: Vec<Exclude>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum Exclude {
    Signal,
    Update,
    Nexus,
}

impl From<Exclude> for ResetReapplyExcludeType {
    fn from(exclude: Exclude) -> Self {
        match exclude {
            Exclude::Signal => ResetReapplyExcludeType::Signal,
            Exclude::Update => ResetReapplyExcludeType::Update,
            Exclude::Nexus => ResetReapplyExcludeType::Nexus,
        }
    }
}

fn parse_point(text: &str) -> Result<Point, &'static str> {
    match text {
        "first-task" => Ok(Point::FirstWorkflowTask),
        "last-task" => Ok(Point::LastWorkflowTask),
        _ => match (text.strip_prefix("build:"), text.parse()) {
            (Some(build), _) if !build.is_empty() => Ok(Point::BuildId(build.to_owned())),
            (None, Ok(event)) if event > 0 => Ok(Point::Event(event)),
            _ => Err("must be first-task, last-task, the id of an event, or build:ID"),
        },
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let exclude = args.exclude.into_iter().map(ResetReapplyExcludeType::from);
    let api = args.target.reach_for_histories().await?;
    let execution = match args.which.chosen() {
        Chosen::One(execution) => execution,
        Chosen::Many(query) => {
            let reset = |batch: Batch| exclude.fold(batch.reset(args.to), |reset, what| reset.exclude(what));
            return batch::run(&api, &args.which, query, reset, &WORDS, args.json).await;
        }
    };
    let (execution, event) = find(&api, execution, &args.to).await?;
    let request = ResetWorkflowExecutionRequest {
        namespace: api.namespace(),
        workflow_execution: Some(execution.clone()),
        reason: args.which.reason(),
        workflow_task_finish_event_id: event,
        request_id: Uuid::new_v4().to_string(),
        reset_reapply_exclude_types: exclude.map(i32::from).collect(),
        identity: api.identity(),
        ..Default::default()
    };
    let run = ask!(api, WORDS.doing, reset_workflow_execution, request).await?.run_id;
    if args.json {
        return output::document(&json!({ "workflowId": execution.workflow_id, "runId": run, "eventId": event }));
    }
    let id = clean(&execution.workflow_id);
    output::line(format_args!("reset {id} to event {event}; it goes on as the run {}", clean(&run)))
}

/// The run and the event that a point of an execution is.
async fn find(api: &Api, execution: WorkflowExecution, to: &Point) -> anyhow::Result<(WorkflowExecution, i64)> {
    match to {
        Point::Event(event) => Ok((execution, *event)),
        Point::BuildId(build) => first_of_build(api, execution, build).await,
        Point::FirstWorkflowTask => task(api, execution, true).await,
        Point::LastWorkflowTask => task(api, execution, false).await,
    }
}

async fn first_of_build(
    api: &Api,
    execution: WorkflowExecution,
    build: &str,
) -> anyhow::Result<(WorkflowExecution, i64)> {
    let request = DescribeWorkflowExecutionRequest { namespace: api.namespace(), execution: Some(execution.clone()) };
    let described = ask!(api, "looking for the build", describe_workflow_execution, request).await?;
    let points = described.workflow_execution_info.unwrap_or_default().auto_reset_points.unwrap_or_default().points;
    let point = points.into_iter().find(|point| point.build_id == build && point.resettable);
    let point = point
        .with_context(|| format!("no workflow task that can be reset to was done by the build {}", clean(build)))?;
    Ok((WorkflowExecution { run_id: point.run_id, ..execution }, point.first_workflow_task_completed_id))
}

/// The first or the last workflow task that was completed; one that was started, if none was.
async fn task(api: &Api, execution: WorkflowExecution, first: bool) -> anyhow::Result<(WorkflowExecution, i64)> {
    let mut request = GetWorkflowExecutionHistoryRequest {
        namespace: api.namespace(),
        execution: Some(execution.clone()),
        ..Default::default()
    };
    let (mut completed, mut scheduled) = (None, None);
    loop {
        let page = ask!(api, "reading the history", get_workflow_execution_history, request.clone()).await?;
        for event in page.history.unwrap_or_default().events {
            match event.event_type() {
                EventType::WorkflowTaskCompleted if !first || completed.is_none() => completed = Some(event.event_id),
                EventType::WorkflowTaskScheduled if !first || scheduled.is_none() => scheduled = Some(event.event_id),
                _ => {}
            }
        }
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() || (first && completed.is_some()) {
            break;
        }
    }
    // As the reference's own command: the task that is scheduled counts as if it ended right behind that.
    let event = completed.or(scheduled.map(|event| event + 1)).context("the workflow has no workflow task yet")?;
    Ok((execution, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_tasks_events_or_builds() {
        assert_eq!(parse_point("first-task"), Ok(Point::FirstWorkflowTask));
        assert_eq!(parse_point("17"), Ok(Point::Event(17)));
        assert_eq!(parse_point("build:1.2"), Ok(Point::BuildId("1.2".to_owned())));
        assert!(["", "0", "-1", "build:", "first"].iter().all(|text| parse_point(text).is_err()));
    }
}
