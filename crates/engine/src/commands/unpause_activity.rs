//! An operator lets paused activities of a run go on.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{
    activity::{self, Selection, UnpauseOptions},
    proposals::ProposalResult,
};
use tenure_api::{
    time::optional_duration,
    workflowservice::v1::{UnpauseActivityRequest, unpause_activity_request::Activity},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &UnpauseActivityRequest) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    let selection = request.activity.as_ref().map(|activity| match activity {
        Activity::Id(id) => Selection::Id(id),
        Activity::Type(name) => Selection::Type(name),
        Activity::UnpauseAll(_) => Selection::All,
    });
    let options = UnpauseOptions {
        reset_attempts: request.reset_attempts,
        reset_heartbeat: request.reset_heartbeat,
        jitter: optional_duration(request.jitter.as_ref()).ok().flatten().unwrap_or_default(),
    };
    for id in activity::matching(&txn.state, selection)? {
        activity::unpause(&mut txn, id, options);
    }
    Ok(finish_remembered(txn, ProposalResult::Done))
}
