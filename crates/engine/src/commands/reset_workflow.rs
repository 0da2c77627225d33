//! A run is reset: a new one with the same history up to a workflow task takes its place, and reapplies what came in from
//! outside since.

use super::{
    call::{Call, Stop, VerbResult, no_run, no_workflow},
    finish::finish,
    reset_history::{self, KeptHistory, LaterEvents, Reapplied, ReapplyFilter},
    update_workflow_options,
};
use crate::{
    activity,
    chain::{close_replaced, end_task_by_force, terminated},
    child,
    command::Reply,
    copy::HistoryCopy,
    id::ProposalId,
    info::ExecutionInfo,
    key::RunKey,
    options,
    reset::Resets,
    row::{RequestKind, request_row},
    rows::StateReader,
    state::ExecutionState,
    time::Timestamp,
    transition::types::{Context, Transition},
    txn::Txn,
    update, workflow_task,
};
use std::sync::Arc;
use tenure_api::{
    error::ApiError,
    history::v1::HistoryEvent,
    workflow::v1::{PostResetOperation, post_reset_operation::Variant},
    workflowservice::v1::ResetWorkflowExecutionRequest,
};
use uuid::Uuid;

/// The identity that terminates the run that is replaced.
const RESETTER: &str = "history-resetter";

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &ResetWorkflowExecutionRequest) -> VerbResult {
    let row = request_row(call.workflow, RequestKind::Reset, &request.request_id);
    if let Some(run_id) = call.rows.get(&row)?.and_then(|value| Uuid::from_slice(&value).ok()) {
        return Err(Stop::Answered(Reply::WorkflowReset { run_id }));
    }
    let (base, current_id) = runs(&call, run_id)?;
    let finish_event_id = request.workflow_task_finish_event_id;
    if finish_event_id <= 1 || finish_event_id > base.state.last_event_id() {
        let message = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
        return Err(ApiError::invalid_argument(message).into());
    }

    let Call { rows, cx, workflow, proposal } = call;
    let base_id = base.run.run_id;
    let filter = ReapplyFilter::of(request, base_id);
    let boundary = || ApiError::invalid_argument(not_a_boundary(finish_event_id));
    let (kept, mut later) = reset_history::read(rows, &base.run, &base.state, finish_event_id, filter, boundary)?;
    let KeptHistory { state, size, outcomes, children, external } = kept;
    let mut state = state.ok_or_else(boundary)?;
    begin_anew(&mut state, &base.state, cx.now);
    state.history_size = size;
    state.reset.request_id = Some(request.request_id.as_str().into());
    let new = workflow.run(cx.ids.run_id(cx.now));
    let replaced = replace(rows, cx, &base, current_id, new.run_id, &request.reason, &mut later)?;

    let run_id = new.run_id;
    let copy = HistoryCopy { from: base.run.clone(), before: finish_event_id, to: new.clone() };
    let mut txn = Txn::create(rows, cx, new, proposal, ExecutionInfo::clone(&state.info));
    txn.state = state;
    txn.begin_with(copy);
    outcomes.write(&mut txn);
    for transition in replaced {
        txn.add_other_run(transition);
    }
    txn.put_request_id(RequestKind::Reset, &request.request_id);
    let starts: Vec<_> = txn.state.info.request_ids.iter().map(|start| start.request_id.clone()).collect();
    for request_id in starts {
        txn.put_request_id(RequestKind::Start, &request_id);
    }
    workflow_task::fail_for_reset(&mut txn, &request.reason, base_id);
    activity::make_all_ready(&mut txn);
    reapply(&mut txn, later);
    children.send_again(&mut txn, base_id);
    external.send_again(&mut txn);
    for operation in &request.post_reset_operations {
        apply_operation(&mut txn, operation)?;
    }
    workflow_task::schedule_if_idle(&mut txn);
    Ok(finish(txn, Reply::WorkflowReset { run_id }))
}

/// The run that is reset.
struct Base {
    run: RunKey,
    state: Arc<ExecutionState>,
}

/// The run that the request means, and the id of the current one.
fn runs(call: &Call<'_, '_>, asked: Option<Uuid>) -> Result<(Base, Uuid), Stop> {
    let current_id = call.current_run()?;
    let not_found = || match asked {
        Some(run_id) => no_run(call.workflow, run_id),
        None => no_workflow(call.workflow),
    };
    let run_id = asked.or(current_id).ok_or_else(not_found)?;
    let state = call.state(run_id)?.ok_or_else(not_found)?;
    Ok((Base { run: call.workflow.run(run_id), state }, current_id.unwrap_or(run_id)))
}

