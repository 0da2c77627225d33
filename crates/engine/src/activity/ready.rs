//! Ready tasks of activities: they enter their queues and leave them.

use super::{
    find::{pending, pending_mut},
    state::{ActivityPhase, PendingActivity},
};
use crate::{
    id::Stamp, key::TaskKind, rows::ReadyTask, state::ExecutionState, subject::SubjectKind, time::Timestamp, txn::Txn,
};

/// The most urgent and the least urgent priority key; larger keys count as the latter.
const PRIORITIES: std::ops::RangeInclusive<i32> = 1..=5;

/// Moves an activity to `ActivityPhase::Ready` by `becomes_ready` and puts its ready task into its queue; while the run is
/// paused, it may be held instead.
pub(super) fn make_ready(txn: &mut Txn<'_, '_>, id: i64, becomes_ready: fn(&mut PendingActivity, Stamp, Timestamp)) {
    let (stamp, now) = (txn.stamp(), txn.now());
    let paused_at = txn.state.paused.as_ref().map(|paused| paused.at);
    let Some(mut activity) = pending_mut(txn, id) else { return };
    becomes_ready(&mut activity, stamp, now);
    // An attempt that was running when the run was paused, and failed since, is followed by others.
    if paused_at.is_some_and(|at| activity.last_attempt_completed_at.is_none_or(|ended| ended < at)) {
        activity.phase = ActivityPhase::Held;
        return;
    }
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
        of: SubjectKind::RUN,
    };
    txn.put_ready(task);
}

/// Makes all activities of a run that was rebuilt from its history ready for their first attempts.
pub(crate) fn make_all_ready(txn: &mut Txn<'_, '_>) {
    let ids: Vec<i64> = txn.state.activities.ids().collect();
    for id in ids {
        make_ready(txn, id, |activity, stamp, now| {
            activity.phase = ActivityPhase::Ready(stamp);
            activity.attempt_scheduled_at = now;
        });
    }
}

/// Holds the activities of a run that is being paused, as far as no worker has them.
pub(crate) fn hold_all(txn: &mut Txn<'_, '_>) {
    for id in withdraw_all(txn) {
        if let Some(mut activity) = pending_mut(txn, id) {
            activity.phase = ActivityPhase::Held;
        }
    }
}

/// Makes the activities ready that were held during the pause of the run, which is over.
pub(crate) fn release_all(txn: &mut Txn<'_, '_>) {
    let held = txn.state.activities.iter().filter(|(_, activity)| activity.phase == ActivityPhase::Held);
    put_back(txn, held.map(|(id, _)| id).collect());
}

/// Removes the activity's ready task, if it has one.
pub(crate) fn withdraw(txn: &mut Txn<'_, '_>, id: i64) {
    let Some(activity) = pending(txn, id) else { return };
    let Some(stamp) = activity.ready() else { return };
    let queue = txn.queue(TaskKind::Activity, &activity.task_queue);
    let priority = priority(&txn.state, activity);
    txn.take_ready(queue, priority, stamp);
}

/// Removes the ready tasks of all activities, and returns the ids of the activities that had one.
pub(crate) fn withdraw_all(txn: &mut Txn<'_, '_>) -> Vec<i64> {
    let ready = |activity: &PendingActivity| activity.ready().is_some();
    let ids: Vec<i64> = txn.state.activities.iter().filter(|(_, a)| ready(a)).map(|(id, _)| id).collect();
    for &id in &ids {
        withdraw(txn, id);
    }
    ids
}

/// Puts ready tasks back that were removed, with new stamps.
pub(crate) fn put_back(txn: &mut Txn<'_, '_>, ids: Vec<i64>) {
    for id in ids {
        make_ready(txn, id, |activity, stamp, _| activity.phase = ActivityPhase::Ready(stamp));
    }
}

/// Takes back a start that did not reach its worker: the same attempt is ready again, or paused.
pub(crate) fn return_task(txn: &mut Txn<'_, '_>, id: i64) {
    if let Some(mut activity) = txn.state.activities.get_mut(id)
        && activity.control.is_paused()
    {
        activity.phase = ActivityPhase::Paused;
        return;
    }
    make_ready(txn, id, PendingActivity::return_task);
}

/// The activity's own priority key, or else the run's.
fn priority(state: &ExecutionState, activity: &PendingActivity) -> u8 {
    own_priority(activity).unwrap_or_else(|| state.info.task_priority())
}

/// The activity's own priority key.
pub(crate) fn own_priority(activity: &PendingActivity) -> Option<u8> {
    let key = activity.priority.as_ref().map_or(0, |priority| priority.decode().priority_key);
    (key > 0).then(|| key.clamp(*PRIORITIES.start(), *PRIORITIES.end()) as u8)
}
