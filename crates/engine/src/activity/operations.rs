//! Operators' requests on pending activities: pause, unpause, reset. They leave no event in history.

use super::{
    find::{pending, pending_mut},
    ready::{make_ready, withdraw},
    state::{ActivityPhase, PendingActivity},
};
use crate::{state::ExecutionState, txn::Txn};
use std::time::Duration;
use tenure_api::error::ApiError;

/// The pending activities that a request selects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection<'a> {
    Id(&'a str),
    Type(&'a str),
    All,
}

/// The scheduled event ids of the selected activities, at least one; NOT_FOUND if there is none, and INVALID_ARGUMENT
/// without a selection.
pub(crate) fn matching(state: &ExecutionState, selection: Option<Selection<'_>>) -> Result<Vec<i64>, ApiError> {
    let Some(selection) = selection else {
        return Err(ApiError::invalid_argument("Either Activity.Id or Activity.Type should be set on request."));
    };
    let activities = state.activities.iter().filter(|(_, activity)| match selection {
        Selection::Id(id) => &*activity.activity_id == id,
        Selection::Type(name) => &*activity.activity_type == name,
        Selection::All => true,
    });
    let ids: Vec<i64> = activities.map(|(id, _)| id).collect();
    if ids.is_empty() {
        return Err(ApiError::not_found(
            "Can't find pending activity with such ID. Invalid activityID or activity already completed",
        ));
    }
    Ok(ids)
}

/// Pauses an activity: no other attempt begins and nothing of it times out until it is unpaused. An attempt that is
/// running goes on. An activity that is paused already stays as it is.
pub(crate) fn pause(txn: &mut Txn<'_, '_>, id: i64, identity: &str, reason: &str) {
    let now = txn.now();
    let Some(activity) = pending(txn, id) else { return };
    if activity.control.is_paused() {
        return;
    }
    withdraw(txn, id);
    let Some(mut activity) = pending_mut(txn, id) else { return };
    activity.control.pause(now, identity, reason);
    if activity.started().is_none() {
        activity.phase = ActivityPhase::Paused;
    }
}

/// Options of an unpause.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnpauseOptions {
    /// Whether attempts count from one again.
    pub(crate) reset_attempts: bool,
    /// Whether heartbeat details are forgotten.
    pub(crate) reset_heartbeat: bool,
    /// The span within which the next attempt begins, at random.
    pub(crate) jitter: Duration,
}

/// Ends the pause of an activity, whose next attempt begins if none is running. One that is not paused stays as it is.
pub(crate) fn unpause(txn: &mut Txn<'_, '_>, id: i64, options: UnpauseOptions) {
    let Some(mut activity) = pending_mut(txn, id) else { return };
    if !activity.control.unpause() {
        return;
    }
    if options.reset_attempts {
        activity.attempt = 1;
    }
    if options.reset_heartbeat {
        activity.heartbeat = None;
    }
    let waits = activity.started().is_none();
    drop(activity);
    if waits {
        begin(txn, id, options.jitter);
    }
}

/// Makes the activity begin as if no attempt had been made before. An attempt that is running goes on, and counts as
/// the first.
pub(crate) fn reset(txn: &mut Txn<'_, '_>, id: i64, heartbeat: bool, keep_paused: bool, jitter: Duration) {
    withdraw(txn, id);
    let Some(mut activity) = pending_mut(txn, id) else { return };
    activity.attempt = 1;
    if !keep_paused {
        activity.control.unpause();
    }
    if activity.started().is_some() {
        activity.control.reset_running(heartbeat);
        return;
    }
    if heartbeat {
        activity.heartbeat = None;
    }
    let paused = activity.control.is_paused();
    drop(activity);
    if !paused {
        begin(txn, id, jitter);
    }
}

/// Begins the next attempt of an activity that no worker has, now or within `jitter`.
fn begin(txn: &mut Txn<'_, '_>, id: i64, jitter: Duration) {
    let at = txn.now().plus(random_within(txn, jitter));
    let Some(mut activity) = pending_mut(txn, id) else { return };
    activity.last_failure = None;
    activity.phase = ActivityPhase::Backoff;
    activity.attempt_scheduled_at = at;
    drop(activity);
    if jitter.is_zero() {
        make_ready(txn, id, PendingActivity::wake);
    }
}

fn random_within(txn: &mut Txn<'_, '_>, span: Duration) -> Duration {
    match u64::try_from(span.as_nanos()) {
        Ok(0) => Duration::ZERO,
        span => Duration::from_nanos(txn.cx.ids.uuid().as_u64_pair().1 % span.unwrap_or(u64::MAX)),
    }
}
