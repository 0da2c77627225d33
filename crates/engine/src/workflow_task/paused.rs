//! The workflow task of a run that is paused: there is none that no worker has.

use super::{events::failed_unstarted, schedule, state::TaskPhase, withdraw};
use crate::{transition::types::Effect, txn::Txn};

/// Fails the pending task of a run that is paused, unless a worker has it.
pub(crate) fn fail_unstarted(txn: &mut Txn<'_, '_>) {
    if txn.state.workflow_task.is_started() {
        return;
    }
    txn.persist_task();
    withdraw(txn);
    let Some(task) = txn.state.workflow_task.pending.take() else { return };
    txn.effect(Effect::WorkflowTaskEnded { run: txn.run.clone() });
    // History does not know of a further attempt.
    if task.transient {
        return;
    }
    let started_event_id = match &task.phase {
        TaskPhase::Ready { undelivered: Some(started), .. } => started.event_id,
        TaskPhase::Ready { undelivered: None, .. } | TaskPhase::Started(_) => 0,
    };
    txn.add_event(failed_unstarted(&task, started_event_id));
    txn.flush_buffered();
}

/// Schedules a task for a run that is not paused any more, whatever came meanwhile, unless a worker has one or the first
/// one is still delayed. It is a first attempt.
pub(crate) fn schedule_after_pause(txn: &mut Txn<'_, '_>) {
    let task = &mut txn.state.workflow_task;
    if task.pending.is_some() || task.first_at.is_some() {
        return;
    }
    task.attempt = 1;
    schedule(txn, None);
}
