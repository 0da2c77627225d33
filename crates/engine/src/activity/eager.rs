//! Activities that the worker takes along with the answer to the completion that scheduled them.

use super::{
    describe::{poll_response, token},
    ready::withdraw,
    state::{PendingActivity, Started},
};
use crate::{id::ProposalId, key::RunKey, poll::Poll, state::ExecutionState, token::TaskToken, txn::Txn};
use tenure_api::{history::v1::HistoryEvent, workflowservice::v1::PollActivityTaskQueueResponse};

/// Starts those of the activities that are still ready: others were cancelled by a later command.
pub(crate) fn start_eagerly(txn: &mut Txn<'_, '_>, activities: &[i64], poll: &Poll) {
    for &id in activities {
        if txn.state.activities.get(id).and_then(PendingActivity::ready).is_none() {
            continue;
        }
        withdraw(txn, id);
        let started = Started { stamp: txn.stamp(), at: txn.now(), proposal: txn.proposal, process: poll.process };
        if let Some(mut activity) = txn.state.activities.get_mut(id) {
            activity.start(started, poll);
        }
    }
}

/// Those of the activities that this proposal started and that are still running.
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

/// The tokens of started activities whose workers have not been heard of.
pub fn unheard<'a>(run: &'a RunKey, state: &'a ExecutionState) -> impl Iterator<Item = (TaskToken, &'a Started)> + 'a {
    let started = state.activities.values().filter_map(|activity| Some((activity, activity.started()?)));
    let unheard = started.filter(|(activity, started)| !activity.is_heard_of(started));
    unheard.map(move |(activity, started)| (token(run, activity, started), started))
}

/// What a worker gets for a started activity; `scheduled` is its scheduled event. `None` if that start is no longer
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
