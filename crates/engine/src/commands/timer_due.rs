//! The run's timer row is due: everything whose time has come happens now, and the row is armed again.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
};
use crate::{
    activity,
    chain::{self, Ended},
    command::Reply,
    copy,
    key::RunKey,
    removal,
    row::{Op, RowKey, WriteSet},
    timer,
    transition::types::{Effect, Transition},
    txn::Txn,
    workflow_task,
};
use tenure_api::history::v1::{HistoryEvent, WorkflowExecutionTimedOutEventAttributes, history_event::Attributes};
use tenure_limits::HISTORY_PAGE;
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Uuid) -> VerbResult {
    let run = call.workflow.run(run_id);
    let Some(state) = call.rows.execution(&run)? else { return clear_copy(call, run) };
    let mut txn = Txn::open(call.rows, call.cx, run, call.proposal, state);
    if txn.state.timer_row.is_none_or(|at| at > txn.now()) {
        // Fired before, or moved meanwhile.
        return Err(Stop::Answered(Reply::Done));
    }
    if !txn.state.is_running() {
        return Ok(removal::fire_due(txn)?);
    }
    if has_expired(&txn) {
        txn.read_first_event()?;
    }
    // Bounded, because every round moves at least one deadline. The large events of many activities go in pieces.
    while !txn.is_full() && txn.state.earliest_deadline().is_some_and(|at| at <= txn.now()) {
        fire_due(&mut txn);
    }
    Ok(finish(txn, Reply::Done))
}

fn has_expired(txn: &Txn<'_, '_>) -> bool {
    txn.state.info.run_expires_at.is_some_and(|at| at <= txn.now())
}

fn fire_due(txn: &mut Txn<'_, '_>) {
    if has_expired(txn) {
        return time_out(txn);
    }
    workflow_task::fire_due(txn);
    let fired = timer::fire_due(txn);
    let closed = activity::fire_due(txn);
    if fired || closed {
        workflow_task::schedule_if_idle(txn);
    }
}

/// Closes a run that has timed out.
fn time_out(txn: &mut Txn<'_, '_>) {
    chain::end_task_by_force(txn);
    let Ended { retry_state, next } = chain::after_timeout(txn);
    let attributes = WorkflowExecutionTimedOutEventAttributes {
        retry_state: retry_state.into(),
        new_execution_run_id: next.as_ref().map(|next| next.run_id.to_string()).unwrap_or_default(),
    };
    let attributes = Some(Attributes::WorkflowExecutionTimedOutEventAttributes(attributes));
    chain::close(txn, HistoryEvent { attributes, ..Default::default() }, next);
}

/// Removes, in pieces, the history that was copied for a run which was never created; its timer row is due.
fn clear_copy(call: Call<'_, '_>, run: RunKey) -> VerbResult {
    let timer = copy::timer(&run);
    if copy::expires(run.run_id) > call.cx.now || call.rows.get(&timer)?.is_none() {
        return Err(Stop::Answered(Reply::Done));
    }
    let rows = call.rows.history_rows(&run, i64::MIN, HISTORY_PAGE)?;
    let last = rows.iter().map(|(_, events)| events.len()).sum::<usize>() < HISTORY_PAGE;
    let row = |first_event_id| Op::Delete(RowKey::History { run: run.clone(), first_event_id });
    let mut ops: Vec<Op> = rows.iter().map(|(first_event_id, _)| row(*first_event_id)).collect();
    ops.extend(last.then_some(Op::Delete(timer)));
    let due = (!last).then_some(call.cx.now);
    let effects = vec![Effect::TimerArmed { subject: run.into(), due }];
    Ok(Transition { reply: Reply::Done, writes: WriteSet { ops }, states: Vec::new(), effects, copy: None })
}
