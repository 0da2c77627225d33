//! The events of the parent's history about its children.

use super::state::{PendingChild, StartedChild};
use crate::{
    outbox::{ChildRuns, Receipt},
    rows::ReadError,
    txn::Txn,
    workflow_task,
};
use tenure_api::{
    common::v1::{WorkflowExecution, WorkflowType},
    enums::v1::StartChildWorkflowExecutionFailedCause as Failed,
    history::v1::{
        ChildWorkflowExecutionStartedEventAttributes, HistoryEvent, StartChildWorkflowExecutionFailedEventAttributes,
        StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
    },
};
use uuid::Uuid;

/// Records the answer to the start of a child. A child that has closed meanwhile has recorded its start already.
pub(crate) fn answered(txn: &mut Txn<'_, '_>, initiated_event_id: i64, receipt: Receipt) -> Result<(), ReadError> {
    let child = match txn.state.relations.children.get(initiated_event_id) {
        None | Some(PendingChild { started: Some(_), .. }) => return Ok(()),
        Some(child) => child.clone(),
    };
    let cause = match receipt {
        Receipt::Started { run_id } => {
            started(txn, initiated_event_id, &child, run_id)?;
            workflow_task::schedule_if_idle(txn);
            return Ok(());
        }
        Receipt::AlreadyExists => Failed::WorkflowAlreadyExists,
        Receipt::Done | Receipt::NotFound | Receipt::TooManySignals | Receipt::Refused => Failed::Unspecified,
    };
    let control = initiated(txn, initiated_event_id)?.control;
    txn.state.relations.children.remove(initiated_event_id);
    let attributes = StartChildWorkflowExecutionFailedEventAttributes {
        namespace: txn.state.info.namespace.to_string(),
        namespace_id: txn.run.workflow.namespace.to_string(),
        workflow_id: child.workflow_id.to_string(),
        workflow_type: Some(workflow_type(&child)),
        cause: cause.into(),
        control,
        initiated_event_id,
        workflow_task_completed_event_id: 0,
    };
    txn.add_event(Attributes::StartChildWorkflowExecutionFailedEventAttributes(attributes));
    workflow_task::schedule_if_idle(txn);
    Ok(())
}

/// The attributes of the event that initiated a child.
fn initiated(
    txn: &Txn<'_, '_>,
    initiated_event_id: i64,
) -> Result<StartChildWorkflowExecutionInitiatedEventAttributes, ReadError> {
    match txn.event(initiated_event_id)?.and_then(|event| event.attributes) {
        Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated)) => Ok(initiated),
        _ => Err(ReadError::history(&txn.run, initiated_event_id, "no child was initiated by this event")),
    }
}

fn workflow_type(child: &PendingChild) -> WorkflowType {
    WorkflowType { name: child.workflow_type.to_string() }
}

fn execution(child: &PendingChild, run_id: Uuid) -> WorkflowExecution {
    WorkflowExecution { workflow_id: child.workflow_id.to_string(), run_id: run_id.to_string() }
}

fn started(
    txn: &mut Txn<'_, '_>,
    initiated_event_id: i64,
    child: &PendingChild,
    run_id: Uuid,
) -> Result<(), ReadError> {
    let header = initiated(txn, initiated_event_id)?.header;
    let attributes = ChildWorkflowExecutionStartedEventAttributes {
        namespace: txn.state.info.namespace.to_string(),
        namespace_id: txn.run.workflow.namespace.to_string(),
        initiated_event_id,
        workflow_execution: Some(execution(child, run_id)),
        workflow_type: Some(workflow_type(child)),
        header,
    };
    let started_event_id = txn.add_event(Attributes::ChildWorkflowExecutionStartedEventAttributes(attributes));
    if let Some(mut child) = txn.state.relations.children.get_mut(initiated_event_id) {
        child.started = Some(StartedChild { run_id, started_event_id });
    }
    Ok(())
}

/// Records the end of a child, whose last run has closed with this event. It may come before the answer to its start.
pub(crate) fn closed(
    txn: &mut Txn<'_, '_>,
    initiated_event_id: i64,
    runs: ChildRuns,
    event: HistoryEvent,
) -> Result<(), ReadError> {
    let waiting = txn.state.relations.children.get(initiated_event_id).filter(|child| child.started.is_none());
    if let Some(child) = waiting.cloned() {
        started(txn, initiated_event_id, &child, runs.first)?;
    }
    let Some(child) = txn.state.relations.children.remove(initiated_event_id) else {
        debug_assert!(false, "the caller found the run that waits for the child");
        return Ok(());
    };
    let namespace = txn.state.info.namespace.to_string();
    let namespace_id = txn.run.workflow.namespace.to_string();
    let started_event_id = child.started.map_or(0, |started| started.started_event_id);
    let (workflow_execution, workflow_type) = (Some(execution(&child, runs.last)), Some(workflow_type(&child)));
    macro_rules! tell {
        ($event:ident { $($own:ident: $value:expr),* }) => {{
            use tenure_api::history::v1::$event as Event;
            Event {
                $($own: $value,)*
                namespace, namespace_id, workflow_execution, workflow_type, initiated_event_id, started_event_id,
            }
        }};
    }
    let attributes = match event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(a)) => {
            Attributes::ChildWorkflowExecutionCompletedEventAttributes(tell!(
                ChildWorkflowExecutionCompletedEventAttributes { result: a.result }
            ))
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(a)) => {
            Attributes::ChildWorkflowExecutionFailedEventAttributes(tell!(
                ChildWorkflowExecutionFailedEventAttributes { failure: a.failure, retry_state: a.retry_state }
            ))
        }
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(a)) => {
            Attributes::ChildWorkflowExecutionCanceledEventAttributes(tell!(
                ChildWorkflowExecutionCanceledEventAttributes { details: a.details }
            ))
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(a)) => {
            Attributes::ChildWorkflowExecutionTimedOutEventAttributes(tell!(
                ChildWorkflowExecutionTimedOutEventAttributes { retry_state: a.retry_state }
            ))
        }
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(_)) => {
            Attributes::ChildWorkflowExecutionTerminatedEventAttributes(tell!(
                ChildWorkflowExecutionTerminatedEventAttributes {}
            ))
        }
        other => {
            debug_assert!(false, "the last run of a chain ends in one of five ways, not with {other:?}");
            return Ok(());
        }
    };
    txn.add_event(attributes);
    workflow_task::schedule_if_idle(txn);
    Ok(())
}
