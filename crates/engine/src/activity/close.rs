//! The end of an activity.

use super::{ready::withdraw, state::PendingActivity};
use crate::{proto::Encoded, time::Timestamp, txn::Txn, workflow_task};
use std::sync::Arc;
use tenure_api::history::v1::{ActivityTaskStartedEventAttributes, HistoryEvent, history_event::Attributes};
use uuid::Uuid;

/// Drops all pending activities of a run that is being closed, with their ready tasks.
pub(crate) fn forget_all(txn: &mut Txn<'_, '_>) {
    let ids: Vec<i64> = txn.state.activities.ids().collect();
    for id in ids {
        withdraw(txn, id);
    }
    txn.state.activities.clear();
}

/// Removes an activity from the pending ones. Returns it with the id of its started event, which enters history now if
/// a worker had the attempt; the id is zero if none had.
pub(super) fn remove(txn: &mut Txn<'_, '_>, id: i64) -> Option<(Arc<PendingActivity>, i64)> {
    // Says that it is pending, too.
    withdraw(txn, id);
    let activity = txn.state.activities.remove(id)?;
    let started_event_id = match activity.started() {
        Some(started) => {
            let request_id = Uuid::from_u128(started.proposal.0).to_string();
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
    let Some((activity, started_event_id)) = remove(txn, id) else { return };
    txn.add_event(closing(activity.scheduled_event_id, started_event_id));
    workflow_task::schedule_if_idle(txn);
}

/// Closes an activity that somebody completes by its id while no worker has its task: history shows a start all the
/// same.
pub(crate) fn close_unstarted(
    txn: &mut Txn<'_, '_>,
    id: i64,
    identity: &str,
    closing: impl FnOnce(i64, i64) -> Attributes,
) {
    let Some((activity, _)) = remove(txn, id) else { return };
    let started_event_id = add_started_event(txn, &activity, txn.now(), identity, String::new());
    txn.add_event(closing(activity.scheduled_event_id, started_event_id));
    workflow_task::schedule_if_idle(txn);
}
