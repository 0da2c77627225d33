//! Signals and cancellations that a workflow sends to others: asked for by workflow commands, answered through the
//! outbox.

mod cancel;
pub(crate) mod reset;
mod signal;

pub(crate) use cancel::{answered as cancel_answered, request_cancel};
pub(crate) use signal::{answered as signal_answered, signal};

use crate::{
    key::{WorkflowKey, parse_run_id},
    outbox::{Body, OutboxMessage, Target},
    rows::ReadError,
    txn::Txn,
};
use tenure_api::history::v1::{HistoryEvent, history_event::Attributes};

fn send(txn: &mut Txn<'_, '_>, workflow_id: &str, body: Body) {
    let to = WorkflowKey { namespace: txn.run.workflow.namespace, workflow_id: workflow_id.into() };
    txn.send(OutboxMessage { to: to.into(), body });
}

/// The target of an initiated event; its run id was checked when the command came.
fn target(run_id: &str, child_workflow_only: bool) -> Target {
    Target { run_id: parse_run_id(run_id).ok().flatten(), child_workflow_only }
}

/// The attributes of the event with which a command began.
fn initiated(txn: &Txn<'_, '_>, event_id: i64) -> Result<Option<Attributes>, ReadError> {
    Ok(txn.event(event_id)?.and_then(|event: HistoryEvent| event.attributes))
}
