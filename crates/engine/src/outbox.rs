//! The outbox: durable messages from a run to another workflow id, which may live in another shard.
//!
//! A message is a row that the transition writes together with everything else. The leader of the sender's shard has
//! it delivered until the receiver answers, in order for each pair of sending run and receiving workflow id; the
//! answer deletes the row. So it arrives at least once, and it takes effect once because the receiver finds its own
//! traces of it: request ids of starts, signals and cancellations, the parent that a child knows, the pending child
//! that a parent knows.

use crate::{
    child::state::Lineage,
    id::Stamp,
    key::{RunKey, WorkflowKey},
    proto::Encoded,
};
use serde::{Deserialize, Serialize};
use tenure_api::{
    history::v1::HistoryEvent,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use uuid::Uuid;

/// The value of a [`RowKey::Outbox`](crate::RowKey::Outbox) row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxMessage {
    pub to: WorkflowKey,
    pub body: Body,
}

/// A message's place: rows of one run sort by stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxEntry {
    pub from: RunKey,
    pub stamp: Stamp,
    pub to: WorkflowKey,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Asks for the start of a child; the request's id names the sender and the initiated event.
    StartChild { request: Encoded<StartWorkflowExecutionRequest>, lineage: Lineage },
    /// A workflow's signal for another.
    Signal { initiated_event_id: i64, target: Target, request: Encoded<SignalWorkflowExecutionRequest> },
    /// A workflow asks another to cancel itself.
    RequestCancel { initiated_event_id: i64, target: Target, request_id: Uuid, reason: String },
    /// The parent has closed.
    ParentClosed { initiated_event_id: i64, policy: ClosePolicy },
    /// A child's last run has closed with this event.
    ChildClosed { parent_run_id: Uuid, initiated_event_id: i64, child: ChildRuns, event: Encoded<HistoryEvent> },
}

/// Which run of the receiver is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The current one where there is none.
    pub run_id: Option<Uuid>,
    /// Only if the sender is its parent.
    pub child_workflow_only: bool,
}

/// What closing does to a child that is still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosePolicy {
    Terminate,
    RequestCancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRuns {
    /// The run that was started for the parent.
    pub first: Uuid,
    /// The run that closed.
    pub last: Uuid,
}

impl Body {
    /// It comes of a workflow command that waits for the answer. When the run closes in the same transition, the
    /// message is not sent at all.
    pub(crate) fn is_commanded(&self) -> bool {
        match self {
            Body::StartChild { .. } | Body::Signal { .. } | Body::RequestCancel { .. } => true,
            Body::ParentClosed { .. } | Body::ChildClosed { .. } => false,
        }
    }
}

/// How the receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    Done,
    ChildStarted {
        run_id: Uuid,
    },
    /// A start: the id is taken.
    AlreadyExists,
    /// A signal or cancellation: there is no such run, or it has closed.
    NotFound,
    /// A signal: the receiver has had its fill.
    TooManySignals,
    /// A start that cannot be carried out, whenever it is tried.
    Refused,
}
