//! Closing runs: a parent notifies its children, a child notifies its parent.

use super::state::PendingChild;
use crate::{
    key::WorkflowKey,
    outbox::{Body, ChildRuns, ClosePolicy, OutboxMessage},
    pending::Pending,
    proto::Encoded,
    txn::Txn,
};
use tenure_api::{enums::v1::ParentClosePolicy, history::v1::HistoryEvent};

/// Notifies the children of a run that is being closed, by their close policies and after the messages that start them.
/// Messages of this transition's own commands are not sent, and neither is a child notified whose start is among those.
pub(crate) fn parent_closed(txn: &mut Txn<'_, '_>) {
    let (unsent, children) = forget_all(txn);
    for (initiated_event_id, child) in children.iter() {
        let starts = |body: &Body| matches!(body, Body::StartChild { lineage, .. } if lineage.initiated_event_id == initiated_event_id);
        if unsent.iter().any(starts) {
            continue;
        }
        let policy = match ParentClosePolicy::try_from(child.parent_close_policy) {
            Ok(ParentClosePolicy::Terminate) => ClosePolicy::Terminate,
            Ok(ParentClosePolicy::RequestCancel) => ClosePolicy::RequestCancel,
            Ok(ParentClosePolicy::Abandon | ParentClosePolicy::Unspecified) | Err(_) => continue,
        };
        let to = WorkflowKey { namespace: txn.run.workflow.namespace, workflow_id: child.workflow_id.clone() };
        txn.send(OutboxMessage { to: to.into(), body: Body::ParentClosed { initiated_event_id, policy } });
    }
}

/// Forgets everything that is pending between the run and others. Returns the unsent messages and the children.
pub(crate) fn forget_all(txn: &mut Txn<'_, '_>) -> (Vec<Body>, Pending<PendingChild>) {
    let unsent = txn.take_back_commanded();
    let children = txn.state.relations.children.clone();
    txn.state.relations.children.clear();
    (txn.state.relations.signals, txn.state.relations.cancels) = (0, 0);
    (unsent, children)
}

/// Notifies the parent, if there is one, that the run has closed with this event. The run is the last of its chain.
pub(crate) fn report_close(txn: &mut Txn<'_, '_>, event: &HistoryEvent) {
    let info = txn.state.info.clone();
    let Some(lineage) = &info.lineage else { return };
    let body = Body::ChildClosed {
        parent_run_id: lineage.parent.run_id,
        initiated_event_id: lineage.initiated_event_id,
        child: ChildRuns { first: info.first_run_id, last: txn.run.run_id },
        event: Encoded::of(event),
    };
    txn.send(OutboxMessage { to: lineage.parent.workflow.clone().into(), body });
}
