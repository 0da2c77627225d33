//! A message from another run's outbox arrives; `acknowledge.rs` is its twin at the sender.

use super::{
    call::{Call, Stop, VerbResult, unchanged},
    finish::finish,
    request_cancel_workflow, start_workflow,
};
use crate::{
    chain::{self, Start},
    checks::check_priority,
    child::{self, Lineage, PendingChild},
    command::Reply,
    id::SERVER_IDENTITY,
    key::RunKey,
    outbox::{Body, ChildRuns, ClosePolicy, OutboxMessage, Receipt, Target},
    proto::Encoded,
    row::{RequestKind, request_row},
    signal,
    state::ExecutionState,
    subject::{Subject, SubjectKind},
    transition::types::Refused,
    txn::Txn,
    workflow_task,
};
use std::sync::Arc;
use tenure_api::{
    error::Code,
    history::v1::HistoryEvent,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use uuid::Uuid;

const PARENT_CLOSED: &str = "by parent close policy";
const CANCELED_BY_SCHEDULE: &str = "cancelled by schedule overlap policy";
const TERMINATED_BY_SCHEDULE: &str = "terminated by schedule overlap policy";

/// Takes a message; the reply is the receipt. A message that was taken before changes nothing.
pub(super) fn run(call: Call<'_, '_>, from: &Subject, message: &OutboxMessage) -> VerbResult {
    match &message.body {
        Body::StartScheduled { request, .. } if from.lane.kind == SubjectKind::SCHEDULE => {
            return start_scheduled(call, request.decode(), &from.lane.id);
        }
        Body::EndScheduled { first_run_id, how, identity } if from.lane.kind == SubjectKind::SCHEDULE => {
            return end_scheduled(call, *first_run_id, *how, identity);
        }
        _ => {}
    }
    // All else that can be said to a workflow is said by a run.
    let Some(from) = &from.run() else { return receipt(Receipt::Refused) };
    match &message.body {
        Body::StartChild { request, lineage } => start_child(call, request.decode(), lineage),
        Body::Signal { target, request, .. } => receive_signal(call, from, *target, &request.decode()),
        Body::RequestCancel { initiated_event_id, target, request_id, reason } => {
            request_cancel(call, from, *initiated_event_id, *target, *request_id, reason)
        }
        Body::ParentClosed { initiated_event_id, policy } => parent_closed(call, from, *initiated_event_id, *policy),
        Body::ChildClosed { parent_run_id, initiated_event_id, child, event } => {
            child_closed(call, *parent_run_id, *initiated_event_id, *child, event)
        }
        Body::StartScheduled { .. } | Body::EndScheduled { .. } | Body::ScheduledClosed { .. } => {
            receipt(Receipt::Refused)
        }
    }
}

fn receipt(receipt: Receipt) -> VerbResult {
    Ok(unchanged(Reply::Received(receipt)))
}

fn done(txn: Txn<'_, '_>) -> VerbResult {
    Ok(finish(txn, Reply::Received(Receipt::Done)))
}

fn start_child(call: Call<'_, '_>, request: StartWorkflowExecutionRequest, lineage: &Lineage) -> VerbResult {
    // The parent's command was checked, so this is a fault of the server that sent it.
    let Ok(start) = Start::new(request) else { return receipt(Receipt::Refused) };
    started(start_workflow::start_child(call, &start, lineage))
}

fn start_scheduled(call: Call<'_, '_>, request: StartWorkflowExecutionRequest, schedule_id: &Arc<str>) -> VerbResult {
    // Not all of that was checked when the schedule was accepted.
    let well_formed = check_priority(request.priority.as_ref()).is_ok();
    let Some(start) = Start::new(request).ok().filter(|_| well_formed) else { return receipt(Receipt::Refused) };
    started(start_workflow::start_scheduled(call, &start, schedule_id))
}

fn end_scheduled(call: Call<'_, '_>, first_run_id: Uuid, how: ClosePolicy, identity: &str) -> VerbResult {
    let Some(run_id) = call.current_run()? else { return receipt(Receipt::Done) };
    let Some(state) = call.state(run_id)? else { return receipt(Receipt::Done) };
    let asked_before = how == ClosePolicy::RequestCancel && state.cancel_requested.is_some();
    if !state.is_running() || state.info.first_run_id != first_run_id || asked_before {
        return receipt(Receipt::Done);
    }
    let mut txn = call.open(Some(run_id))?;
    match how {
        ClosePolicy::RequestCancel => {
            let request_id = txn.cx.ids.uuid().to_string();
            request_cancel_workflow::request_cancel_by(&mut txn, &request_id, CANCELED_BY_SCHEDULE, identity);
        }
        ClosePolicy::Terminate => chain::terminate(&mut txn, TERMINATED_BY_SCHEDULE, None, identity, Vec::new()),
    }
    done(txn)
}

fn started(result: VerbResult) -> VerbResult {
    let translate = |reply| match reply {
        Reply::WorkflowStarted { run_id, .. } => Reply::Received(Receipt::Started { run_id }),
        _ => Reply::Received(Receipt::Refused),
    };
    match result {
        Ok(mut transition) => {
            transition.reply = translate(transition.reply);
            Ok(transition)
        }
        Err(Stop::Answered(reply)) => Ok(unchanged(translate(reply))),
        Err(Stop::Refused(Refused::Api(error))) if error.code == Code::AlreadyExists => receipt(Receipt::AlreadyExists),
        Err(Stop::Refused(Refused::Api(_))) => receipt(Receipt::Refused),
        Err(stop @ Stop::Refused(Refused::Read(_))) => Err(stop),
    }
}

/// Finds the run that a message is for. `None`: it is not there, or is no child of the sender's where it has to be, or
/// the sender and the receiver are one workflow.
fn find(call: &Call<'_, '_>, from: &RunKey, target: Target) -> Result<Option<(Uuid, Arc<ExecutionState>)>, Stop> {
    if from.workflow == *call.workflow {
        return Ok(None);
    }
    let run_id = match target.run_id {
        Some(run_id) => Some(run_id),
        None => call.current_run()?,
    };
    let Some(run_id) = run_id else { return Ok(None) };
    let Some(state) = call.state(run_id)? else { return Ok(None) };
    let is_child = state.info.lineage.as_ref().is_some_and(|lineage| lineage.parent == *from);
    Ok(Some((run_id, state)).filter(|_| is_child || !target.child_workflow_only))
}

fn receive_signal(
    call: Call<'_, '_>,
    from: &RunKey,
    target: Target,
    request: &SignalWorkflowExecutionRequest,
) -> VerbResult {
    if call.rows.get(&request_row(call.workflow, RequestKind::Signal, &request.request_id))?.is_some() {
        return receipt(Receipt::Done);
    }
    let Some((run_id, state)) = find(&call, from, target)? else { return receipt(Receipt::NotFound) };
    if !state.is_running() {
        // A child may have closed while its parent did not know.
        return receipt(if target.child_workflow_only { Receipt::Done } else { Receipt::NotFound });
    }
    // The sender tries again.
    workflow_task::refuse_while_closing(&state)?;
    let mut txn = call.open(Some(run_id))?;
    txn.put_request_id(RequestKind::Signal, &request.request_id);
    match signal::receive(&mut txn, request, Some(from)) {
        Ok(()) => done(txn),
        Err(_) => receipt(Receipt::TooManySignals),
    }
}

fn request_cancel(
    call: Call<'_, '_>,
    from: &RunKey,
    initiated_event_id: i64,
    target: Target,
    request_id: Uuid,
    reason: &str,
) -> VerbResult {
    let request_id = request_id.to_string();
    if call.rows.get(&request_row(call.workflow, RequestKind::Cancel, &request_id))?.is_some() {
        return receipt(Receipt::Done);
    }
    let Some((run_id, state)) = find(&call, from, target)? else { return receipt(Receipt::NotFound) };
    if !state.is_running() || state.cancel_requested.is_some() {
        return receipt(Receipt::Done);
    }
    let mut txn = call.open(Some(run_id))?;
    txn.put_request_id(RequestKind::Cancel, &request_id);
    request_cancel_workflow::request_cancel_for(&mut txn, &request_id, reason, from, initiated_event_id);
    done(txn)
}

fn parent_closed(call: Call<'_, '_>, from: &RunKey, initiated_event_id: i64, policy: ClosePolicy) -> VerbResult {
    let target = Target { run_id: None, child_workflow_only: true };
    let Some((run_id, state)) = find(&call, from, target)? else { return receipt(Receipt::Done) };
    let this_child = state.info.lineage.as_ref().is_some_and(|l| l.initiated_event_id == initiated_event_id);
    let asked_before = policy == ClosePolicy::RequestCancel && state.cancel_requested.is_some();
    if !state.is_running() || !this_child || asked_before {
        return receipt(Receipt::Done);
    }
    let mut txn = call.open(Some(run_id))?;
    match policy {
        ClosePolicy::RequestCancel => request_cancel_workflow::request_cancel_for(&mut txn, PARENT_CLOSED, "", from, 0),
        ClosePolicy::Terminate => {
            chain::terminate(&mut txn, PARENT_CLOSED, None, SERVER_IDENTITY, Vec::new());
        }
    }
    done(txn)
}

fn child_closed(
    call: Call<'_, '_>,
    parent_run_id: Uuid,
    initiated_event_id: i64,
    child: ChildRuns,
    event: &Encoded<HistoryEvent>,
) -> VerbResult {
    let Some(parent_run_id) = waiting_parent(&call, parent_run_id, initiated_event_id, child)? else {
        return receipt(Receipt::Done);
    };
    let mut txn = call.open(Some(parent_run_id))?;
    child::closed(&mut txn, initiated_event_id, child, event.decode())?;
    done(txn)
}

/// The run that waits for the child: its parent, or a run that a reset made of the parent and that knows the child.
fn waiting_parent(
    call: &Call<'_, '_>,
    parent_run_id: Uuid,
    initiated_event_id: i64,
    child: ChildRuns,
) -> Result<Option<Uuid>, Stop> {
    // Up to this event of theirs the runs looked at so far are the same.
    let (mut run_id, mut shared) = (parent_run_id, i64::MAX);
    while let Some(parent) = call.state(run_id)? {
        if run_id != parent_run_id {
            shared = shared.min(parent.reset.kept_to);
        }
        if parent.is_running() {
            let pending = parent.relations.children.get(initiated_event_id);
            let is_it = |pending: &PendingChild| match pending.started {
                Some(started) => started.run_id == child.first,
                None => initiated_event_id <= shared,
            };
            return Ok(pending.is_some_and(is_it).then_some(run_id));
        }
        let Some(next) = parent.reset.run_id else { break };
        run_id = next;
    }
    Ok(None)
}
