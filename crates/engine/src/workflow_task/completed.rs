//! The completed workflow task, as the workflow commands of its completion see it.

use crate::{bad_command::BadCommand, update::Inbox};
use tenure_api::enums::v1::WorkflowTaskFailedCause as Cause;

/// The completed task that commands belong to.
pub(crate) struct CompletedTask {
    pub(crate) completed_event_id: i64,
    /// The worker's identity.
    pub(crate) identity: String,
    /// The number of events that came while the task was running, which its worker has not seen.
    pub(crate) unseen_events: usize,
    /// The activities that the worker asked to get eagerly, by scheduled event id.
    pub(crate) eager: Vec<i64>,
    pub(crate) inbox: Inbox,
}

impl CompletedTask {
    /// Checks that the worker has seen all events, without which it may not close the run.
    pub(crate) fn check_all_seen(&self) -> Result<(), BadCommand> {
        match self.unseen_events {
            0 => Ok(()),
            _ => Err(BadCommand::bare(Cause::UnhandledCommand)),
        }
    }
}
