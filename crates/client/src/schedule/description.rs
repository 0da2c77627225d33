//! What the server tells of schedules.

use super::{ScheduleOverlapPolicy, times::ScheduleTimes};
use crate::{
    data::{Args, Data, DataConverter, DataError},
    handle::WorkflowExecutionStatus,
};
use std::time::{Duration, SystemTime};
use tenure_api::{
    common::v1::{Memo, Payloads, SearchAttributes},
    schedule::v1::{Schedule, ScheduleActionResult, ScheduleInfo, ScheduleListEntry, schedule_action::Action},
    time::{duration_from_proto, time_from_proto},
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1 as api,
};

/// What the server knows of a schedule. Each time of its specification becomes one of [`Self::actions`], or is counted as
/// missed, skipped or dropped, unless it passed while the schedule was paused or had no actions left.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// let nightly = client.schedule("nightly").describe().await?;
/// println!("{} actions, {} missed, next at {:?}", nightly.actions, nightly.missed, nightly.future_times.first());
/// for action in nightly.recent {
///     println!("{}: {:?}", action.workflow_id, action.status);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleDescription {
    /// Its id.
    pub id: String,
    /// The type of the workflows that it starts.
    pub workflow_type: String,
    /// Their id, to which each gets the time for which it was started.
    pub workflow_id: String,
    /// The queue on which their workers poll.
    pub task_queue: String,
    /// When it starts them.
    pub times: ScheduleTimes,
    /// What comes due while something that it started runs.
    pub overlap: ScheduleOverlapPolicy,
    /// How late a time may be noticed and still be acted on.
    pub catchup_window: Duration,
    /// Whether it is paused when a workflow fails.
    pub pause_on_failure: bool,
    /// Whether workflows have their id without a time.
    pub keep_workflow_id: bool,
    /// Whether it does not act.
    pub paused: bool,
    /// What people should know of it; if it is paused, why.
    pub note: String,
    /// How many actions by its specification are left; `None`: without end.
    pub remaining_actions: Option<u64>,
    /// The next times at which it will act, ten at most.
    pub future_times: Vec<SystemTime>,
    /// Its last actions, the latest last.
    pub recent: Vec<ScheduledAction>,
    /// What it has started and runs.
    pub running: Vec<ScheduledRun>,
    /// How many workflows it has started.
    pub actions: u64,
    /// How many times were noticed later than the catch-up window allows.
    pub missed: u64,
    /// How many times were skipped, because something ran.
    pub skipped: u64,
    /// How many times were dropped, because too many waited already.
    pub dropped: u64,
    /// How many starts wait for their turn now.
    pub waiting: u64,
    /// Why the last start was refused, if it was.
    pub refused: Option<String>,
    /// When it was created.
    pub created: Option<SystemTime>,
    /// When it was updated last.
    pub updated: Option<SystemTime>,
    input: Option<Payloads>,
    memo: Memo,
    search_attributes: SearchAttributes,
    converter: DataConverter,
}

/// A workflow that a schedule has started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledAction {
    /// The time for which it was started, jitter included.
    pub scheduled: Option<SystemTime>,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// Its workflow id.
    pub workflow_id: String,
    /// The run that it began with.
    pub first_run_id: String,
    /// Whether it runs, or how it closed, as far as the schedule has heard.
    pub status: WorkflowExecutionStatus,
}

/// A workflow of a schedule that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledRun {
    /// Its workflow id.
    pub workflow_id: String,
    /// The run that it began with.
    pub first_run_id: String,
}

impl ScheduleDescription {
    pub(super) fn new(id: String, answer: &api::DescribeScheduleResponse, converter: &DataConverter) -> Self {
        let Schedule { spec, action, policies, state } = answer.schedule.clone().unwrap_or_default();
        let info = answer.info.clone().unwrap_or_default();
        let action = started(action.and_then(|action| action.action));
        let (spec, policies, state) =
            (spec.unwrap_or_default(), policies.unwrap_or_default(), state.unwrap_or_default());
        ScheduleDescription {
            id,
            workflow_type: action.workflow_type.unwrap_or_default().name,
            workflow_id: action.workflow_id,
            task_queue: action.task_queue.unwrap_or_default().name,
            times: ScheduleTimes::from_proto(&spec),
            overlap: policies.overlap_policy(),
            catchup_window: duration_from_proto(policies.catchup_window).unwrap_or_default(),
            pause_on_failure: policies.pause_on_failure,
            keep_workflow_id: policies.keep_original_workflow_id,
            paused: state.paused,
            note: state.notes,
            remaining_actions: state.limited_actions.then(|| count(state.remaining_actions)),
            future_times: times(&info.future_action_times),
            recent: info.recent_actions.iter().map(ScheduledAction::from_proto).collect(),
            running: running(&info),
            actions: count(info.action_count),
            missed: count(info.missed_catchup_window),
            skipped: count(info.overlap_skipped),
            dropped: count(info.buffer_dropped),
            waiting: count(info.buffer_size),
            refused: refused(&info),
            created: time_from_proto(info.create_time),
            updated: time_from_proto(info.update_time),
            input: action.input,
            memo: answer.memo.clone().unwrap_or_default(),
            search_attributes: answer.search_attributes.clone().unwrap_or_default(),
            converter: converter.clone(),
        }
    }

