//! Children and resets: children that the kept history tells of belong to the new run. What the old run heard of them
//! after the point is told to it, and one whose start was not answered is asked for again.

use super::{start, state::StartedChild};
use crate::{events, txn::Txn};
use std::collections::BTreeMap;
use tenure_api::{
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes},
    sdk::v1::UserMetadata,
};
use uuid::Uuid;

/// Tells the new run what the run that it was reset from heard of a child of both.
pub(crate) fn retell(txn: &mut Txn<'_, '_>, event: &HistoryEvent) {
    use Attributes::*;
    let Some(attributes) = &event.attributes else { return };
    let mut retold =
        HistoryEvent { links: event.links.clone(), attributes: Some(attributes.clone()), ..Default::default() };
    let children = &mut txn.state.relations.children;
    match attributes {
        StartChildWorkflowExecutionFailedEventAttributes(a) => {
            if children.remove(a.initiated_event_id).is_some() {
                txn.add(retold);
            }
        }
        ChildWorkflowExecutionStartedEventAttributes(a) => {
            let run_id = a.workflow_execution.as_ref().and_then(|child| Uuid::try_parse(&child.run_id).ok());
            let waits = children.get(a.initiated_event_id).is_some_and(|child| child.started.is_none());
            let (true, Some(run_id)) = (waits, run_id) else { return };
            let started_event_id = txn.add(retold);
            if let Some(mut child) = txn.state.relations.children.get_mut(a.initiated_event_id) {
                child.started = Some(StartedChild { run_id, started_event_id });
            }
        }
        _ => {
            let Some(initiated_event_id) = events::child_ended(attributes) else { return };
            let Some(child) = children.remove(initiated_event_id) else { return };
            let started = child.started.map(|started| (initiated_event_id, started.started_event_id));
            events::fill_in_started_id(&mut retold, started.as_slice());
            txn.add(retold);
        }
    }
}

/// What the history that the new run begins with asks for without an answer in it.
#[derive(Default)]
pub(crate) struct Asked {
    initiated: BTreeMap<i64, (StartChildWorkflowExecutionInitiatedEventAttributes, Option<UserMetadata>)>,
    /// The events that resets have left, and the runs that wrote what is before them.
    resets: Vec<(i64, Uuid)>,
}

impl Asked {
    /// Takes an event of the kept history.
    pub(crate) fn kept(&mut self, event: &HistoryEvent) {
        use Attributes::*;
        self.base(event);
        match &event.attributes {
            Some(StartChildWorkflowExecutionInitiatedEventAttributes(a)) => {
                self.initiated.insert(event.event_id, (a.clone(), event.user_metadata.clone()));
            }
            Some(StartChildWorkflowExecutionFailedEventAttributes(a)) => {
                drop(self.initiated.remove(&a.initiated_event_id))
            }
            Some(ChildWorkflowExecutionStartedEventAttributes(a)) => drop(self.initiated.remove(&a.initiated_event_id)),
            _ => {}
        }
    }

    /// Takes any event of the base run.
    pub(crate) fn base(&mut self, event: &HistoryEvent) {
        self.resets.extend(reset(event));
    }

    /// Asks for the starts that were not answered, not even in what the new run was told since. A child that was started
    /// meanwhile is known by the request, which is the one of the run that asked first.
    pub(crate) fn ask_again(self, txn: &mut Txn<'_, '_>, base: Uuid) {
        for (event_id, (initiated, user_metadata)) in self.initiated {
            if txn.state.relations.children.get(event_id).is_some_and(|child| child.started.is_none()) {
                let by = self.resets.iter().find(|(id, _)| *id > event_id).map_or(base, |(_, run_id)| *run_id);
                start::ask(txn, by, event_id, initiated, user_metadata);
            }
        }
    }
}

/// The event tells of a child: [`retell`] may have a use for it.
pub(crate) fn is_of_child(event: &HistoryEvent) -> bool {
    use Attributes::*;
    match &event.attributes {
        Some(StartChildWorkflowExecutionFailedEventAttributes(_) | ChildWorkflowExecutionStartedEventAttributes(_)) => {
            true
        }
        Some(other) => events::child_ended(other).is_some(),
        None => false,
    }
}

/// The event that a reset leaves, and the run that wrote what is before it.
fn reset(event: &HistoryEvent) -> Option<(i64, Uuid)> {
    match event.attributes.as_ref()? {
        Attributes::WorkflowTaskFailedEventAttributes(a) if a.cause() == Cause::ResetWorkflow => {
            Some((event.event_id, Uuid::try_parse(&a.base_run_id).ok()?))
        }
        _ => None,
    }
}
