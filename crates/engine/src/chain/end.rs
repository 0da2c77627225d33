//! The end of a run. Every way to end comes through here.

use super::{
    new_run::{NewRun, start_next},
    scheduled,
};
use crate::{
    activity, child, describe,
    id::SERVER_IDENTITY,
    removal,
    txn::Txn,
    update,
    workflow_task::{self, FailedTask},
};
use tenure_api::{
    common::v1::{Link, Payloads},
    enums::v1::{EventType, WorkflowTaskFailedCause as Cause},
    history::v1::{HistoryEvent, WorkflowExecutionTerminatedEventAttributes, history_event::Attributes},
};

/// Ends the run with its last event: nothing of it is pending any more. A run that follows in the chain is created in
/// the same entry.
pub(crate) fn close(txn: &mut Txn<'_, '_>, last: HistoryEvent, next: Option<NewRun>) {
    txn.state.pending_at_close = describe::pending_at_close(&txn.state);
    child::parent_closed(txn);
    update::close(txn, next.is_some());
    if next.is_none() {
        child::report_close(txn, &last);
        scheduled::report_close(txn, &last, false);
    }
    end(txn, last);
    if let Some(next) = next {
        start_next(txn, next);
    }
}

/// Ends a run that a reset replaces by another one, so that its parent is not notified. `keeps_children`: the other run
/// takes over the children, so that they are not notified either.
pub(crate) fn close_replaced(txn: &mut Txn<'_, '_>, last: HistoryEvent, keeps_children: bool) {
    txn.state.pending_at_close = describe::pending_at_close(&txn.state);
    if keeps_children {
        child::forget_all(txn);
    } else {
        child::parent_closed(txn);
    }
    scheduled::report_close(txn, &last, true);
    update::close(txn, false);
    end(txn, last);
}

fn end(txn: &mut Txn<'_, '_>, last: HistoryEvent) {
    debug_assert!(txn.state.is_running(), "a run is closed once");
    let event_type = last.attributes.as_ref().map(Attributes::event_type);
    let status = event_type.and_then(EventType::status_after).expect("a closing event");
    workflow_task::forget(txn);
    activity::forget_all(txn);
    txn.state.timers.clear();
    txn.state.buffered.clear();
    txn.state.sticky = None;
    txn.state.set_status(status);
    txn.state.closed_at = Some(txn.now());
    removal::schedule(txn);
    txn.add(last);
}

/// Ends the run without its worker.
pub(crate) fn terminate(
    txn: &mut Txn<'_, '_>,
    reason: &str,
    details: Option<Payloads>,
    identity: &str,
    links: Vec<Link>,
) {
    end_task_by_force(txn);
    close(txn, terminated(reason, details, identity, links), None);
}

/// The last event of a run that is terminated.
pub(crate) fn terminated(reason: &str, details: Option<Payloads>, identity: &str, links: Vec<Link>) -> HistoryEvent {
    let attributes =
        WorkflowExecutionTerminatedEventAttributes { reason: reason.into(), details, identity: identity.into() };
    HistoryEvent {
        links,
        attributes: Some(Attributes::WorkflowExecutionTerminatedEventAttributes(attributes)),
        ..Default::default()
    }
}

/// Fails the running workflow task, if there is one, and flushes buffered events into history, before the server closes
/// the run.
pub(crate) fn end_task_by_force(txn: &mut Txn<'_, '_>) {
    let failed = FailedTask {
        cause: Cause::ForceCloseCommand,
        failure: None,
        identity: SERVER_IDENTITY.into(),
        binary_checksum: String::new(),
    };
    workflow_task::fail(txn, failed);
    txn.flush_buffered();
}
