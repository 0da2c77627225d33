//! An operator changes the options of a run.

use super::{
    super::call::{Stop, VerbResult},
    change::ActivityCall,
    control::is_repeated,
};
use crate::{
    activity::{ActivityPhase, PendingActivity},
    command::Reply,
    standalone::{self, options},
};
use tenure_api::{error::ApiError, workflowservice::v1::UpdateActivityExecutionOptionsRequest};
use uuid::Uuid;

pub(super) fn run(
    call: ActivityCall<'_, '_>,
    run_id: Option<Uuid>,
    request: &UpdateActivityExecutionOptionsRequest,
) -> VerbResult {
    let answered = |state: &_| Reply::ActivityOptions(Box::new(options::answered(state)));
    if let Some((_, state)) = standalone::find(call.rows, call.lane, run_id)?
        && state.knows(call.proposal)
    {
        return Err(Stop::Answered(answered(&state)));
    }
    let mut change = call.open(run_id)?;
    if is_repeated(&change.state.requests.options, &request.request_id) {
        return Err(Stop::Answered(answered(&change.state)));
    }
    if !change.state.is_running() {
        let message = format!("Cannot update options for activity in state {}", change.state.state_name());
        return Err(ApiError::failed_precondition(message).into());
    }
    // Its row and its place in its queue are those of the options of before.
    change.withdraw();
    let limits = change.call.cx.limits;
    if request.restore_original {
        let original = change.request()?;
        options::restore(&mut change.state, original, limits)?;
    } else {
        let given = request.activity_options.clone().unwrap_or_default();
        let mask = request.update_mask.as_ref().map(|mask| &mask.paths[..]).unwrap_or_default();
        options::change(&mut change.state, &given, mask, limits)?;
    }
    change.state.requests.options.clone_from(&request.request_id);
    let now = change.now();
    match change.state.activity.phase {
        ActivityPhase::Ready(_) => change.make_ready(|activity, stamp, _| activity.phase = ActivityPhase::Ready(stamp)),
        ActivityPhase::Backoff if change.state.activity.attempt_scheduled_at <= now => {
            change.make_ready(PendingActivity::wake);
        }
        // (There is no run whose pause would hold it.)
        ActivityPhase::Backoff | ActivityPhase::Started(_) | ActivityPhase::Paused | ActivityPhase::Held => {}
    }
    let reply = answered(&change.state);
    change.finish_remembered(reply)
}
