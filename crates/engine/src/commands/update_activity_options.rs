//! An operator changes the options of activities of a run.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{
    activity::{self, OptionsChange, Selection},
    proposals::ProposalResult,
    proto::Encoded,
};
use tenure_api::{
    error::ApiError,
    workflowservice::v1::{UpdateActivityOptionsRequest, update_activity_options_request::Activity},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &UpdateActivityOptionsRequest) -> VerbResult {
    let mut txn = call.open_running(run_id)?;
    let selection = request.activity.as_ref().map(|activity| match activity {
        Activity::Id(id) => Selection::Id(id),
        Activity::Type(name) => Selection::Type(name),
        Activity::MatchAll(_) => Selection::All,
    });
    let change = match (&request.activity_options, &request.update_mask) {
        _ if request.restore_original => OptionsChange::Restore,
        (Some(options), Some(mask)) => OptionsChange::Masked(options, &mask.paths),
        (None, _) => return Err(ApiError::invalid_argument("ActivityOptions are not provided").into()),
        (_, None) => return Err(ApiError::invalid_argument("UpdateMask is not provided").into()),
    };
    let mut updated = None;
    for id in activity::matching(&txn.state, selection)? {
        updated = Some(activity::update_options(&mut txn, id, change)??);
    }
    Ok(finish_remembered(txn, ProposalResult::ActivityOptions(Encoded::of(&updated.unwrap_or_default()))))
}
