//! Task tokens: opaque bytes to a worker, and to us the name of one start of one task.

use crate::{
    codec::is_default,
    id::Stamp,
    key::{NamespaceId, RunKey, TaskKind},
    row::lane_of,
    subject::{Lane, Subject, SubjectKind},
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
    /// What `run` is a run of: a workflow, or an activity without one.
    #[cbor(n(6), skip_if = "is_default")]
    pub of: SubjectKind,
}

impl TaskToken {
    /// The lane of the task's commands.
    pub fn lane(&self) -> Lane {
        lane_of(self.of, &self.run)
    }

    /// The run that has the task.
    pub fn subject(&self) -> Subject {
        self.lane().instance(self.run.run_id)
    }

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
