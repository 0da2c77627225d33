//! The completed workflow task, as the commands that its worker returned see it.

use crate::{bad_command::BadCommand, update::Inbox};
use tenure_api::enums::v1::WorkflowTaskFailedCause as Cause;

/// The completed task that commands belong to.
pub(crate) struct CompletedTask {
    pub(crate) completed_event_id: i64,
    /// The worker's.
    pub(crate) identity: String,
    /// How many events came while the task was running: its worker has not seen them.
    pub(crate) unseen: usize,
    /// Activities that the worker would take along, by scheduled event id.
    pub(crate) eager: Vec<i64>,
    pub(crate) inbox: Inbox,
}

impl CompletedTask {
    /// A run does not end while there is something that its worker has not seen.
    pub(crate) fn nothing_unseen(&self) -> Result<(), BadCommand> {
        match self.unseen {
            0 => Ok(()),
            _ => Err(BadCommand::bare(Cause::UnhandledCommand)),
        }
    }
}
