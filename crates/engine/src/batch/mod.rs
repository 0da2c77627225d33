//! Batch jobs: an operation that is done to many runs, of workflows or of activities without one, one after the other, by a leader that works at it in the background.
//!
//! The job is a subject of its own, in the shard of its id. Here is what is kept of it and how that changes; who finds the
//! targets and sends them their commands is the leader. Its way, by phases:
//!
//! | phase | left by |
//! |---|---|
//! | Finding | the last targets: Working, or Completed if there are none; a query that cannot be asked, or too many targets: Failed; a stop: Stopped |
//! | Working | the last result: Completed; a stop: Stopped |
//! | Completed, Stopped, Failed | the end of the namespace's retention: its rows go, in pieces |
//!
//! Targets are runs by their ids, in rows, before the operation is done to the first of them. Results are recorded many at a
//! time; those after the last record are found again by a new leader, which does the operation to these targets a second
//! time, under the same [`operation_id`]s: each is done once, and counted once.

mod operation;
pub(crate) mod state;
#[cfg(test)]
mod tests;

pub use operation::{ResetPoint, command, is_of_open_runs, operation_id, operation_type, reset_point};
pub use state::{Advance, BatchState, BatchTarget, PAGE, Phase, Stopped, TargetRun, is_running, kind, kind_of_targets};

use crate::{
    codec,
    proto::Encoded,
    row::BatchPart,
    rows::{ReadError, StateReader},
    subject::Lane,
};
use state::row;
use tenure_api::{batch::v1::BatchOperationInfo, workflowservice::v1::StartBatchOperationRequest};

/// The state of a job; `None` if there is none.
pub fn read(rows: &dyn StateReader, lane: &Lane) -> Result<Option<BatchState>, ReadError> {
    value(rows, lane, BatchPart::State)
}

/// The request that started a job; `None` if there is no such job.
pub fn read_request(
    rows: &dyn StateReader,
    lane: &Lane,
) -> Result<Option<Encoded<StartBatchOperationRequest>>, ReadError> {
    value(rows, lane, BatchPart::Request)
}

/// A page of a job's targets.
pub fn read_targets(rows: &dyn StateReader, lane: &Lane, page: u64) -> Result<Option<Vec<BatchTarget>>, ReadError> {
    value(rows, lane, BatchPart::Targets(page))
}

/// What lists show of a job, by the value of its record.
pub fn shown(record: &[u8]) -> Result<BatchOperationInfo, codec::DecodeError> {
    Ok(codec::decode::<Encoded<BatchOperationInfo>>(record)?.decode())
}

fn value<T: for<'b> minicbor::Decode<'b, ()>>(
    rows: &dyn StateReader,
    lane: &Lane,
    part: BatchPart,
) -> Result<Option<T>, ReadError> {
    let key = row(lane, part);
    let value = rows.get(&key)?.map(|value| codec::decode(&value)).transpose();
    value.map_err(|error| ReadError::corrupt(key, error))
}
