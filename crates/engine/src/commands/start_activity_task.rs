//! Starts an activity's ready task for a poll.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
};
use crate::{
    activity::{self, ActivityPhase, PendingActivity, StartedAttempt},
    command::{Reply, StartTask},
    id::ProposalId,
    rows::ReadError,
    txn::Txn,
};
use tenure_api::error::ApiError;

pub(super) fn run(call: Call<'_, '_>, start: &StartTask) -> VerbResult {
    let mut txn = call.open_running(Some(start.run_id))?;
    let id = start.scheduled_event_id;
    match txn.state.activities.get(id).map(|activity| activity.phase) {
        Some(ActivityPhase::Ready(stamp)) if stamp == start.stamp => {}
        Some(ActivityPhase::Started(started))
            if started.proposal == txn.proposal && txn.proposal != ProposalId::default() =>
        {
            return Err(Stop::Answered(reply(&txn, id)?));
        }
        _ => return Err(ApiError::not_found("the activity task is obsolete").into()),
    }
    activity::withdraw(&mut txn, id);
    let started =
        StartedAttempt { stamp: txn.stamp(), at: txn.now(), proposal: txn.proposal, process: start.poll.process };
    if let Some(mut activity) = txn.state.activities.get_mut(id) {
        activity.start(started, &start.poll);
    }
    let reply = reply(&txn, id)?;
    Ok(finish(txn, reply))
}

fn reply(txn: &Txn<'_, '_>, id: i64) -> Result<Reply, Stop> {
    let activity = txn.state.activities.get(id);
    let (Some(activity), Some(started)) = (activity, activity.and_then(PendingActivity::started)) else {
        return Err(ApiError::internal(format!("activity {id} is not started")).into());
    };
    let Some(scheduled) = txn.event(id)? else {
        return Err(ReadError::history(&txn.run, id, "a pending activity was scheduled by this event").into());
    };
    let response = activity::poll_response(&txn.run, &txn.state, activity, started, scheduled);
    Ok(Reply::ActivityTaskStarted(Box::new(response)))
}
