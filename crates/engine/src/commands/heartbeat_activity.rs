//! A worker tells that it is still at an activity, how far it got, and learns whether to stop.

use super::{Call, Outcome, fail_activity};
use crate::{
    activity,
    command::{ActivityRef, Reply},
};
use prost::Message;
use tenure_api::workflowservice::v1::RecordActivityTaskHeartbeatRequest;

/// The answer is not remembered: a heartbeat that is tried again does no harm.
pub(super) fn run(call: Call<'_, '_>, activity: &ActivityRef, request: &RecordActivityTaskHeartbeatRequest) -> Outcome {
    let mut txn = call.open_activity(activity)?;
    let id = activity::find_started(&txn, activity)?;
    if request.details.as_ref().is_some_and(|details| details.encoded_len() > txn.limits().blob_size) {
        fail_activity::too_large(&mut txn, id, "Heartbeat details exceed size limit.", &request.identity);
        return Ok(txn.finish(Reply::ActivityHeartbeat { cancel_requested: true }));
    }
    let cancel_requested = activity::beat(&mut txn, id, request.details.as_ref());
    Ok(txn.finish(Reply::ActivityHeartbeat { cancel_requested }))
}
