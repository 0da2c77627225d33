//! A run is reset: a new one with the same history up to a workflow task takes its place, and is told what came in
//! from outside since.

use super::{Call, Outcome, Stop, run_id_of, terminate_workflow::terminate};
use crate::{
    activity,
    command::Reply,
    id::ProposalId,
    key::RunKey,
    replay,
    reset::Resets,
    rows::{Op, ReadError, RowKey, StateReader},
    state::{ExecutionInfo, ExecutionState},
    time::Timestamp,
    transition::Context,
    txn::{self, RequestKind, Txn},
    workflow_task,
};
use prost::Message;
use std::sync::Arc;
use tenure_api::{
    enums::v1::{ResetReapplyExcludeType as Exclude, ResetReapplyType as Reapply},
    error::ApiError,
    history::v1::{History, HistoryEvent, history_event::Attributes},
    workflowservice::v1::ResetWorkflowExecutionRequest,
};
use uuid::Uuid;

/// Who terminates the run that is replaced.
const RESETTER: &str = "history-resetter";

/// Bytes of history that are read at once.
const PAGE: usize = 1 << 20;

pub(super) fn run(call: Call<'_, '_>, request: &ResetWorkflowExecutionRequest) -> Outcome {
    let row = txn::request_row(call.workflow, RequestKind::Reset, &request.request_id);
    if let Some(run_id) = call.rows.get(&row)?.and_then(|value| Uuid::from_slice(&value).ok()) {
        return Err(Stop::Answered(Reply::WorkflowReset { run_id }));
    }
    let current_id = call.current_run()?;
    let (base, base_state) = match (run_id_of(request.workflow_execution.as_ref())?, current_id) {
        (Some(run_id), _) => (run_id, call.state(run_id)?.ok_or_else(|| super::no_run(call.workflow, run_id))?),
        (None, Some(run_id)) => (run_id, call.state(run_id)?.ok_or_else(|| super::no_workflow(call.workflow))?),
        (None, None) => return Err(super::no_workflow(call.workflow).into()),
    };
    let (base, current_id) = (call.workflow.run(base), current_id.unwrap_or(base));
    let finish = request.workflow_task_finish_event_id;
    if finish <= 1 || finish > base_state.last_event_id() {
        let message = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
        return Err(ApiError::invalid_argument(message).into());
    }

    let Call { rows, cx, workflow, proposal } = call;
    let new = workflow.run(cx.ids.uuid());
    let kept = history(rows, &base, 1, finish)?;
    let state =
        rebuild(&base_state, &kept, cx.now).ok_or_else(|| ApiError::invalid_argument(not_a_boundary(finish)))?;

    // What follows the point in the base run and in the runs after it, those that the current one is ended with too.
    let mut since = history(rows, &base, finish, i64::MAX)?;
    let (mut last_of_chain, mut next) = (base.run_id, since.last().and_then(next_run));
    while let Some(run_id) = next {
        let events = history(rows, &workflow.run(run_id), 1, i64::MAX)?;
        (last_of_chain, next) = (run_id, events.last().and_then(next_run));
        since.extend(events);
    }

    let mut replaced = Vec::new();
    let current =
        if base.run_id == current_id { Some(base_state.clone()) } else { rows.execution(&workflow.run(current_id))? };
    if let Some(current) = current.filter(|current| current.is_running()) {
        let run = workflow.run(current_id);
        let mut old = Txn::over(rows, cx, run, ProposalId::default(), ExecutionState::clone(&current));
        terminate(&mut old, &request.reason, None, RESETTER, Vec::new());
        if last_of_chain == current_id {
            since.extend(old.events().iter().cloned());
        }
        if base.run_id == current_id {
            old.state.reset.run_id = Some(new.run_id);
        }
        replaced.push(old.finish(Reply::Done));
    }
    if base.run_id != current_id || replaced.is_empty() {
        let mut old = Txn::over(rows, cx, base.clone(), ProposalId::default(), ExecutionState::clone(&base_state));
        old.state.reset.run_id = Some(new.run_id);
        replaced.push(old.finish(Reply::Done));
    }

    let run_id = new.run_id;
    let mut txn = Txn::reborn(rows, cx, new, proposal, state, kept);
    for transition in replaced {
        txn.also(transition);
    }
    txn.put_request_id(RequestKind::Reset, &request.request_id);
    let starts: Vec<_> = txn.state.info.request_ids.iter().map(|start| start.request_id.clone()).collect();
    for request_id in starts {
        txn.put_request_id(RequestKind::Start, &request_id);
    }
    workflow_task::fail_for_reset(&mut txn, &request.reason, base.run_id);
    activity::make_all_ready(&mut txn);
    reapply(&mut txn, &since, request);
    workflow_task::schedule_if_idle(&mut txn);
    Ok(txn.finish(Reply::WorkflowReset { run_id }))
}

