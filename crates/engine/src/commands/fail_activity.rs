//! A worker reports that an attempt failed: it is retried, or the activity has failed.

use super::{
    call::{Call, VerbResult},
    finish::finish_remembered,
};
use crate::{activity, command::ActivityRef, failures, proposals::ProposalResult, txn::Txn};
use prost::Message;
use tenure_api::{
    enums::v1::RetryState,
    failure::v1::Failure,
    history::v1::{ActivityTaskFailedEventAttributes, history_event::Attributes},
    workflowservice::v1::RespondActivityTaskFailedRequest,
};

pub(super) fn run(
    call: Call<'_, '_>,
    activity: &ActivityRef,
    request: &RespondActivityTaskFailedRequest,
) -> VerbResult {
    debug_assert!(failures::check_of_activity(request.failure.as_ref()).is_ok(), "checked where the request came in");
    let mut txn = call.open_activity(activity)?;
    let id = activity::find_started(&txn, activity)?;
    let details = request.last_heartbeat_details.as_ref();
    if details.is_some_and(|details| details.encoded_len() <= txn.limits().blob_size) {
        activity::record_heartbeat(&mut txn, id, details);
    }
    let failure = request.failure.clone().map(|failure| failures::within_limit(failure, txn.limits()));
    if let Err(retry_state) = activity::retry(&mut txn, id, failure.as_ref()) {
        close(&mut txn, id, failure, retry_state, &request.identity);
    }
    Ok(finish_remembered(txn, ProposalResult::Done))
}

fn close(txn: &mut Txn<'_, '_>, id: i64, failure: Option<Failure>, retry_state: RetryState, identity: &str) {
    activity::close(txn, id, |scheduled_event_id, started_event_id| {
        Attributes::ActivityTaskFailedEventAttributes(ActivityTaskFailedEventAttributes {
            failure,
            scheduled_event_id,
            started_event_id,
            identity: identity.into(),
            retry_state: retry_state.into(),
            ..Default::default()
        })
    });
}

/// Fails the activity for good, because what its worker sent is too large to keep, and would be again.
pub(super) fn too_large(txn: &mut Txn<'_, '_>, id: i64, message: &str, identity: &str) {
    let failure = failures::server(message, true);
    if let Err(retry_state) = activity::retry(txn, id, Some(&failure)) {
        close(txn, id, Some(failure), retry_state, identity);
    }
}
