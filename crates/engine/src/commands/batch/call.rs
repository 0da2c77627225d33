//! The surroundings of a verb for a batch job.

use crate::{
    batch::{self, BatchState},
    commands::call::Stop,
    id::ProposalId,
    rows::StateReader,
    subject::Lane,
    time::Timestamp,
    transition::types::Context,
};
use std::time::Duration;
use tenure_api::error::ApiError;

/// The wait of a leader that does not know the retention yet.
const UNKNOWN_RETENTION_WAIT: Duration = Duration::from_secs(60 * 60);

/// The surroundings of a command for a job.
pub(super) struct JobCall<'a, 'c> {
    pub(super) rows: &'a dyn StateReader,
    pub(super) cx: &'a mut Context<'c>,
    pub(super) lane: &'a Lane,
    pub(super) proposal: ProposalId,
}

impl JobCall<'_, '_> {
    /// The job; NOT_FOUND if there is none, in the reference server's words.
    pub(super) fn job(&self) -> Result<BatchState, Stop> {
        let job = batch::read(self.rows, self.lane)?;
        Ok(job.ok_or_else(|| ApiError::not_found(format!("workflow not found for ID: {}", self.lane.id)))?)
    }

    /// The time until which a job that was closed then is kept.
    pub(super) fn kept_until(&self, closed_at: Timestamp) -> Timestamp {
        match self.cx.retention {
            Some(retention) => closed_at.plus(retention),
            None => self.cx.now.plus(UNKNOWN_RETENTION_WAIT),
        }
    }
}
