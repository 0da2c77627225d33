//! A run is reset: a new one with the same history up to a workflow task takes its place, and is told what came in
//! from outside since.

use super::{
    Call, Outcome, Stop, run_id_of,
    terminate_workflow::{end_task_by_force, terminated},
    update_workflow_options,
};
use crate::{
    activity, child,
    command::Reply,
    external,
    id::ProposalId,
    key::RunKey,
    options, replay,
    reset::Resets,
    rows::{Op, ReadError, RowKey, StateReader},
    state::{ExecutionInfo, ExecutionState},
    time::Timestamp,
    transition::{Context, Transition},
    txn::{self, RequestKind, Txn},
    update, workflow_task,
};
use prost::Message;
use std::sync::Arc;
use tenure_api::{
    enums::v1::{ResetReapplyExcludeType as Exclude, ResetReapplyType as Reapply},
    error::ApiError,
    history::v1::{History, HistoryEvent, history_event::Attributes},
    workflow::v1::{PostResetOperation, post_reset_operation::Variant},
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
    let (base, current_id) = runs(&call, request)?;
    let finish = request.workflow_task_finish_event_id;
    if finish <= 1 || finish > base.state.last_event_id() {
        let message = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
        return Err(ApiError::invalid_argument(message).into());
    }

    let Call { rows, cx, workflow, proposal } = call;
    let new = workflow.run(cx.ids.run_id(cx.now));
    let kept = history(rows, &base.run, 1, finish)?;
    let mut state =
        rebuild(&base.state, &kept, cx.now).ok_or_else(|| ApiError::invalid_argument(not_a_boundary(finish)))?;
    state.reset.request_id = Some(request.request_id.as_str().into());
    let mut chain = Chain::of(rows, &base.run, finish)?;
    let replaced = replace(rows, cx, &base, current_id, new.run_id, &request.reason, &mut chain)?;

    let run_id = new.run_id;
    let mut txn = Txn::reborn(rows, cx, new, proposal, state, kept.clone());
    for transition in replaced {
        txn.also(transition);
    }
    txn.put_request_id(RequestKind::Reset, &request.request_id);
    let starts: Vec<_> = txn.state.info.request_ids.iter().map(|start| start.request_id.clone()).collect();
    for request_id in starts {
        txn.put_request_id(RequestKind::Start, &request_id);
    }
    workflow_task::fail_for_reset(&mut txn, &request.reason, base.run.run_id);
    activity::make_all_ready(&mut txn);
    let base_id = base.run.run_id;
    reapply(&mut txn, &chain, base_id, request);
    child::reset::ask_again(&mut txn, &kept, base_id, kept.iter().chain(chain.of_run(base_id)));
    external::reset::ask_again(&mut txn, &kept);
    for operation in &request.post_reset_operations {
        operate(&mut txn, operation)?;
    }
    workflow_task::schedule_if_idle(&mut txn);
    Ok(txn.finish(Reply::WorkflowReset { run_id }))
}

/// The run that is reset.
struct Base {
    run: RunKey,
    state: Arc<ExecutionState>,
}

/// The run that is meant, and the current one.
fn runs(call: &Call<'_, '_>, request: &ResetWorkflowExecutionRequest) -> Result<(Base, Uuid), Stop> {
    let current_id = call.current_run()?;
    let asked = run_id_of(request.workflow_execution.as_ref())?;
    let not_found = || match asked {
        Some(run_id) => super::no_run(call.workflow, run_id),
        None => super::no_workflow(call.workflow),
    };
    let run_id = asked.or(current_id).ok_or_else(not_found)?;
    let state = call.state(run_id)?.ok_or_else(not_found)?;
    Ok((Base { run: call.workflow.run(run_id), state }, current_id.unwrap_or(run_id)))
}

/// What happened since the point, in the base run and in those that continued it.
struct Chain {
    since: Vec<(Uuid, HistoryEvent)>,
    last_run: Uuid,
}

