//! Finding the pending activity that a request names.

use super::state::{ActivityKey, PendingActivity};
use crate::{command::ActivityRef, pending::PendingMut, state::ExecutionState, txn::Txn};
use tenure_api::error::ApiError;

/// The scheduled event id of the activity that a request names: the started one of a worker's token, or the pending one
/// of an activity id.
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

/// The same as [`find`], but the activity must have been started.
pub(crate) fn find_started(txn: &Txn<'_, '_>, activity: &ActivityRef) -> Result<i64, ApiError> {
    let id = find(txn, activity)?;
    match txn.state.activities.get(id).and_then(PendingActivity::started) {
        Some(_) => Ok(id),
        None => Err(not_running()),
    }
}

/// A pending activity, which the caller has found before.
pub(super) fn pending<'t>(txn: &'t Txn<'_, '_>, id: i64) -> Option<&'t PendingActivity> {
    let activity = txn.state.activities.get(id);
    debug_assert!(activity.is_some(), "activity {id} is pending");
    activity
}

/// The same as [`pending`], for a change.
pub(super) fn pending_mut<'t>(txn: &'t mut Txn<'_, '_>, id: i64) -> Option<PendingMut<'t, PendingActivity>> {
    let activity = txn.state.activities.get_mut(id);
    debug_assert!(activity.is_some(), "activity {id} is pending");
    activity
}

pub(super) fn find_by_id(state: &ExecutionState, activity_id: &str) -> Option<i64> {
    state.activities.find(&ActivityKey::Id(activity_id.into()))
}

fn not_running() -> ApiError {
    ApiError::not_found("invalid activityID or activity already timed out or invoking workflow is completed")
}
