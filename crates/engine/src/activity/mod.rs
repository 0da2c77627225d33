//! Activities of a run: scheduled by workflow commands, started by polls, ended by workers or by time.
//!
//! The started event of an attempt enters history together with the event that ends the activity, and only then: an
//! attempt that is retried leaves no trace but the next one's `last_failure`.

mod control;
pub(crate) mod describe;
mod eager;
mod operations;
mod options;
mod schedule;
pub(crate) mod state;
mod timeouts;

#[cfg(test)]
mod tests;

pub use control::Control;
pub use describe::pending_infos;
pub use state::{ActivityKey, BeatAnswer, Heartbeat, PendingActivity, Phase, Started};
pub use timeouts::Timeouts;

pub(crate) use describe::poll_response;
pub use eager::{response_to, unheard};
pub(crate) use eager::{start_eagerly, started_by};
pub(crate) use operations::{Again, Selection, matching, pause, reset, unpause};
pub(crate) use options::{Change, update as update_options};
pub(crate) use schedule::schedule;

use crate::{
    bad_command::BadCommand,
    command::ActivityRef,
    failures,
    id::Stamp,
    key::TaskKind,
    proto::Encoded,
    rows::ReadyTask,
    state::ExecutionState,
    time::Timestamp,
    txn::Txn,
    workflow_task::{self, CompletedTask},
};
use prost::Message;
use state::{Due, due_until};
use tenure_api::{
    command::v1::RequestCancelActivityTaskCommandAttributes,
    common::v1::{Payload, Payloads},
    enums::v1::{RetryState, TimeoutType, WorkflowTaskFailedCause as Cause},
    error::ApiError,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{
        ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
        ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes, HistoryEvent,
        history_event::Attributes,
    },
};

/// Details of an activity that was cancelled before a worker had it.
const NOT_STARTED: &[u8] = br#""ACTIVITY_ID_NOT_STARTED""#;

/// Bytes of heartbeat details from which an activity leaves the core row, which is written by every command.
const LARGE_DETAILS: usize = 512;

/// The most urgent and the least urgent priority key; what is beyond counts as the latter.
const PRIORITIES: std::ops::RangeInclusive<i32> = 1..=5;

/// The run is being closed: its activities are no more.
pub(crate) fn forget_all(txn: &mut Txn<'_, '_>) {
    let ids: Vec<i64> = txn.state.activities.ids().collect();
    for id in ids {
        withdraw(txn, id);
    }
    txn.state.activities.clear();
}

/// The started activity that a worker's token names, or the pending one of that id.
pub(crate) fn find(txn: &Txn<'_, '_>, activity: &ActivityRef) -> Result<i64, ApiError> {
    match activity {
        ActivityRef::Token(token) => {
            let id = token.scheduled_event_id;
            // A reset counts the attempt that is running as another one, and so makes its token stale.
            let activity = txn.state.activities.get(id).filter(|activity| activity.attempt == token.attempt);
            let started = activity.and_then(PendingActivity::started);
            started.filter(|started| started.stamp == token.stamp).map(|_| id).ok_or_else(not_running)
        }
        ActivityRef::ById { activity_id, .. } => find_by_id(&txn.state, activity_id).ok_or_else(|| {
            ApiError::not_found(format!(
                "cannot find pending activity with ActivityID {activity_id}, check workflow execution history for \
                 more details"
            ))
        }),
    }
}

/// As [`find`], but a worker must have it.
pub(crate) fn find_started(txn: &Txn<'_, '_>, activity: &ActivityRef) -> Result<i64, ApiError> {
    let id = find(txn, activity)?;
    match txn.state.activities.get(id).and_then(PendingActivity::started) {
        Some(_) => Ok(id),
        None => Err(not_running()),
    }
}

fn find_by_id(state: &ExecutionState, activity_id: &str) -> Option<i64> {
    state.activities.find(&ActivityKey::Id(activity_id.into()))
}

