//! An operator lets activities of a run begin anew.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{
    activity::{self, OptionsChange, Selection},
    proposals::ProposalResult,
};
use tenure_api::{
    time::optional_duration,
    workflowservice::v1::{ResetActivityRequest, reset_activity_request::Activity},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &ResetActivityRequest) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    let selection = request.activity.as_ref().map(|activity| match activity {
        Activity::Id(id) => Selection::Id(id),
        Activity::Type(name) => Selection::Type(name),
        Activity::MatchAll(_) => Selection::All,
    });
    let jitter = optional_duration(request.jitter.as_ref()).ok().flatten().unwrap_or_default();
    for id in activity::matching(&txn.state, selection)? {
        if request.restore_original_options {
            activity::update_options(&mut txn, id, OptionsChange::Restore)??;
        }
        activity::reset(&mut txn, id, request.reset_heartbeat, request.keep_paused, jitter);
    }
    Ok(finish_remembered(txn, ProposalResult::Done))
}
