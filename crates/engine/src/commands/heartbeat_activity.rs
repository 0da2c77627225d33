//! A worker reports that it is still at an activity, and how far it got, and learns whether to stop.

use super::{
    call::{Call, VerbResult},
    fail_activity,
    finish::finish,
};
use crate::{
    activity::{self, HeartbeatAnswer},
    command::{ActivityRef, Reply},
};
use prost::Message;
use tenure_api::workflowservice::v1::RecordActivityTaskHeartbeatRequest;

/// Records a heartbeat. The reply is not remembered: a heartbeat that is tried again does no harm.
pub(super) fn run(
    call: Call<'_, '_>,
    activity: &ActivityRef,
    request: &RecordActivityTaskHeartbeatRequest,
) -> VerbResult {
    let mut txn = call.open_activity(activity)?;
    let id = activity::find_started(&txn, activity)?;
    if request.details.as_ref().is_some_and(|details| details.encoded_len() > txn.limits().blob_size) {
        fail_activity::too_large(&mut txn, id, "Heartbeat details exceed size limit.", &request.identity);
        let answer = HeartbeatAnswer { cancel_requested: true, ..HeartbeatAnswer::default() };
        return Ok(finish(txn, Reply::ActivityHeartbeat(answer)));
    }
    let answer = activity::record_heartbeat(&mut txn, id, request.details.as_ref());
    Ok(finish(txn, Reply::ActivityHeartbeat(answer)))
}
