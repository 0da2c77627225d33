//! A worker completed an activity.

use super::{
    call::{Call, VerbResult},
    fail_activity,
    finish::finish_remembered,
};
use crate::{
    activity::{self, PendingActivity},
    command::ActivityRef,
    proposals::ProposalResult,
};
use prost::Message;
use tenure_api::{
    history::v1::{ActivityTaskCompletedEventAttributes, history_event::Attributes},
    workflowservice::v1::RespondActivityTaskCompletedRequest,
};

pub(super) fn run(
    call: Call<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskCompletedRequest,
) -> VerbResult {
    let mut txn = call.open_activity(activity)?;
    let id = activity::find(&txn, activity)?;
    if request.result.as_ref().is_some_and(|result| result.encoded_len() > txn.limits().blob_size) {
        activity::find_started(&txn, activity)?;
        fail_activity::too_large(&mut txn, id, "Complete result exceeds size limit.", &request.identity);
        return Ok(finish_remembered(txn, ProposalResult::Done));
    }
    let started = txn.state.activities.get(id).and_then(PendingActivity::started).is_some();
    let completed = |scheduled_event_id, started_event_id| {
        Attributes::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
            result: request.result.clone(),
            scheduled_event_id,
            started_event_id,
            identity: request.identity.clone(),
            worker_version: None,
        })
    };
    if started {
        activity::close(&mut txn, id, completed);
    } else {
        activity::close_unstarted(&mut txn, id, &request.identity, completed);
    }
    Ok(finish_remembered(txn, ProposalResult::Done))
}
