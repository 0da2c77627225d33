//! The state of a run's children, of its requests to other workflows, and of its own parent.
//!
//! | child | start answered | start refused | child closes | parent closes |
//! |---|---|---|---|---|
//! | `Initiated` | `Started` | gone | gone | gone |
//! | `Started` | - | - | gone | gone |
//!
//! The end of a child may arrive before the answer to its start; history shows the start first all the same.

use crate::{
    codec::field,
    key::{NamespaceId, RunKey, WorkflowKey},
    pending::{Keyed, NoKey, Pending},
};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::{
    common::v1::WorkflowExecution,
    history::v1::{StartChildWorkflowExecutionInitiatedEventAttributes, WorkflowExecutionStartedEventAttributes},
};
use uuid::Uuid;

/// A run's relations to other workflow ids.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Relations {
    /// The children that were initiated and have not closed, by initiated event id.
    #[n(0)]
    pub children: Pending<PendingChild>,
    /// The count of signals to others that were not answered yet.
    #[n(1)]
    pub signals: u32,
    /// The count of requests to cancel others that were not answered yet.
    #[n(2)]
    pub cancels: u32,
}

impl Relations {
    /// Fills in the id of a child's started event, which was buffered and is in history now.
    pub(crate) fn start_has_event(&mut self, initiated_event_id: i64, event_id: i64) {
        if let Some(mut child) = self.children.get_mut(initiated_event_id)
            && let Some(started) = &mut child.started
        {
            started.started_event_id = event_id;
        }
    }
}

/// A child that was initiated and has not closed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PendingChild {
    #[cbor(n(0), with = "field")]
    pub workflow_id: Arc<str>,
    #[cbor(n(1), with = "field")]
    pub workflow_type: Arc<str>,
    /// The child's `ParentClosePolicy`.
    #[n(2)]
    pub parent_close_policy: i32,
    /// The start, once it is known.
    #[n(3)]
    pub started: Option<StartedChild>,
}

impl PendingChild {
    /// The pending child that an initiated event describes.
    pub(crate) fn initiated(event: &StartChildWorkflowExecutionInitiatedEventAttributes) -> Self {
        PendingChild {
            workflow_id: event.workflow_id.as_str().into(),
            workflow_type: event.workflow_type.as_ref().map_or("", |t| &t.name).into(),
            parent_close_policy: event.parent_close_policy,
            started: None,
        }
    }
}

impl Keyed for PendingChild {
    type Key = NoKey;

    fn keys(&self) -> impl IntoIterator<Item = NoKey> {
        []
    }

    fn heap_bytes(&self) -> usize {
        self.workflow_id.len() + self.workflow_type.len()
    }
}

/// The start of a child, as its parent knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StartedChild {
    #[cbor(n(0), with = "field")]
    pub run_id: Uuid,
    /// The id of the started event; [`BUFFERED`](crate::events::BUFFERED) until it is in history.
    #[n(1)]
    pub started_event_id: i64,
}

/// The origin of a child; the same for all runs of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lineage {
    #[n(0)]
    pub parent: RunKey,
    /// The name of the parent's namespace.
    #[cbor(n(1), with = "field")]
    pub parent_namespace: Arc<str>,
    /// The id of the parent's event that initiated the child.
    #[n(2)]
    pub initiated_event_id: i64,
    /// The first ancestor, which is no child itself.
    #[n(3)]
    pub root: Execution,
}

impl Lineage {
    /// The lineage that the first event of a run describes; `None` if the run is no child.
    pub(crate) fn read(started: &WorkflowExecutionStartedEventAttributes) -> Option<Lineage> {
        let parent = started.parent_workflow_execution.as_ref()?;
        let root = started.root_workflow_execution.as_ref().unwrap_or(parent);
        let namespace = NamespaceId(Uuid::try_parse(&started.parent_workflow_namespace_id).ok()?);
        let workflow = WorkflowKey { namespace, workflow_id: parent.workflow_id.as_str().into() };
        Some(Lineage {
            parent: workflow.run(Uuid::try_parse(&parent.run_id).ok()?),
            parent_namespace: started.parent_workflow_namespace.as_str().into(),
            initiated_event_id: started.parent_initiated_event_id,
            root: Execution {
                workflow_id: root.workflow_id.as_str().into(),
                run_id: Uuid::try_parse(&root.run_id).ok()?,
            },
        })
    }

    pub(crate) fn write(&self, started: &mut WorkflowExecutionStartedEventAttributes) {
        started.parent_workflow_namespace = self.parent_namespace.to_string();
        started.parent_workflow_namespace_id = self.parent.workflow.namespace.to_string();
        started.parent_workflow_execution = Some(Execution::of(&self.parent).to_proto());
        started.parent_initiated_event_id = self.initiated_event_id;
        started.root_workflow_execution = Some(self.root.to_proto());
        // A child's event shows it where it has none, too.
        started.workflow_run_timeout.get_or_insert_default();
    }
}

/// A run, by its ids within a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Execution {
    #[cbor(n(0), with = "field")]
    pub workflow_id: Arc<str>,
    #[cbor(n(1), with = "field")]
    pub run_id: Uuid,
}

impl Execution {
    pub fn of(run: &RunKey) -> Self {
        Execution { workflow_id: run.workflow.workflow_id.clone(), run_id: run.run_id }
    }

    pub fn to_proto(&self) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.workflow_id.to_string(), run_id: self.run_id.to_string() }
    }
}
