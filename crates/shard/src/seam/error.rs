//! What a leader's calls fail with.

use crate::seam::replica::{NotLeader, ProposeError, ShardId};
use tenure_api::error::ApiError;
use tenure_engine::{rows::ReadError, transition::Refused};

/// Why a call at a shard's leader gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The leader's own answer; final.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Leadership went (the outcome is unknown), or was never here. Ask the new leader, with the same proposal id.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
}

/// No leader was known by the deadline.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("shard {shard} has no leader")]
pub struct NoLeader {
    pub shard: ShardId,
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "a row could not be read");
        CommandError::Api(ApiError::new(tenure_api::error::Code::DataLoss, error.to_string()))
    }
}

impl From<ProposeError> for CommandError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader(not_leader) => not_leader.into(),
            ProposeError::TooLarge(_) => ApiError::invalid_argument(error.to_string()).into(),
        }
    }
}

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Api(error) => CommandError::Api(error),
            Refused::Read(error) => error.into(),
        }
    }
}
