//! Attempts of activities: their heartbeats, and what follows when one failed or timed out.

use super::{
    close::remove,
    find::pending_mut,
    ready::make_ready,
    state::{DueAction, HeartbeatAnswer, PendingActivity, due_until},
};
use crate::{failures, proto::Encoded, txn::Txn};
use prost::Message;
use tenure_api::{
    common::v1::Payloads,
    enums::v1::{RetryState, TimeoutType},
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{ActivityTaskTimedOutEventAttributes, history_event::Attributes},
};

/// The size in bytes of heartbeat details beyond which an activity leaves the core row, which is written by every
/// command.
const LARGE_DETAILS: usize = 512;

/// Records a heartbeat. The answer says what the worker has to know: that it should stop, or that operators intervened.
pub(crate) fn record_heartbeat(txn: &mut Txn<'_, '_>, id: i64, details: Option<&Payloads>) -> HeartbeatAnswer {
    let now = txn.now();
    if details.is_some_and(|details| details.encoded_len() > LARGE_DETAILS) {
        txn.state.activities.spill(id);
    }
    let Some(mut activity) = pending_mut(txn, id) else {
        return HeartbeatAnswer { cancel_requested: true, ..HeartbeatAnswer::default() };
    };
    activity.record_heartbeat(now, details);
    HeartbeatAnswer {
        cancel_requested: activity.cancel_requested_event_id.is_some(),
        paused: activity.control.is_paused(),
        reset: activity.control.is_reset(),
    }
}

/// Ends the running attempt with `failure` and schedules the next one after the back-off.
///
/// # Errors
///
/// The reason why there is no other attempt; the activity stays as it is, for the caller to close.
pub(crate) fn retry(txn: &mut Txn<'_, '_>, id: i64, failure: Option<&Failure>) -> Result<(), RetryState> {
    let now = txn.now();
    pending_mut(txn, id).map_or(Ok(()), |mut activity| activity.retry(failure, now))
}

/// Fires what is due: back-offs end, timeouts retry or close. Returns whether an activity was closed, which its
/// workflow has to see.
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
                Some((_, DueAction::Retry)) => wake(txn, id),
                Some((_, DueAction::Timeout(kind))) => closed |= time_out(txn, id, kind),
                None => debug_assert!(false, "what is due stays due until it is fired"),
            }
        }
    }
}

/// Puts an activity whose back-off is over into its queue.
fn wake(txn: &mut Txn<'_, '_>, id: i64) {
    make_ready(txn, id, PendingActivity::wake);
}

/// A time-out with what was heard of the activity before it: how the last attempt failed, and its last heartbeat.
pub(crate) fn with_context(mut failure: Failure, activity: &PendingActivity) -> Failure {
    failure.cause = activity.last_failure.as_ref().map(|f| f.decode().into());
    if let Some(FailureInfo::TimeoutFailureInfo(info)) = &mut failure.failure_info {
        let details = activity.heartbeat.as_ref().and_then(|h| h.details.as_ref());
        info.last_heartbeat_details = details.map(Encoded::decode);
    }
    failure
}

/// Retries or closes an activity that timed out. Returns whether it is closed.
fn time_out(txn: &mut Txn<'_, '_>, id: i64, kind: TimeoutType) -> bool {
    let Err(retry_state) = retry(txn, id, Some(&failures::timeout(kind))) else { return false };
    let Some((activity, started_event_id)) = remove(txn, id) else { return false };
    let out_of_time = retry_state == RetryState::Timeout && kind != TimeoutType::ScheduleToStart;
    let failure = if out_of_time { failures::out_of_time() } else { failures::timeout(kind) };
    let failure = with_context(failure, &activity);
    txn.add_event(Attributes::ActivityTaskTimedOutEventAttributes(ActivityTaskTimedOutEventAttributes {
        failure: Some(failure),
        scheduled_event_id: activity.scheduled_event_id,
        started_event_id,
        retry_state: retry_state.into(),
    }));
    true
}