    /// The arguments of the workflows that it starts, as a tuple.
    pub fn args<A: Args>(&self) -> Result<A, DataError> {
        self.converter.decode_args(self.input.as_ref())
    }

    /// A field of the memo.
    pub fn memo<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.memo.fields.get(key).map(|payload| self.converter.decode(payload))
    }

    /// The value of a search attribute.
    pub fn search_attribute<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.search_attributes.indexed_fields.get(key).map(|payload| DataConverter::default().decode(payload))
    }

    pub(super) fn whole_memo(&self) -> Memo {
        self.memo.clone()
    }

    pub(super) fn whole_search_attributes(&self) -> SearchAttributes {
        self.search_attributes.clone()
    }
}

fn started(action: Option<Action>) -> NewWorkflowExecutionInfo {
    match action {
        Some(Action::StartWorkflow(start)) => start,
        None => NewWorkflowExecutionInfo::default(),
    }
}

fn running(info: &ScheduleInfo) -> Vec<ScheduledRun> {
    let running = info.running_workflows.iter().cloned();
    running.map(|run| ScheduledRun { workflow_id: run.workflow_id, first_run_id: run.run_id }).collect()
}

#[allow(deprecated)]
fn refused(info: &ScheduleInfo) -> Option<String> {
    Some(info.invalid_schedule_error.clone()).filter(|error| !error.is_empty())
}

fn count(count: i64) -> u64 {
    count.try_into().unwrap_or_default()
}

pub(super) fn times(times: &[prost_types::Timestamp]) -> Vec<SystemTime> {
    times.iter().filter_map(|time| time_from_proto(Some(*time))).collect()
}

impl ScheduledAction {
    fn from_proto(action: &ScheduleActionResult) -> Self {
        let execution = action.start_workflow_result.clone().unwrap_or_default();
        ScheduledAction {
            scheduled: time_from_proto(action.schedule_time),
            started: time_from_proto(action.actual_time),
            workflow_id: execution.workflow_id,
            first_run_id: execution.run_id,
            status: action.start_workflow_status(),
        }
    }
}

/// What a list shows of a schedule.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// for schedule in client.schedules("TemporalSchedulePaused = true").await? {
///     println!("{} is paused: {}", schedule.id, schedule.note);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleSummary {
    /// Its id, for [`Client::schedule`](crate::Client::schedule).
    pub id: String,
    /// The type of the workflows that it starts.
    pub workflow_type: String,
    /// When it starts them; a list does not show jitter.
    pub times: ScheduleTimes,
    /// Whether it does not act.
    pub paused: bool,
    /// What people should know of it; if it is paused, why.
    pub note: String,
    /// The next times at which it will act, a few.
    pub future_times: Vec<SystemTime>,
    /// Its last actions, a few, the latest last.
    pub recent: Vec<ScheduledAction>,
    memo: Memo,
    search_attributes: SearchAttributes,
    converter: DataConverter,
}

impl ScheduleSummary {
    pub(super) fn new(entry: ScheduleListEntry, converter: &DataConverter) -> Self {
        let info = entry.info.unwrap_or_default();
        ScheduleSummary {
            id: entry.schedule_id,
            workflow_type: info.workflow_type.unwrap_or_default().name,
            times: ScheduleTimes::from_proto(&info.spec.unwrap_or_default()),
            paused: info.paused,
            note: info.notes,
            future_times: times(&info.future_action_times),
            recent: info.recent_actions.iter().map(ScheduledAction::from_proto).collect(),
            memo: entry.memo.unwrap_or_default(),
            search_attributes: entry.search_attributes.unwrap_or_default(),
            converter: converter.clone(),
        }
    }

    /// A field of the memo.
    pub fn memo<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.memo.fields.get(key).map(|payload| self.converter.decode(payload))
    }

    /// The value of a search attribute.
    pub fn search_attribute<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.search_attributes.indexed_fields.get(key).map(|payload| DataConverter::default().decode(payload))
    }
}
