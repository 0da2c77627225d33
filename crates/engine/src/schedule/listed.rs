//! What lists find a schedule by, and what they show of it: a record in the form of a run's, whose memo holds what a list
//! tells besides.

use super::{
    shown::result,
    state::{Definition, ScheduleState},
};
use crate::{search_attributes::of_type, subject::Lane, time::Timestamp, visibility::RunRecord};
use prost::Message;
use tenure_api::{
    common::v1::{Payload, WorkflowExecution},
    enums::v1::{IndexedValueType, WorkflowExecutionStatus},
    schedule::v1::{ScheduleListEntry, ScheduleListInfo, ScheduleSpec, schedule_action},
    workflow::v1::WorkflowExecutionInfo,
};

/// The attribute that tells whether a schedule is paused.
const PAUSED: &str = "TemporalSchedulePaused";

/// The part of the memo that holds an encoded [`ScheduleListInfo`].
const INFO: &str = "ScheduleInfo";

/// Calendars, intervals and exclusions that a list shows of each. (The number is the reference server's.)
const PARTS: usize = 10;

/// Actions, and future times, that a list shows.
pub(crate) const LISTED: usize = 5;

/// The record of a schedule whose next times are these.
pub(crate) fn record(lane: &Lane, state: &ScheduleState, definition: &Definition, next: &[Timestamp]) -> RunRecord {
    let mut memo = definition.memo.as_ref().map(|memo| memo.decode()).unwrap_or_default();
    let info = info(state, definition, next).encode_to_vec();
    memo.fields.insert(INFO.into(), Payload { data: info.into(), ..Default::default() });
    let mut attributes = definition.search_attributes.as_ref().map(|all| all.decode()).unwrap_or_default();
    attributes.indexed_fields.insert(PAUSED.into(), of_type(IndexedValueType::Bool, &state.paused.into()));
    let execution = WorkflowExecution { workflow_id: lane.id.to_string(), run_id: state.id.to_string() };
    RunRecord::of_other(WorkflowExecutionInfo {
        execution: Some(execution),
        start_time: Some(state.created_at.to_proto()),
        execution_time: Some(state.created_at.to_proto()),
        status: WorkflowExecutionStatus::Running.into(),
        memo: Some(memo),
        search_attributes: Some(attributes),
        ..Default::default()
    })
}

fn info(state: &ScheduleState, definition: &Definition, next: &[Timestamp]) -> ScheduleListInfo {
    let schedule = definition.schedule.decode();
    let spec = schedule.spec.map(|mut spec| {
        spec.structured_calendar.truncate(PARTS);
        spec.interval.truncate(PARTS);
        spec.exclude_structured_calendar.truncate(PARTS);
        ScheduleSpec { jitter: None, timezone_data: Default::default(), ..spec }
    });
    let workflow_type = schedule.action.and_then(|action| action.action).and_then(|action| match action {
        schedule_action::Action::StartWorkflow(action) => action.workflow_type,
    });
    let recent = state.recent.iter().skip(state.recent.len().saturating_sub(LISTED));
    ScheduleListInfo {
        spec,
        workflow_type,
        notes: state.notes.clone(),
        paused: state.paused,
        recent_actions: recent.map(result).collect(),
        future_action_times: next.iter().take(LISTED).map(|time| time.to_proto()).collect(),
        ..Default::default()
    }
}

/// What a list shows of a schedule, from its record.
pub fn entry(record: WorkflowExecutionInfo) -> ScheduleListEntry {
    let mut memo = record.memo.unwrap_or_default();
    let info = memo.fields.remove(INFO).and_then(|info| ScheduleListInfo::decode(info.data).ok());
    let mut attributes = record.search_attributes.unwrap_or_default();
    attributes.indexed_fields.remove(PAUSED);
    ScheduleListEntry {
        schedule_id: record.execution.unwrap_or_default().workflow_id,
        memo: Some(memo),
        search_attributes: Some(attributes).filter(|all| !all.indexed_fields.is_empty()),
        info,
    }
}