/// The reference server's words.
fn not_a_boundary(finish: i64) -> String {
    format!(
        "StateRebuilder unable to Rebuild mutable state to event ID: {}, version: 0, this event must be at the boundary",
        finish - 1
    )
}

/// Events of a run from `from` to before `to`.
fn history(rows: &dyn StateReader, run: &RunKey, from: i64, to: i64) -> Result<Vec<HistoryEvent>, ReadError> {
    let mut events = Vec::new();
    // The row that holds `from` may begin before it.
    let mut next = 1;
    loop {
        let page = rows.history_rows(run, next, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(events) };
        next = last + 1;
        for (first_event_id, chunk) in page {
            if first_event_id >= to {
                return Ok(events);
            }
            let key = RowKey::History { run: run.clone(), first_event_id };
            let chunk = History::decode(chunk).map_err(|e| ReadError::Corrupt { key, cause: e.to_string() })?;
            events.extend(chunk.events.into_iter().filter(|event| (from..to).contains(&event.event_id)));
        }
    }
}

/// The run that continues this one.
fn next_run(last: &HistoryEvent) -> Option<Uuid> {
    match last.attributes.as_ref()? {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a) => Uuid::try_parse(&a.new_execution_run_id).ok(),
        _ => None,
    }
}

/// The state of the new run after the events that it keeps; `None` if they do not end with a workflow task that can
/// fail.
fn rebuild(base: &ExecutionState, kept: &[HistoryEvent], now: Timestamp) -> Option<ExecutionState> {
    let mut state = replay::begin(&base.info, kept.first()?);
    for event in kept {
        replay::apply(&mut state, event);
    }
    state.workflow_task.pending.as_ref()?;
    state.reset = Resets {
        run_id: None,
        at: Some(now),
        original_started_at: Some(base.reset.original_started_at.unwrap_or(base.info.started_at)),
    };
    // The rebuilding counts too.
    state.transitions = 1;
    let info = Arc::make_mut(&mut state.info);
    info.started_at = now;
    info.execution_at = now;
    info.run_expires_at = info.run_timeout.map(|timeout| now.after(timeout));
    info.execution_expires_at = info.execution_timeout.map(|timeout| now.after(timeout));
    Some(state)
}

/// Tells the new run what the old ones were told since.
fn reapply(txn: &mut Txn<'_, '_>, since: &[HistoryEvent], request: &ResetWorkflowExecutionRequest) {
    let excluded = |kind: Exclude| request.reset_reapply_exclude_types.contains(&kind.into());
    let signals = request.reset_reapply_type() != Reapply::None && !excluded(Exclude::Signal);
    for event in since {
        match &event.attributes {
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(a)) if signals => {
                txn.state.signals += 1;
                if !a.request_id.is_empty() {
                    txn.put_request_id(RequestKind::Signal, &a.request_id);
                }
                txn.add(HistoryEvent {
                    links: event.links.clone(),
                    attributes: event.attributes.clone(),
                    ..Default::default()
                });
            }
            _ => {}
        }
    }
}

impl<'a, 'c> Txn<'a, 'c> {
    /// Of a new run that begins with a state and the history that goes with it.
    fn reborn(
        rows: &'a dyn StateReader,
        cx: &'a mut Context<'c>,
        run: RunKey,
        proposal: ProposalId,
        mut state: ExecutionState,
        kept: Vec<HistoryEvent>,
    ) -> Self {
        let chunk = History { events: kept }.encode_to_vec();
        state.history_size = chunk.len() as i64;
        let mut txn = Txn::create(rows, cx, run, proposal, ExecutionInfo::clone(&state.info));
        txn.state = state;
        txn.write(Op::Put(RowKey::History { run: txn.run.clone(), first_event_id: 1 }, chunk.into()));
        txn
    }
}
