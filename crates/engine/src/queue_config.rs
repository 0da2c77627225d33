//! Settings of task queues by operators: one row for each queue that was ever configured, in the shard that is its
//! home.

use crate::{
    codec::{self, field},
    id::ProposalId,
    key::QueueKey,
    rows::{ReadError, RowKey, StateReader},
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use prost::Message;
use tenure_api::taskqueue::v1::TaskQueueConfig;

/// The value of [`RowKey::QueueConfig`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct QueueConfigRow {
    /// The API's own message, encoded: `TaskQueueConfig`.
    #[cbor(n(0), with = "field")]
    pub(crate) config: Bytes,
    /// The proposal that set it, so that a retry of the request does not set it again.
    #[n(1)]
    pub(crate) set_by: ProposalId,
}

pub(crate) fn row(
    rows: &dyn StateReader,
    queue: &QueueKey,
) -> Result<Option<(QueueConfigRow, TaskQueueConfig)>, ReadError> {
    let key = RowKey::QueueConfig(queue.clone());
    let Some(value) = rows.get(&key)? else { return Ok(None) };
    let corrupt = |cause: String| ReadError::corrupt(key.clone(), cause);
    let row: QueueConfigRow = codec::decode(&value).map_err(|e| corrupt(e.to_string()))?;
    let config = TaskQueueConfig::decode(row.config.clone()).map_err(|e| corrupt(e.to_string()))?;
    Ok(Some((row, config)))
}

/// The settings of a queue; `None` if there never were any.
pub fn read(rows: &dyn StateReader, queue: &QueueKey) -> Result<Option<TaskQueueConfig>, ReadError> {
    Ok(row(rows, queue)?.map(|(_, config)| config))
}
