//! The pause of a run, by an operator.
//!
//! A paused run gets no workflow task: one that no worker has fails, and none is scheduled. Activities that no worker has
//! are [held](crate::activity::ActivityPhase::Held); those that run go on, with further attempts, and all time-outs count.
//! Signals, timers and the ends of children are written down, and the workflow sees them once it is unpaused. A worker that
//! has the workflow task may complete it; the event of the pause follows, as all events do that come in between.

pub(crate) mod state;

use crate::{activity, txn::Txn, workflow_task};
use state::Paused;
use tenure_api::{
    history::v1::{
        HistoryEvent, WorkflowExecutionPausedEventAttributes, WorkflowExecutionUnpausedEventAttributes,
        history_event::Attributes,
    },
    workflowservice::v1::{PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest},
};

/// Pauses a run that is not paused.
pub(crate) fn pause(txn: &mut Txn<'_, '_>, request: &PauseWorkflowExecutionRequest) {
    debug_assert!(txn.state.paused.is_none(), "a run is paused once");
    workflow_task::fail_unstarted(txn);
    add(
        txn,
        Attributes::WorkflowExecutionPausedEventAttributes(WorkflowExecutionPausedEventAttributes {
            identity: request.identity.clone(),
            reason: request.reason.clone(),
            request_id: request.request_id.clone(),
        }),
    );
    txn.state.paused = Some(Paused {
        at: txn.now(),
        identity: request.identity.as_str().into(),
        reason: request.reason.as_str().into(),
        request_id: request.request_id.as_str().into(),
    });
    activity::hold_all(txn);
}

/// Lets a paused run go on: its workflow sees what came meanwhile.
pub(crate) fn unpause(txn: &mut Txn<'_, '_>, request: &UnpauseWorkflowExecutionRequest) {
    txn.state.paused = None;
    add(
        txn,
        Attributes::WorkflowExecutionUnpausedEventAttributes(WorkflowExecutionUnpausedEventAttributes {
            identity: request.identity.clone(),
            reason: request.reason.clone(),
            request_id: request.request_id.clone(),
        }),
    );
    activity::release_all(txn);
    workflow_task::schedule_after_pause(txn);
}

/// Workers of any version may pass over these events.
fn add(txn: &mut Txn<'_, '_>, attributes: Attributes) {
    txn.add(HistoryEvent { attributes: Some(attributes), worker_may_ignore: true, ..Default::default() });
}