/// Ends the current run if it is running, and records in the base run what took its place. Events that this adds to the
/// current run are reapplied in the new one if the current run belongs to the chain.
fn replace(
    rows: &dyn StateReader,
    cx: &mut Context<'_>,
    base: &Base,
    current_id: Uuid,
    new_id: Uuid,
    reason: &str,
    later: &mut LaterEvents,
) -> Result<Vec<Transition>, Stop> {
    let mut replaced = Vec::new();
    let mut state = ExecutionState::clone(&base.state);
    state.reset.run_id = Some(new_id);
    let mut old = Txn::open(rows, cx, base.run.clone(), ProposalId::default(), Arc::new(state));
    if base.run.run_id != current_id {
        replaced.push(finish(old, Reply::Done));
        let run = base.run.workflow.run(current_id);
        let Some(current) = rows.execution(&run)? else { return Ok(replaced) };
        old = Txn::open(rows, cx, run, ProposalId::default(), current);
    }
    if old.state.is_running() {
        end_task_by_force(&mut old);
        let keeps_children = base.run.run_id == current_id;
        close_replaced(&mut old, terminated(reason, None, RESETTER, Vec::new()), keeps_children);
    } else if base.run.run_id != current_id {
        return Ok(replaced);
    }
    if later.last_run == current_id {
        for event in old.events() {
            later.take(current_id, event.clone())?;
        }
    }
    replaced.push(finish(old, Reply::Done));
    Ok(replaced)
}

/// The reference server's message for an event that is no boundary.
fn not_a_boundary(finish: i64) -> String {
    format!(
        "StateRebuilder unable to Rebuild mutable state to event ID: {}, version: 0, this event must be at the boundary",
        finish - 1
    )
}

/// Turns the state after the kept events into that of a run which begins now.
fn begin_anew(state: &mut ExecutionState, base: &ExecutionState, now: Timestamp) {
    state.reset = Resets {
        run_id: None,
        request_id: None,
        kept_to: state.last_event_id(),
        at: Some(now),
        original_started_at: Some(base.reset.original_started_at.unwrap_or(base.info.started_at)),
    };
    // The rebuilding counts too.
    state.transitions = 1;
    let info = &mut *state.info;
    info.started_at = now;
    info.execution_at = now;
    info.run_expires_at = info.run_timeout.map(|timeout| now.plus(timeout));
    info.execution_expires_at = info.execution_timeout.map(|timeout| now.plus(timeout));
}

/// Applies a post-reset operation of the request to the new run before its first task.
fn apply_operation(txn: &mut Txn<'_, '_>, operation: &PostResetOperation) -> Result<(), ApiError> {
    let refused = |what: &str| ApiError::invalid_argument(format!("unsupported post reset operation: {what}"));
    match &operation.variant {
        Some(Variant::UpdateWorkflowOptions(update)) => {
            let wanted = update.workflow_execution_options.clone().unwrap_or_default();
            update_workflow_options::update(txn, wanted, update.update_mask.as_ref(), "").map(drop)
        }
        Some(Variant::SignalWorkflow(_)) => Err(refused("*workflow.PostResetOperation_SignalWorkflow_")),
        None => Err(refused("<nil>")),
    }
}

/// Reapplies in the new run the events of the old ones since the reset point.
fn reapply(txn: &mut Txn<'_, '_>, later: LaterEvents) {
    for event in later.events {
        match event.attributes.as_ref().and_then(Reapplied::of) {
            Some(Reapplied::Signal(request_id)) => {
                txn.state.signals += 1;
                if !request_id.is_empty() {
                    txn.put_request_id(RequestKind::Signal, request_id);
                }
                txn.add(HistoryEvent { links: event.links, attributes: event.attributes, ..Default::default() });
            }
            Some(Reapplied::Options) => {
                let (links, attributes) = (event.links, event.attributes);
                let change = HistoryEvent { links, attributes, ..Default::default() };
                options::with_tasks_withdrawn(txn, |txn| options::change(txn, change));
            }
            Some(Reapplied::Update(request)) => update::reset::readmit(txn, request.cloned()),
            Some(Reapplied::Child) => child::reset::reapply(txn, &event),
            None => {}
        }
    }
}
