//! Children and resets. Children of the kept history belong to the new run: the later events about them that the old
//! run received are reapplied in it, and a start that was not answered is requested again.

use super::{start, state::StartedChild};
use crate::{events::fill_in_started_id, txn::Txn};
use std::collections::BTreeMap;
use tenure_api::{
    enums::v1::WorkflowTaskFailedCause as Cause,
    history::v1::{HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes},
    sdk::v1::UserMetadata,
};
use uuid::Uuid;

/// Reapplies in the new run an event about a child that the run before it received: its start failed, it started, it
/// ended. An event about a child that the new run does not know, or no longer, is ignored.
pub(crate) fn reapply(txn: &mut Txn<'_, '_>, event: &HistoryEvent) {
    let Some(attributes) = &event.attributes else { return };
    let Some(initiated_event_id) = attributes.begun_by() else {
        return debug_assert!(false, "what is heard of a child names the event that initiated it: {event:?}");
    };
    let mut reapplied =
        HistoryEvent { links: event.links.clone(), attributes: Some(attributes.clone()), ..Default::default() };
    if let Attributes::ChildWorkflowExecutionStartedEventAttributes(a) = attributes {
        let run_id = a.workflow_execution.as_ref().and_then(|child| Uuid::try_parse(&child.run_id).ok());
        let child = txn.state.relations.children.get(initiated_event_id);
        let (true, Some(run_id)) = (child.is_some_and(|child| child.started.is_none()), run_id) else { return };
        let started_event_id = txn.add(reapplied);
        if let Some(mut child) = txn.state.relations.children.get_mut(initiated_event_id) {
            child.started = Some(StartedChild { run_id, started_event_id });
        }
    } else if let Some(child) = txn.state.relations.children.remove(initiated_event_id) {
        let started = child.started.map(|started| (initiated_event_id, started.started_event_id));
        fill_in_started_id(&mut reapplied, started.as_slice());
        txn.add(reapplied);
    }
}

/// The starts that the kept history requests and does not answer.
#[derive(Default)]
pub(crate) struct UnansweredStarts {
    initiated: BTreeMap<i64, (StartChildWorkflowExecutionInitiatedEventAttributes, Option<UserMetadata>)>,
    /// The ids of the events that resets have left, and the runs that wrote what is before them.
    resets: Vec<(i64, Uuid)>,
}

impl UnansweredStarts {
    /// Adds an event of the kept history.
    pub(crate) fn add_kept(&mut self, event: &HistoryEvent) {
        self.add_base(event);
        let Some(attributes) = &event.attributes else { return };
        if let Some(begun_by) = attributes.begun_by() {
            self.initiated.remove(&begun_by);
        }
        if let Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a) = attributes {
            self.initiated.insert(event.event_id, (a.clone(), event.user_metadata.clone()));
        }
    }

    /// Adds any event of the base run.
    pub(crate) fn add_base(&mut self, event: &HistoryEvent) {
        self.resets.extend(reset(event));
    }

    /// Requests the starts again that were not answered, not even by the events that were reapplied in the new run. A
    /// child that was started meanwhile is found by the request id, which is that of the run that asked first.
    pub(crate) fn send_again(self, txn: &mut Txn<'_, '_>, base: Uuid) {
        for (event_id, (initiated, user_metadata)) in self.initiated {
            if txn.state.relations.children.get(event_id).is_some_and(|child| child.started.is_none()) {
                let by = self.resets.iter().find(|(id, _)| *id > event_id).map_or(base, |(_, run_id)| *run_id);
                start::send(txn, by, event_id, initiated, user_metadata);
            }
        }
    }
}

/// The id of the event that a reset leaves, and the run that wrote what is before it; `None` for other events.
fn reset(event: &HistoryEvent) -> Option<(i64, Uuid)> {
    let Attributes::WorkflowTaskFailedEventAttributes(failed) = event.attributes.as_ref()? else { return None };
    let base_run_id = Some(&failed.base_run_id).filter(|_| failed.cause() == Cause::ResetWorkflow)?;
    Some((event.event_id, Uuid::try_parse(base_run_id).ok()?))
}
