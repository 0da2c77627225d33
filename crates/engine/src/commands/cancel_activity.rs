//! A worker ended an activity because it was asked to cancel it.

use super::{
    call::{Call, VerbResult},
    fail_activity,
    finish::finish_remembered,
};
use crate::{activity, command::ActivityRef, proposals::ProposalResult};
use prost::Message;
use tenure_api::{
    error::ApiError,
    history::v1::{ActivityTaskCanceledEventAttributes, history_event::Attributes},
    workflowservice::v1::RespondActivityTaskCanceledRequest,
};

pub(super) fn run(
    call: Call<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskCanceledRequest,
) -> VerbResult {
    let mut txn = call.open_activity(activity)?;
    let id = activity::find_started(&txn, activity)?;
    if request.details.as_ref().is_some_and(|details| details.encoded_len() > txn.limits().blob_size) {
        fail_activity::too_large(&mut txn, id, "Cancel details exceed size limit.", &request.identity);
        return Ok(finish_remembered(txn, ProposalResult::Done));
    }
    let requested = txn.state.activities.get(id).and_then(|activity| activity.cancel_requested_event_id);
    let Some(latest_cancel_requested_event_id) = requested else {
        let message = "unable to mark activity as canceled without activity being request canceled first";
        return Err(ApiError::invalid_argument(message).into());
    };
    activity::close(&mut txn, id, |scheduled_event_id, started_event_id| {
        Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
            details: request.details.clone(),
            latest_cancel_requested_event_id,
            scheduled_event_id,
            started_event_id,
            identity: request.identity.clone(),
            worker_version: None,
        })
    });
    Ok(finish_remembered(txn, ProposalResult::Done))
}
