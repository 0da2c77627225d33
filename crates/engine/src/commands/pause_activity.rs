//! An operator pauses activities of a run.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{
    activity::{self, Selection},
    proposals::ProposalResult,
};
use tenure_api::workflowservice::v1::{PauseActivityRequest, pause_activity_request::Activity};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &PauseActivityRequest) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    let selection = request.activity.as_ref().map(|activity| match activity {
        Activity::Id(id) => Selection::Id(id),
        Activity::Type(name) => Selection::Type(name),
    });
    for id in activity::matching(&txn.state, selection)? {
        activity::pause(&mut txn, id, &request.identity, &request.reason);
    }
    Ok(finish_remembered(txn, ProposalResult::Done))
}
