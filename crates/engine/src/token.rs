//! Task tokens: opaque bytes to a worker, and to us the name of one start of one task.

use crate::{
    id::Stamp,
    key::{NamespaceId, RunKey, TaskKind},
};
use minicbor::{Decode, Encode};

/// Names one start of a task. Any other start of the same task has another stamp, so an old token is stale.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TaskToken {
    #[n(0)]
    pub kind: TaskKind,
    #[n(1)]
    pub run: RunKey,
    /// The scheduled event id; for a transient workflow task the id that the event will get.
    #[n(2)]
    pub scheduled_event_id: i64,
    #[n(3)]
    pub attempt: i32,
    /// The stamp that was drawn when the task was started.
    #[n(4)]
    pub stamp: Stamp,
    /// The id of the activity; empty for a workflow task.
    #[n(5)]
    pub activity_id: String,
}

impl TaskToken {
    pub fn namespace(&self) -> NamespaceId {
        self.run.workflow.namespace
    }

    pub fn encode(&self) -> bytes::Bytes {
        crate::codec::encode(self)
    }

    /// `None` for bytes that are no token of ours.
    pub fn decode(bytes: &[u8]) -> Option<TaskToken> {
        crate::codec::decode(bytes).ok()
    }
}
