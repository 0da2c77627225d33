//! What is told of a schedule.

use super::{
    Policies, Times, due, jitter_seed,
    state::{Action, Definition, RunningWorkflow, ScheduleState},
};
use crate::{subject::Lane, time::Timestamp};
use tenure_api::{
    common::v1::WorkflowExecution,
    schedule::v1::{self as api, Schedule, ScheduleActionResult, ScheduleInfo},
};
use tenure_schedule::{Spec, SpecError};

/// Future times that a description has.
const FUTURE: usize = 10;

/// The times of a schedule in a span of time, as ListScheduleMatchingTimes has them.
pub fn matching_times(
    lane: &Lane,
    definition: &Definition,
    from: &prost_types::Timestamp,
    to: &prost_types::Timestamp,
) -> Result<Vec<Timestamp>, SpecError> {
    let schedule = definition.schedule.decode();
    let spec = Spec::compile(schedule.spec.as_ref().unwrap_or(&Default::default()))?;
    let seed = jitter_seed(lane);
    let [from, to] = [from, to].map(|time| due::time(Timestamp::from_proto(time)));
    spec.matching(from, to, &seed).map(|firing| Ok(due::due(&firing?))).collect()
}

/// The next times of the schedule that a specification would make, this many at most, as [`matching_times`] would have them.
/// A schedule without an id has no jitter yet.
pub fn times_to_come(lane: &Lane, spec: &Spec, now: Timestamp, count: usize) -> Result<Vec<Timestamp>, SpecError> {
    let seed = jitter_seed(lane);
    let time = if lane.id.is_empty() { due::nominal } else { due::due };
    let firings = spec.matching(due::time(now), due::time(Timestamp::MAX), &seed);
    firings.take(count).map(|firing| Ok(time(&firing?))).collect()
}

/// The next times of a schedule, this many at most.
fn future_times(lane: &Lane, state: &ScheduleState, schedule: &Schedule, count: usize) -> Vec<Timestamp> {
    let Some(Ok(spec)) = schedule.spec.as_ref().map(Spec::compile) else { return Vec::new() };
    let seed = jitter_seed(lane);
    let times = Times { spec: &spec, seed: &seed, catchup: Policies::of(schedule).catchup };
    times.after(state.processed_to).take(count).collect()
}

/// The schedule as clients see it, and what became of its actions.
pub fn described(lane: &Lane, state: &ScheduleState, definition: &Definition) -> (Schedule, ScheduleInfo) {
    let mut schedule = definition.schedule.decode();
    let future = future_times(lane, state, &schedule, state.at_most(FUTURE));
    schedule.state = Some(api::ScheduleState {
        notes: state.notes.clone(),
        paused: state.paused,
        limited_actions: state.limited,
        remaining_actions: state.remaining,
    });
    let info = ScheduleInfo {
        action_count: state.counts.actions,
        missed_catchup_window: state.counts.missed,
        overlap_skipped: state.counts.overlap_skipped,
        buffer_dropped: state.counts.buffer_dropped,
        buffer_size: state.due.len() as i64,
        running_workflows: state.running.iter().map(execution).collect(),
        recent_actions: state.recent.iter().map(result).collect(),
        future_action_times: future.into_iter().map(Timestamp::to_proto).collect(),
        create_time: Some(state.created_at.to_proto()),
        update_time: state.updated_at.map(Timestamp::to_proto),
        invalid_schedule_error: state.refused.clone().unwrap_or_default(),
        ..Default::default()
    };
    (schedule, info)
}

fn execution(running: &RunningWorkflow) -> WorkflowExecution {
    WorkflowExecution { workflow_id: running.workflow_id.to_string(), run_id: running.first_run_id.to_string() }
}

/// What is told of an action.
pub(super) fn result(action: &Action) -> ScheduleActionResult {
    ScheduleActionResult {
        schedule_time: Some(action.due.to_proto()),
        actual_time: Some(action.started_at.to_proto()),
        start_workflow_result: Some(WorkflowExecution {
            workflow_id: action.workflow_id.to_string(),
            run_id: action.first_run_id.to_string(),
        }),
        start_workflow_status: action.status,
    }
}
