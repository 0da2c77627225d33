//! Subjects: owners of rows, of a timer row and of an outbox, whose commands run one at a time.
//!
//! A run of a workflow is one; batch jobs, schedules and runs of activities without a workflow are others. Leaders know subjects by these names alone (in lanes, timers, messages, decoded states); what a timer or a
//! message means to a subject depends on its kind.

use crate::{
    codec::field,
    key::{NamespaceId, RunKey, WorkflowKey, slot},
};
use minicbor::{Decode, Encode};
use std::{any::Any, fmt, sync::Arc};
use uuid::Uuid;

/// The kind of a subject, by its number on disk. Numbers are never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SubjectKind(#[n(0)] pub u8);

impl SubjectKind {
    /// The kind of the runs of workflows.
    pub const RUN: SubjectKind = SubjectKind(0);
    /// The kind of batch jobs.
    pub const BATCH: SubjectKind = SubjectKind(1);
    /// The kind of schedules.
    pub const SCHEDULE: SubjectKind = SubjectKind(2);
    /// The kind of the runs of activities without a workflow.
    pub const ACTIVITY: SubjectKind = SubjectKind(3);
}

/// A queue of commands that run one at a time: a workflow id with all of its runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Lane {
    #[n(0)]
    pub kind: SubjectKind,
    #[n(1)]
    pub namespace: NamespaceId,
    /// The id that clients gave its subjects.
    #[cbor(n(2), with = "field")]
    pub id: Arc<str>,
}

/// One owner of rows in a lane: a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Subject {
    #[n(0)]
    pub lane: Lane,
    /// The run id; nil for kinds that have one instance only.
    #[cbor(n(1), with = "field")]
    pub instance: Uuid,
}

impl Lane {
    /// The slot of everything in the lane.
    pub fn slot(&self) -> u16 {
        slot(self.namespace, &self.id)
    }

    /// The lane of a batch job.
    pub fn of_batch(namespace: NamespaceId, job_id: &str) -> Lane {
        Lane { kind: SubjectKind::BATCH, namespace, id: job_id.into() }
    }

    /// The lane of a schedule.
    pub fn of_schedule(namespace: NamespaceId, schedule_id: &str) -> Lane {
        Lane { kind: SubjectKind::SCHEDULE, namespace, id: schedule_id.into() }
    }

    /// The lane of an activity without a workflow, with all of its runs.
    pub fn of_activity(namespace: NamespaceId, activity_id: &str) -> Lane {
        Lane { kind: SubjectKind::ACTIVITY, namespace, id: activity_id.into() }
    }

    /// The lane's subject with this instance.
    pub fn instance(&self, instance: Uuid) -> Subject {
        Subject { lane: self.clone(), instance }
    }

    /// The workflow id whose lane it is; `None` for another kind.
    pub fn workflow(&self) -> Option<WorkflowKey> {
        (self.kind == SubjectKind::RUN).then(|| WorkflowKey { namespace: self.namespace, workflow_id: self.id.clone() })
    }
}

impl Subject {
    /// The run that the subject is; `None` for another kind.
    pub fn run(&self) -> Option<RunKey> {
        self.lane.workflow().map(|workflow| RunKey { workflow, run_id: self.instance })
    }
}

impl From<WorkflowKey> for Lane {
    fn from(workflow: WorkflowKey) -> Lane {
        Lane { kind: SubjectKind::RUN, namespace: workflow.namespace, id: workflow.workflow_id }
    }
}

impl From<RunKey> for Subject {
    fn from(run: RunKey) -> Subject {
        Subject { lane: run.workflow.into(), instance: run.run_id }
    }
}

impl From<&RunKey> for Subject {
    fn from(run: &RunKey) -> Subject {
        run.clone().into()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            SubjectKind::RUN => write!(f, "workflow '{}'", self.id),
            SubjectKind::BATCH => write!(f, "batch job '{}'", self.id),
            SubjectKind::SCHEDULE => write!(f, "schedule '{}'", self.id),
            SubjectKind::ACTIVITY => write!(f, "activity '{}'", self.id),
            SubjectKind(kind) => write!(f, "'{}' of kind {kind}", self.id),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.lane)?;
        if self.instance.is_nil() { Ok(()) } else { write!(f, ", run {},", self.instance) }
    }
}

/// The address of an outbox message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Address {
    #[n(0)]
    Lane(#[n(0)] Lane),
}

impl Address {
    /// The slot whose shard takes the message.
    pub fn slot(&self) -> u16 {
        match self {
            Address::Lane(lane) => lane.slot(),
        }
    }
}

impl From<WorkflowKey> for Address {
    fn from(workflow: WorkflowKey) -> Address {
        Address::Lane(workflow.into())
    }
}

/// A decoded state in a leader's cache; each kind has a type of its own.
pub type SubjectState = Arc<dyn Any + Send + Sync>;

/// The state of a subject after a transition.
#[derive(Clone, Debug)]
pub struct WrittenState {
    pub subject: Subject,
    pub state: SubjectState,
    /// The approximate size in bytes of the state in memory; `None` if it is hardly read any more, and not worth
    /// keeping.
    pub bytes: Option<u64>,
}
