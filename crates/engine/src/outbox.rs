//! The outbox: durable messages from one subject to another, which may live in another shard.
//!
//! A message is a row that the transition writes together with everything else. The leader of the sender's shard has
//! it delivered until the receiver answers, in order for each pair of sender and address; the
//! answer deletes the row. So it arrives at least once, and it takes effect once because the receiver finds its own
//! traces of it: request ids of starts, signals and cancellations, the parent that a child knows, the pending child
//! that a parent knows.

use crate::{
    child::state::Lineage,
    codec::field,
    id::Stamp,
    proto::Encoded,
    subject::{Address, Subject},
};
use minicbor::{Decode, Encode};
use tenure_api::{
    history::v1::HistoryEvent,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use uuid::Uuid;

/// The value of a [`RowKey::Outbox`](crate::RowKey::Outbox) row.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct OutboxMessage {
    #[n(0)]
    pub to: Address,
    #[n(1)]
    pub body: Body,
}

/// The place of a message; rows of one sender sort by stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxEntry {
    pub from: Subject,
    pub stamp: Stamp,
    pub to: Address,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Body {
    /// A request to start a child; the request's id names the sender and the initiated event.
    #[n(0)]
    StartChild {
        #[n(0)]
        request: Encoded<StartWorkflowExecutionRequest>,
        #[n(1)]
        lineage: Lineage,
    },
    /// A workflow's signal for another.
    #[n(1)]
    Signal {
        #[n(0)]
        initiated_event_id: i64,
        #[n(1)]
        target: Target,
        #[n(2)]
        request: Encoded<SignalWorkflowExecutionRequest>,
    },
    /// A workflow's request that another cancel itself.
    #[n(2)]
    RequestCancel {
        #[n(0)]
        initiated_event_id: i64,
        #[n(1)]
        target: Target,
        #[cbor(n(2), with = "field")]
        request_id: Uuid,
        #[n(3)]
        reason: String,
    },
    /// A notice to a child that its parent has closed.
    #[n(3)]
    ParentClosed {
        #[n(0)]
        initiated_event_id: i64,
        #[n(1)]
        policy: ClosePolicy,
    },
    /// A notice to a parent that a child's last run has closed with this event.
    #[n(4)]
    ChildClosed {
        #[cbor(n(0), with = "field")]
        parent_run_id: Uuid,
        #[n(1)]
        initiated_event_id: i64,
        #[n(2)]
        child: ChildRuns,
        #[n(3)]
        event: Encoded<HistoryEvent>,
    },
    /// A schedule's request to start a workflow.
    #[n(5)]
    StartScheduled {
        /// The count of the schedule's starts.
        #[n(0)]
        number: u64,
        #[n(1)]
        request: Encoded<StartWorkflowExecutionRequest>,
    },
    /// A schedule's wish that a workflow which it has started end, because another one is due.
    #[n(6)]
    EndScheduled {
        #[cbor(n(0), with = "field")]
        first_run_id: Uuid,
        #[n(1)]
        how: ClosePolicy,
        /// Who is named in history.
        #[n(2)]
        identity: String,
    },
    /// A notice to a schedule that the last run of a workflow which it has started has closed with this event.
    #[n(7)]
    ScheduledClosed {
        #[cbor(n(0), with = "field")]
        first_run_id: Uuid,
        #[n(1)]
        event: Encoded<HistoryEvent>,
        /// Whether another run takes its place, as after a reset.
        #[n(2)]
        replaced: bool,
    },
}

/// The run of the receiver that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Target {
    /// The run's id; `None` for the current run.
    #[cbor(n(0), with = "field")]
    pub run_id: Option<Uuid>,
    /// Whether the receiver has to be a child of the sender's.
    #[n(1)]
    pub child_workflow_only: bool,
}

/// What the close of a parent does to a child that is still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ClosePolicy {
    #[n(0)]
    Terminate,
    #[n(1)]
    RequestCancel,
}

/// The first and the last run of a child that has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChildRuns {
    /// The run that was started for the parent.
    #[cbor(n(0), with = "field")]
    pub first: Uuid,
    /// The run that closed.
    #[cbor(n(1), with = "field")]
    pub last: Uuid,
}

impl Body {
    /// Whether a workflow command sends the message and waits for the answer. Such a message is not sent at all when
    /// the run closes in the same transition.
    pub(crate) fn is_commanded(&self) -> bool {
        match self {
            Body::StartChild { .. } | Body::Signal { .. } | Body::RequestCancel { .. } => true,
            Body::ParentClosed { .. }
            | Body::ChildClosed { .. }
            | Body::StartScheduled { .. }
            | Body::EndScheduled { .. }
            | Body::ScheduledClosed { .. } => false,
        }
    }
}

/// The receiver's answer to an outbox message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Receipt {
    #[n(0)]
    Done,
    #[n(1)]
    Started {
        #[cbor(n(0), with = "field")]
        run_id: Uuid,
    },
    /// The answer to a start whose workflow id is taken.
    #[n(2)]
    AlreadyExists,
    /// The answer to a signal or cancellation for a run that is not there, or has closed.
    #[n(3)]
    NotFound,
    /// The answer to a signal for a receiver whose signal limit is reached.
    #[n(4)]
    TooManySignals,
    /// The answer to a start that cannot be carried out, whenever it is tried.
    #[n(5)]
    Refused,
}
