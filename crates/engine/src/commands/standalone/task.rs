//! The run's ready task is started for a poll, or a start that did not reach its worker is taken back.

use super::{
    super::call::{Stop, VerbResult, unchanged},
    answer::of_token,
    change::{ActivityCall, Change},
};
use crate::{
    activity::{ActivityPhase, PendingActivity, StartedAttempt},
    command::{Reply, StartTask},
    id::ProposalId,
    standalone,
    token::TaskToken,
};
use tenure_api::error::ApiError;

pub(super) fn start(call: ActivityCall<'_, '_>, start: &StartTask) -> VerbResult {
    let proposal = call.proposal;
    let obsolete = || ApiError::not_found("the activity task is obsolete");
    let mut change = call.open(Some(start.run_id))?;
    match change.state.activity.phase {
        _ if !change.state.is_running() => return Err(obsolete().into()),
        ActivityPhase::Ready(stamp) if stamp == start.stamp => {}
        ActivityPhase::Started(started) if started.proposal == proposal && proposal != ProposalId::default() => {
            return Ok(unchanged(reply(&change)?));
        }
        _ => return Err(obsolete().into()),
    }
    change.withdraw();
    let now = change.now();
    let started = StartedAttempt { stamp: change.call.cx.ids.stamp(), at: now, proposal, process: start.poll.process };
    change.state.activity.start(started, &start.poll);
    change.state.last_started_at = Some(now);
    let reply = reply(&change)?;
    change.finish(reply)
}

fn reply(change: &Change<'_, '_>) -> Result<Reply, Stop> {
    let request = change.request()?;
    match standalone::poll_response(change.call.lane, change.run_id, &change.state, request) {
        Some(response) => Ok(Reply::ActivityTaskStarted(Box::new(response))),
        None => Err(ApiError::internal("the activity is not started").into()),
    }
}

pub(super) fn give_back(call: ActivityCall<'_, '_>, token: &TaskToken) -> VerbResult {
    let mut change = of_token(call, token)?;
    if change.state.activity.control.is_paused() {
        change.state.activity.phase = ActivityPhase::Paused;
    } else {
        change.make_ready(PendingActivity::return_task);
    }
    change.finish_remembered(Reply::Done)
}