fn not_running() -> ApiError {
    ApiError::not_found("invalid activityID or activity already timed out or invoking workflow is completed")
}

/// Moves an activity to `Phase::Ready` by `becomes_ready` and puts its ready task into its queue.
fn make_ready(txn: &mut Txn<'_, '_>, id: i64, becomes_ready: fn(&mut PendingActivity, Stamp, Timestamp)) {
    let (stamp, now) = (txn.stamp(), txn.now());
    let Some(mut activity) = txn.state.activities.get_mut(id) else { return };
    becomes_ready(&mut activity, stamp, now);
    let (task_queue, scheduled_at) = (activity.task_queue.clone(), activity.attempt_scheduled_at);
    drop(activity);
    let task = ReadyTask {
        queue: txn.queue(TaskKind::Activity, &task_queue),
        priority: txn.state.activities.get(id).map_or(0, |activity| priority(&txn.state, activity)),
        stamp,
        run: txn.run.clone(),
        scheduled_event_id: id,
        scheduled_at,
        sticky: false,
    };
    txn.put_ready(task);
}

/// The run was rebuilt from its history: each of its activities begins its first attempt.
pub(crate) fn make_all_ready(txn: &mut Txn<'_, '_>) {
    let ids: Vec<i64> = txn.state.activities.ids().collect();
    for id in ids {
        make_ready(txn, id, |activity, stamp, now| {
            activity.phase = Phase::Ready(stamp);
            activity.attempt_scheduled_at = now;
        });
    }
}

/// Removes the activity's ready task, if it has one.
pub(crate) fn withdraw(txn: &mut Txn<'_, '_>, id: i64) {
    let Some(activity) = txn.state.activities.get(id) else { return };
    let Some(stamp) = activity.ready() else { return };
    let queue = txn.queue(TaskKind::Activity, &activity.task_queue);
    let priority = priority(&txn.state, activity);
    txn.take_ready(queue, priority, stamp);
}

/// Removes the ready tasks of all activities, and gives the activities that had one.
pub(crate) fn withdraw_all(txn: &mut Txn<'_, '_>) -> Vec<i64> {
    let ready = |activity: &PendingActivity| activity.ready().is_some();
    let ids: Vec<i64> = txn.state.activities.iter().filter(|(_, a)| ready(a)).map(|(id, _)| id).collect();
    for &id in &ids {
        withdraw(txn, id);
    }
    ids
}

/// What [`withdraw_all`] removed is ready again.
pub(crate) fn put_back(txn: &mut Txn<'_, '_>, ids: Vec<i64>) {
    for id in ids {
        make_ready(txn, id, |activity, stamp, _| activity.phase = Phase::Ready(stamp));
    }
}

/// A start that did not reach its worker is taken back: the same attempt is ready again.
pub(crate) fn give_back(txn: &mut Txn<'_, '_>, id: i64) {
    if let Some(mut activity) = txn.state.activities.get_mut(id)
        && activity.control.is_paused()
    {
        activity.phase = Phase::Paused;
        return;
    }
    make_ready(txn, id, PendingActivity::give_back);
}

/// The activity's own priority key, or the run's.
fn priority(state: &ExecutionState, activity: &PendingActivity) -> u8 {
    match activity.priority.as_ref().map_or(0, |p| p.decode().priority_key) {
        key if key > 0 => key.clamp(*PRIORITIES.start(), *PRIORITIES.end()) as u8,
        _ => state.info.task_priority(),
    }
}

/// Takes an activity off the pending ones. Returns it with the id of its started event: an attempt that a worker had
/// enters history now; zero where there was none.
fn take(txn: &mut Txn<'_, '_>, id: i64) -> Option<(std::sync::Arc<PendingActivity>, i64)> {
    withdraw(txn, id);
    let activity = txn.state.activities.remove(id)?;
    let started_event_id = match activity.started() {
        Some(started) => {
            let request_id = uuid::Uuid::from_u128(started.proposal.0).to_string();
            add_started_event(txn, &activity, started.at, &activity.last_worker_identity, request_id)
        }
        None => 0,
    };
    Some((activity, started_event_id))
}

