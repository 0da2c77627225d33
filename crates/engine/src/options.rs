//! A run's options as events change them: its priority, and the starts that it answers for.

use crate::{
    activity,
    info::{AttachedRequest, ExecutionInfo},
    proto::Encoded,
    row::RequestKind,
    txn::Txn,
    workflow_task,
};
use tenure_api::{
    enums::v1::EventType,
    history::v1::{HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, history_event::Attributes},
};

/// Applies an event to the state of its run. `event_id` is [`BUFFERED`](crate::events::BUFFERED) until the event has
/// one.
pub(crate) fn apply(info: &mut ExecutionInfo, event_id: i64, event: &WorkflowExecutionOptionsUpdatedEventAttributes) {
    // Only a change that was asked for by name has the priority, and then all of it; the event of a start does not.
    if event.unset_versioning_override {
        info.priority = event.priority.as_ref().map(Encoded::of);
    }
    if !event.attached_request_id.is_empty() {
        info.request_ids.push(AttachedRequest {
            request_id: event.attached_request_id.as_str().into(),
            event_id,
            event_type: EventType::WorkflowExecutionOptionsUpdated.into(),
        });
    }
}

/// Changes a run's options, with the event that records the change.
pub(crate) fn change(txn: &mut Txn<'_, '_>, event: HistoryEvent) {
    let Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes)) = event.attributes.clone() else {
        return debug_assert!(false, "the caller made a change of options, not {event:?}");
    };
    let event_id = txn.add(HistoryEvent { worker_may_ignore: true, ..event });
    if !attributes.attached_request_id.is_empty() {
        txn.put_request_id(RequestKind::Start, &attributes.attached_request_id);
    }
    apply(&mut txn.state.info, event_id, &attributes);
}

/// Runs a change that affects the place of tasks in their queues: the run's ready tasks leave their queues before it,
/// and get new places after it.
pub(crate) fn with_tasks_withdrawn(txn: &mut Txn<'_, '_>, change: impl FnOnce(&mut Txn<'_, '_>)) {
    workflow_task::withdraw(txn);
    let activities = activity::withdraw_all(txn);
    change(txn);
    activity::put_back(txn, activities);
    workflow_task::put_back(txn);
}