impl Chain {
    fn of(rows: &dyn StateReader, base: &RunKey, from: i64) -> Result<Chain, ReadError> {
        let mut chain = Chain { since: Vec::new(), last_run: base.run_id };
        let mut events = history(rows, base, from, i64::MAX)?;
        loop {
            let next = events.last().and_then(next_run);
            chain.since.extend(events.into_iter().map(|event| (chain.last_run, event)));
            let Some(run_id) = next else { break };
            events = history(rows, &base.workflow.run(run_id), 1, i64::MAX)?;
            chain.last_run = run_id;
        }
        Ok(chain)
    }

    fn of_run(&self, run_id: Uuid) -> impl Iterator<Item = &HistoryEvent> {
        self.since.iter().filter(move |(of, _)| *of == run_id).map(|(_, event)| event)
    }
}

/// Ends the current run if it is running, and notes in the base run what took its place. What the current run was told
/// but has not in its history yet is told on if it belongs to the chain.
fn replace(
    rows: &dyn StateReader,
    cx: &mut Context<'_>,
    base: &Base,
    current_id: Uuid,
    new_id: Uuid,
    reason: &str,
    chain: &mut Chain,
) -> Result<Vec<Transition>, ReadError> {
    let mut replaced = Vec::new();
    let mut state = ExecutionState::clone(&base.state);
    state.reset.run_id = Some(new_id);
    let mut old = Txn::over(rows, cx, base.run.clone(), ProposalId::default(), Arc::new(state));
    if base.run.run_id != current_id {
        replaced.push(old.finish(Reply::Done));
        let run = base.run.workflow.run(current_id);
        let Some(current) = rows.execution(&run)? else { return Ok(replaced) };
        old = Txn::over(rows, cx, run, ProposalId::default(), current);
    }
    if old.state.is_running() {
        end_task_by_force(&mut old);
        let keeps_children = base.run.run_id == current_id;
        old.close_replaced(terminated(reason, None, RESETTER, Vec::new()), keeps_children);
    } else if base.run.run_id != current_id {
        return Ok(replaced);
    }
    if chain.last_run == current_id {
        chain.since.extend(old.events().iter().map(|event| (current_id, event.clone())));
    }
    replaced.push(old.finish(Reply::Done));
    Ok(replaced)
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
        request_id: None,
        kept_to: state.last_event_id(),
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

/// What the request wants done to the new run before its first task.
fn operate(txn: &mut Txn<'_, '_>, operation: &PostResetOperation) -> Result<(), ApiError> {
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

/// Tells the new run what the old ones were told since. Ids of events mean the same in the base run alone.
fn reapply(txn: &mut Txn<'_, '_>, chain: &Chain, base: Uuid, request: &ResetWorkflowExecutionRequest) {
    let excluded = |kind: Exclude| request.reset_reapply_exclude_types.contains(&kind.into());
    let signals = request.reset_reapply_type() != Reapply::None && !excluded(Exclude::Signal);
    let all = matches!(request.reset_reapply_type(), Reapply::Unspecified | Reapply::AllEligible);
    let updates = all && !excluded(Exclude::Update);
    for (run_id, event) in &chain.since {
        if *run_id == base {
            child::reset::retell(txn, event);
        }
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
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(_)) => {
                let (links, attributes) = (event.links.clone(), event.attributes.clone());
                let change = HistoryEvent { links, attributes, ..Default::default() };
                workflow_task::with_tasks_withdrawn(txn, |txn| options::change(txn, change));
            }
            _ if updates => update::reset::readmit(txn, event),
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
        let kept = History { events: kept };
        let chunk = kept.encode_to_vec();
        state.history_size = chunk.len() as i64;
        let mut txn = Txn::create(rows, cx, run, proposal, ExecutionInfo::clone(&state.info));
        txn.state = state;
        update::reset::keep_outcomes(&mut txn, &kept.events);
        txn.write(Op::Put(RowKey::History { run: txn.run.clone(), first_event_id: 1 }, chunk.into()));
        txn
    }
}
