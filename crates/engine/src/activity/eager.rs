//! Eager activities, which the worker gets with the response to the completion that scheduled them; and started
//! activities whose workers have not reported yet.

use super::{
    describe::{poll_response, token},
    ready::withdraw,
    state::{PendingActivity, StartedAttempt},
};
use crate::{id::ProposalId, key::RunKey, poll::Poll, state::ExecutionState, token::TaskToken, txn::Txn};
use tenure_api::{history::v1::HistoryEvent, workflowservice::v1::PollActivityTaskQueueResponse};

/// Starts the given activities as far as they are still ready: a later command may have cancelled some.
pub(crate) fn start_eagerly(txn: &mut Txn<'_, '_>, activities: &[i64], poll: &Poll) {
    for &id in activities {
        if txn.state.activities.get(id).and_then(PendingActivity::ready).is_none() {
            continue;
        }
        withdraw(txn, id);
        let started =
            StartedAttempt { stamp: txn.stamp(), at: txn.now(), proposal: txn.proposal, process: poll.process };
        if let Some(mut activity) = txn.state.activities.get_mut(id) {
            activity.start(started, poll);
        }
    }
}

/// The tokens of the given activities that this proposal started and that are still running.
pub(crate) fn started_by(
    run: &RunKey,
    state: &ExecutionState,
    proposal: ProposalId,
    activities: &[i64],
) -> Vec<TaskToken> {
    let activities = activities.iter().filter_map(|&id| state.activities.get(id));
    let started = activities.filter_map(|activity| Some((activity, activity.started()?)));
    started.filter(|(_, started)| started.proposal == proposal).map(|(a, started)| token(run, a, started)).collect()
}

/// The tokens of started activities whose workers have sent no heartbeat since the start.
pub fn without_heartbeat<'a>(
    run: &'a RunKey,
    state: &'a ExecutionState,
) -> impl Iterator<Item = (TaskToken, &'a StartedAttempt)> + 'a {
    let started = state.activities.values().filter_map(|activity| Some((activity, activity.started()?)));
    let without_heartbeat = started.filter(|(activity, started)| !activity.has_heartbeat_since(started));
    without_heartbeat.map(move |(activity, started)| (token(run, activity, started), started))
}

/// The poll response for a started activity; `scheduled` is its scheduled event. `None` if that start is no longer
/// running.
pub fn response_to(
    token: &TaskToken,
    state: &ExecutionState,
    scheduled: HistoryEvent,
) -> Option<PollActivityTaskQueueResponse> {
    let activity = state.activities.get(token.scheduled_event_id)?;
    let started = activity.started().filter(|started| started.stamp == token.stamp)?;
    Some(poll_response(&token.run, state, activity, started, scheduled))
}
