//! Attempts: how far one got, and what follows when it failed or its time is over.

use super::{
    close::take,
    find::pending_mut,
    ready::make_ready,
    state::{BeatAnswer, Due, PendingActivity, due_until},
};
use crate::{failures, proto::Encoded, txn::Txn};
use prost::Message;
use tenure_api::{
    common::v1::Payloads,
    enums::v1::{RetryState, TimeoutType},
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{ActivityTaskTimedOutEventAttributes, history_event::Attributes},
};

/// Bytes of heartbeat details from which an activity leaves the core row, which is written by every command.
const LARGE_DETAILS: usize = 512;

/// A worker tells how far it got.
pub(crate) fn beat(txn: &mut Txn<'_, '_>, id: i64, details: Option<&Payloads>) -> BeatAnswer {
    let now = txn.now();
    if details.is_some_and(|details| details.encoded_len() > LARGE_DETAILS) {
        txn.state.activities.spill(id);
    }
    let Some(mut activity) = pending_mut(txn, id) else {
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
    pending_mut(txn, id).map_or(Ok(()), |mut activity| activity.retry(failure, now))
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
                None => debug_assert!(false, "what is due stays due until it is fired"),
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
