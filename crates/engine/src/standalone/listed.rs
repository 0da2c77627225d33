//! What lists find a run by, and what they show of it: a record in the form of a workflow's run.

use super::{shown::execution_duration, state::StandaloneState};
use crate::{
    search_attributes::{of_type, with_values},
    visibility::RunRecord,
};
use tenure_api::{
    activity::v1::ActivityExecutionListInfo,
    common::v1::{ActivityType, SearchAttributes, WorkflowExecution, WorkflowType},
    enums::v1::{ActivityExecutionStatus as Status, IndexedValueType, WorkflowExecutionStatus},
    workflow::v1::WorkflowExecutionInfo,
};
use uuid::Uuid;

/// The attribute that tells the status, as a text: unlike that of a workflow's run, one that there is not can be asked for.
pub const STATUS: &str = "TemporalActivityStatus";

/// An attribute that keeps runs apart from others, which activities are anyway.
const DIVISION: &str = "TemporalNamespaceDivision";

/// The record of a run that was given these search attributes.
pub(crate) fn record(run_id: Uuid, state: &StandaloneState, given: Option<SearchAttributes>) -> RunRecord {
    let activity = &state.activity;
    let mut attributes = with_values(given).unwrap_or_default();
    attributes.indexed_fields.remove(DIVISION);
    let (status, name) = status(state.status());
    attributes.indexed_fields.insert(STATUS.into(), of_type(IndexedValueType::Keyword, &name.into()));
    RunRecord::of_other(WorkflowExecutionInfo {
        execution: Some(WorkflowExecution {
            workflow_id: activity.activity_id.to_string(),
            run_id: run_id.to_string(),
        }),
        r#type: Some(WorkflowType { name: activity.activity_type.to_string() }),
        start_time: Some(state.created_at.to_proto()),
        execution_time: Some(state.execution_time().to_proto()),
        close_time: state.end.map(|end| end.at.to_proto()),
        status: status.into(),
        task_queue: activity.task_queue.to_string(),
        search_attributes: Some(attributes),
        state_transition_count: state.end.map_or(0, |_| state.transitions),
        execution_duration: execution_duration(state),
        ..Default::default()
    })
}

/// The status in a record, and its name in queries.
fn status(status: Status) -> (WorkflowExecutionStatus, &'static str) {
    match status {
        Status::Unspecified => (WorkflowExecutionStatus::Unspecified, "Unspecified"),
        Status::Running => (WorkflowExecutionStatus::Running, "Running"),
        Status::Completed => (WorkflowExecutionStatus::Completed, "Completed"),
        Status::Failed => (WorkflowExecutionStatus::Failed, "Failed"),
        Status::Canceled => (WorkflowExecutionStatus::Canceled, "Canceled"),
        Status::Terminated => (WorkflowExecutionStatus::Terminated, "Terminated"),
        Status::TimedOut => (WorkflowExecutionStatus::TimedOut, "TimedOut"),
        Status::Paused => (WorkflowExecutionStatus::Paused, "Paused"),
    }
}

/// What a list shows of a run, from its record.
pub fn entry(record: WorkflowExecutionInfo) -> ActivityExecutionListInfo {
    let status = match record.status() {
        WorkflowExecutionStatus::Completed => Status::Completed,
        WorkflowExecutionStatus::Failed => Status::Failed,
        WorkflowExecutionStatus::Canceled => Status::Canceled,
        WorkflowExecutionStatus::Terminated => Status::Terminated,
        WorkflowExecutionStatus::TimedOut => Status::TimedOut,
        WorkflowExecutionStatus::Paused => Status::Paused,
        WorkflowExecutionStatus::Running => Status::Running,
        WorkflowExecutionStatus::Unspecified | WorkflowExecutionStatus::ContinuedAsNew => Status::Unspecified,
    };
    let WorkflowExecution { workflow_id, run_id } = record.execution.unwrap_or_default();
    let mut attributes = record.search_attributes.unwrap_or_default();
    attributes.indexed_fields.remove(STATUS);
    ActivityExecutionListInfo {
        activity_id: workflow_id,
        run_id,
        activity_type: record.r#type.map(|kind| ActivityType { name: kind.name }),
        schedule_time: record.start_time,
        close_time: record.close_time,
        status: status.into(),
        search_attributes: Some(attributes),
        task_queue: record.task_queue,
        state_transition_count: record.state_transition_count,
        execution_duration: record.execution_duration,
        execution_time: record.execution_time,
        ..Default::default()
    }
}
