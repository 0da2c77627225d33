//! An update comes in: what the run's state says against it, and its place among those in flight.

use super::{Found, PendingUpdate, Phase, UpdateStatus, exhausted, find, not_ready};
use crate::{
    commands::{Stop, already_completed},
    proto::Encoded,
    txn::Txn,
    workflow_task,
};
use prost::Message;
use tenure_api::{enums::v1::ResourceExhaustedCause, error::ApiError, update::v1::Request};

/// A run whose workflow task fails so often takes no updates: they would wait for nobody knows how long.
const FAILING_FROM_ATTEMPT: i32 = 3;

/// A request of more bytes than this does not weigh on the core row.
const LARGE_REQUEST: usize = 512;

/// The id that the request gives its update.
pub(crate) fn update_id(request: &Request) -> &str {
    request.meta.as_ref().map_or("", |meta| &meta.update_id)
}

/// The update that the request asks for, if the run has it already.
pub(crate) fn same_update(txn: &Txn<'_, '_>, request: &Request) -> Result<Option<Found>, Stop> {
    Ok(find(txn.rows, &txn.run, &txn.state, update_id(request))?)
}

/// Admits a new update, and sees to it that a workflow task takes it along.
pub(crate) fn admit(txn: &mut Txn<'_, '_>, request: &Request) -> Result<Found, ApiError> {
    if !txn.state.is_running() {
        return Err(already_completed());
    }
    workflow_task::refuse_while_closing(&txn.state)?;
    if txn.state.workflow_task.attempt >= FAILING_FROM_ATTEMPT {
        return Err(not_ready("Workflow Task in failed state"));
    }
    check_limits(txn)?;
    let updates = &mut txn.state.updates;
    updates.admissions += 1;
    let admission = updates.admissions;
    let encoded = Encoded::of(request);
    let update = PendingUpdate { update_id: update_id(request).into(), phase: Phase::Admitted(encoded) };
    match request.encoded_len() > LARGE_REQUEST {
        true => updates.in_flight.insert_large(admission, update),
        false => updates.in_flight.insert(admission, update),
    }
    workflow_task::schedule_for_update(txn);
    Ok(Found { admission, status: Ok(UpdateStatus::admitted()) })
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
