//! Admission of an update: the checks against the run's state, and its place among those in flight.

use super::{
    exhausted, find,
    state::{PendingUpdate, UpdatePhase},
    status::{FoundUpdate, UpdateStatus},
};
use crate::{proto::Encoded, rows::ReadError, txn::Txn};
use prost::Message;
use tenure_api::{enums::v1::ResourceExhaustedCause, error::ApiError, update::v1::Request};

/// The size in bytes beyond which a request gets a row of its own, so that it does not weigh on the core row.
const LARGE_REQUEST: usize = 512;

/// The id that the request gives its update.
pub(crate) fn update_id(request: &Request) -> &str {
    request.meta.as_ref().map_or("", |meta| &meta.update_id)
}

/// The update of the same id, if the run has it already.
pub(crate) fn same_update(txn: &Txn<'_, '_>, request: &Request) -> Result<Option<FoundUpdate>, ReadError> {
    find(txn.rows, &txn.run, &txn.state, update_id(request))
}

/// Admits a new update to a running run, within its limits. The caller ensures that a workflow task carries it to the
/// worker.
pub(crate) fn admit(txn: &mut Txn<'_, '_>, request: &Request) -> Result<FoundUpdate, ApiError> {
    check_limits(txn)?;
    let updates = &mut txn.state.updates;
    updates.admissions += 1;
    let admission = updates.admissions;
    let encoded = Encoded::of(request);
    let update = PendingUpdate { update_id: update_id(request).into(), phase: UpdatePhase::Admitted(encoded) };
    if request.encoded_len() > LARGE_REQUEST {
        updates.in_flight.insert_large(admission, update);
    } else {
        updates.in_flight.insert(admission, update);
    }
    Ok(FoundUpdate { admission, status: Ok(UpdateStatus::admitted()) })
}

fn check_limits(txn: &Txn<'_, '_>) -> Result<(), ApiError> {
    let (limits, updates) = (txn.limits(), &txn.state.updates);
    if updates.in_flight.len() >= limits.updates_in_flight {
        let message =
            format!("limit on number of concurrent in-flight updates has been reached ({})", limits.updates_in_flight);
        return Err(exhausted(ResourceExhaustedCause::ConcurrentLimit, message));
    }
    if updates.total() >= limits.updates as u64 {
        return Err(ApiError::failed_precondition(format!(
            "The limit on the total number of distinct updates in this workflow has been reached ({}). Make sure any \
             duplicate updates share an Update ID so the server can deduplicate them, and consider rejecting updates \
             that you aren't going to process. You can also Continue-as-New to avoid this; we recommend you check \
             Continue-as-New Suggested in your Workflow.",
            limits.updates
        )));
    }
    Ok(())
}
