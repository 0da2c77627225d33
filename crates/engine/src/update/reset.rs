//! Updates and resets: updates of the kept history are in the new run as they are in that history; an update that was
//! accepted after the reset point is admitted to it anew, by an event from which the worker learns of it.

use super::{
    admit::update_id,
    state::{Accepted, CompletedUpdate, PendingUpdate, UpdatePhase, row},
};
use crate::{codec, rows::Op, state::ExecutionState, txn::Txn};
use std::{collections::BTreeMap, sync::Arc};
use tenure_api::{
    enums::v1::UpdateAdmittedEventOrigin as Origin,
    history::v1::{
        HistoryEvent, WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateAdmittedEventAttributes,
        WorkflowExecutionUpdateCompletedEventAttributes, history_event::Attributes,
    },
    update::v1::Request,
};

/// Applies the event that admitted an update to the state of a run that is rebuilt.
pub(crate) fn replay_admitted(state: &mut ExecutionState, admitted: &WorkflowExecutionUpdateAdmittedEventAttributes) {
    insert_reapplied(state, &admitted.request.clone().unwrap_or_default());
}

/// Applies the event of an acceptance to the state of a run that is rebuilt.
pub(crate) fn replay_accepted(
    state: &mut ExecutionState,
    event_id: i64,
    accepted: &WorkflowExecutionUpdateAcceptedEventAttributes,
) {
    let update_id = &accepted.protocol_instance_id;
    let mut request_id: Arc<str> = accepted.accepted_request.as_ref().map_or("", |r| &r.request_id).into();
    if let Some((admission, update)) = state.updates.find(update_id) {
        if let UpdatePhase::Reapplied { request_id: reapplied } = &update.phase {
            request_id = reapplied.clone();
        }
        state.updates.in_flight.remove(admission);
    }
    insert(state, update_id, UpdatePhase::Accepted(Accepted { event_id, request_id }));
}

/// Applies the event of an outcome to the state of a run that is rebuilt.
pub(crate) fn replay_completed(
    state: &mut ExecutionState,
    completed: &WorkflowExecutionUpdateCompletedEventAttributes,
) {
    let update_id = completed.meta.as_ref().map_or("", |meta| &meta.update_id);
    if let Some((admission, _)) = state.updates.find(update_id) {
        state.updates.in_flight.remove(admission);
        state.updates.completed += 1;
    }
}

fn insert_reapplied(state: &mut ExecutionState, request: &Request) {
    insert(state, update_id(request), UpdatePhase::Reapplied { request_id: request.request_id.as_str().into() });
}

fn insert(state: &mut ExecutionState, update_id: &str, phase: UpdatePhase) {
    let updates = &mut state.updates;
    updates.admissions += 1;
    updates.in_flight.insert(updates.admissions, PendingUpdate { update_id: update_id.into(), phase });
}

/// The updates with their outcome in the history that the new run begins with.
#[derive(Default)]
pub(crate) struct Outcomes {
    open: BTreeMap<String, Accepted>,
    completed: Vec<(String, CompletedUpdate)>,
}

impl Outcomes {
    /// Adds an event of the kept history.
    pub(crate) fn add_kept(&mut self, event: &HistoryEvent) {
        if let Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(a)) = &event.attributes {
            let request_id = a.accepted_request.as_ref().map_or("", |r| &r.request_id).into();
            self.open.insert(a.protocol_instance_id.clone(), Accepted { event_id: event.event_id, request_id });
        }
        if let Some(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(a)) = &event.attributes {
            let update_id = a.meta.as_ref().map_or("", |meta| &meta.update_id);
            let Some(accepted) = self.open.remove(update_id) else {
                return debug_assert!(false, "an update is accepted before it is completed: {event:?}");
            };
            let completed = CompletedUpdate { accepted, completed_event_id: event.event_id };
            self.completed.push((update_id.to_owned(), completed));
        }
    }

    /// Writes the rows of the updates.
    pub(crate) fn write(self, txn: &mut Txn<'_, '_>) {
        for (update_id, completed) in self.completed {
            txn.write(Op::Put(row(&txn.run, &update_id), codec::encode(&completed)));
        }
    }
}

/// Admits to the new run, by an event, an update that the old one had accepted, or had got in the same way. An
/// acceptance has no request where an event before it has it.
pub(crate) fn readmit(txn: &mut Txn<'_, '_>, request: Option<Request>) {
    let Some(request) = request.filter(|request| txn.state.updates.find(update_id(request)).is_none()) else { return };
    insert_reapplied(&mut txn.state, &request);
    let attributes =
        WorkflowExecutionUpdateAdmittedEventAttributes { request: Some(request), origin: Origin::Reapply.into() };
    txn.add_event(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(attributes));
}