fn add_started_event(
    txn: &mut Txn<'_, '_>,
    activity: &PendingActivity,
    at: Timestamp,
    identity: &str,
    request_id: String,
) -> i64 {
    let attributes = ActivityTaskStartedEventAttributes {
        scheduled_event_id: activity.scheduled_event_id,
        identity: identity.into(),
        request_id,
        attempt: activity.attempt,
        last_failure: activity.last_failure.as_ref().map(Encoded::decode),
        worker_version: activity.last_worker_version.as_ref().map(Encoded::decode),
        ..Default::default()
    };
    txn.add(HistoryEvent {
        event_time: Some(at.to_proto()),
        attributes: Some(Attributes::ActivityTaskStartedEventAttributes(attributes)),
        ..Default::default()
    })
}

/// Closes an activity with the event that `closing` makes of its scheduled and started event ids.
pub(crate) fn close(txn: &mut Txn<'_, '_>, id: i64, closing: impl FnOnce(i64, i64) -> Attributes) {
    let Some((activity, started_event_id)) = take(txn, id) else { return };
    txn.add_event(closing(activity.scheduled_event_id, started_event_id));
    workflow_task::schedule_if_idle(txn);
}

/// As [`close`] for an activity that somebody completes by its id without having been given the task: history tells
/// of a start all the same.
pub(crate) fn close_unstarted(
    txn: &mut Txn<'_, '_>,
    id: i64,
    identity: &str,
    closing: impl FnOnce(i64, i64) -> Attributes,
) {
    let Some((activity, _)) = take(txn, id) else { return };
    let started_event_id = add_started_event(txn, &activity, txn.now(), identity, String::new());
    txn.add_event(closing(activity.scheduled_event_id, started_event_id));
    workflow_task::schedule_if_idle(txn);
}

/// A worker tells how far it got.
pub(crate) fn beat(txn: &mut Txn<'_, '_>, id: i64, details: Option<&Payloads>) -> BeatAnswer {
    let now = txn.now();
    if details.is_some_and(|details| details.encoded_len() > LARGE_DETAILS) {
        txn.state.activities.spill(id);
    }
    let Some(mut activity) = txn.state.activities.get_mut(id) else {
        return BeatAnswer { cancel_requested: true, ..BeatAnswer::default() };
    };
    activity.beat(now, details);
    BeatAnswer {
        cancel_requested: activity.cancel_requested_event_id.is_some(),
        paused: activity.control.is_paused(),
        reset: activity.control.is_reset(),
    }
}

/// The attempt that is running ended with `failure`: it is retried after a while, or the reason why not is returned.
pub(crate) fn retry(txn: &mut Txn<'_, '_>, id: i64, failure: Option<&Failure>) -> Result<(), RetryState> {
    let now = txn.now();
    match txn.state.activities.get_mut(id) {
        Some(mut activity) => activity.retry(failure, now),
        None => Ok(()),
    }
}

/// Fires what is due: retries are made ready, timeouts retry or close. Says whether the workflow has to be told.
pub(crate) fn fire_due(txn: &mut Txn<'_, '_>) -> bool {
    let mut closed = false;
    // What was fired may be due again at once: a retry that woke too late has no time left.
    loop {
        let now = txn.now();
        let due: Vec<i64> = due_until(&txn.state.activities, now).map(|(_, id)| id).collect();
        if due.is_empty() {
            return closed;
        }
        for id in due {
            if txn.is_full() {
                return closed;
            }
            match txn.state.activities.get(id).and_then(PendingActivity::next_due) {
                Some((_, Due::Retry)) => wake(txn, id),
                Some((_, Due::Timeout(kind))) => closed |= time_out(txn, id, kind),
                None => {}
            }
        }
    }
}

/// The back-off is over.
fn wake(txn: &mut Txn<'_, '_>, id: i64) {
    make_ready(txn, id, PendingActivity::wake);
}

/// Retries or closes an activity whose time is over. Says whether it is closed.
fn time_out(txn: &mut Txn<'_, '_>, id: i64, kind: TimeoutType) -> bool {
    let mut failure = failures::timeout(kind);
    let Err(retry_state) = retry(txn, id, Some(&failure)) else { return false };
    if retry_state == RetryState::Timeout && kind != TimeoutType::ScheduleToStart {
        failure = failures::out_of_time();
    }
    let Some((activity, started_event_id)) = take(txn, id) else { return false };
    failure.cause = activity.last_failure.as_ref().map(|f| f.decode().into());
    if let Some(FailureInfo::TimeoutFailureInfo(info)) = &mut failure.failure_info {
        let details = activity.heartbeat.as_ref().and_then(|h| h.details.as_ref());
        info.last_heartbeat_details = details.map(Encoded::decode);
    }
    txn.add_event(Attributes::ActivityTaskTimedOutEventAttributes(ActivityTaskTimedOutEventAttributes {
        failure: Some(failure),
        scheduled_event_id: activity.scheduled_event_id,
        started_event_id,
        retry_state: retry_state.into(),
    }));
    true
}

/// The workflow command. An activity that no worker has is cancelled at once.
pub(crate) fn request_cancel(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    command: RequestCancelActivityTaskCommandAttributes,
) -> Result<(), BadCommand> {
    let bad = |message| BadCommand::new(Cause::BadRequestCancelActivityAttributes, message);
    let id = command.scheduled_event_id;
    if id <= 0 {
        return Err(bad("ScheduledEventId is not set on RequestCancelActivityTaskCommand.".into()));
    }
    let pending = match txn.state.activities.get(id) {
        Some(activity) => activity.cancel_requested_event_id.is_none(),
        // Closed while the task was running: the worker could not know.
        None => closed_unseen(txn, id),
    };
    if !pending {
        return Err(bad(format!(
            "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: {id}"
        )));
    }
    let requested = ActivityTaskCancelRequestedEventAttributes {
        scheduled_event_id: id,
        workflow_task_completed_event_id: task.completed_event_id,
    };
    let requested = txn.add_event(Attributes::ActivityTaskCancelRequestedEventAttributes(requested));
    let Some(mut activity) = txn.state.activities.get_mut(id) else { return Ok(()) };
    activity.cancel_requested_event_id = Some(requested);
    if activity.started().is_some() {
        return Ok(());
    }
    drop(activity);
    take(txn, id);
    txn.add_after_commands(Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
        details: Some(not_started_details()),
        latest_cancel_requested_event_id: requested,
        scheduled_event_id: id,
        identity: task.identity.clone(),
        ..Default::default()
    }));
    Ok(())
}

/// An event that ends this activity waits for the running workflow task to end.
fn closed_unseen(txn: &Txn<'_, '_>, id: i64) -> bool {
    use Attributes::*;
    txn.state.buffered.values().any(|event| match event.decode().attributes {
        Some(ActivityTaskCompletedEventAttributes(a)) => a.scheduled_event_id == id,
        Some(ActivityTaskFailedEventAttributes(a)) => a.scheduled_event_id == id,
        Some(ActivityTaskTimedOutEventAttributes(a)) => a.scheduled_event_id == id,
        Some(ActivityTaskCanceledEventAttributes(a)) => a.scheduled_event_id == id,
        _ => false,
    })
}

fn not_started_details() -> Payloads {
    let metadata = [("encoding".to_owned(), bytes::Bytes::from_static(b"json/plain"))].into();
    Payloads {
        payloads: vec![Payload { metadata, data: bytes::Bytes::from_static(NOT_STARTED), ..Default::default() }],
    }
}
