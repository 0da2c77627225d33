//! A signal for the running workflow, or for one that is started for it.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish,
    signal_workflow, start_workflow,
};
use crate::{
    chain::{NewRun, Start},
    rows::ReadError,
    signal,
    txn::Txn,
    workflow_task,
};
use std::sync::Arc;
use tenure_api::{
    enums::v1::WorkflowIdConflictPolicy as Conflict,
    history::v1::WorkflowExecutionSignaledEventAttributes,
    workflowservice::v1::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, asked: &Start<SignalWithStartWorkflowExecutionRequest>) -> VerbResult {
    let request = &asked.request;
    let start = &Start { request: Arc::new(start_request(request)), options: asked.options.clone() };
    let received = WorkflowExecutionSignaledEventAttributes {
        signal_name: request.signal_name.clone(),
        input: request.signal_input.clone(),
        identity: request.identity.clone(),
        header: request.header.clone(),
        request_id: request.request_id.clone(),
        ..Default::default()
    };
    let run_id = call.cx.ids.run_id(call.cx.now);
    let new = start_workflow::new_run(start, call.cx.now, run_id);
    let new = NewRun { signal: Some(received.clone()), ..new };
    if let Some(before) = signalled_before(&call, &request.request_id)? {
        return Err(before);
    }
    let Some(current_id) = call.current_run()? else { return Ok(start_workflow::start(call, new)) };
    let Some(current) = call.state(current_id)? else { return Ok(start_workflow::start(call, new)) };
    if !current.is_running() {
        start_workflow::may_follow(start, current_id, &current)?;
        return Ok(start_workflow::start(call, new));
    }
    if start.options.policies.conflict() == Conflict::TerminateExisting {
        return Ok(start_workflow::replace(call, new, current_id, current));
    }
    let mut txn = call.open(Some(current_id))?;
    signal::may_receive(&txn)?;
    signal::record(&mut txn, received, request.links.clone());
    end_backoff(&mut txn);
    workflow_task::schedule_if_idle(&mut txn);
    Ok(finish(txn, start_workflow::reply(current_id, &current, false)))
}

/// Ends the delay before the first task: unlike other signals, this one does not wait for it.
fn end_backoff(txn: &mut Txn<'_, '_>) {
    txn.state.workflow_task.first_at = None;
}

/// The answer to an earlier request with this id, if it was this one, or if the chain of runs that it signalled goes
/// on; otherwise this one starts a new chain.
fn signalled_before(call: &Call<'_, '_>, request_id: &str) -> Result<Option<Stop>, Stop> {
    let Some(received) = signal_workflow::received(call, request_id)? else { return Ok(None) };
    let run_id = received.run_id;
    let Some(state) = call.state(run_id)? else { return Ok(None) };
    if !received.tried_again && !chain_is_running(call, run_id)? {
        return Ok(None);
    }
    Ok(Some(Stop::Answered(start_workflow::reply(run_id, &state, false))))
}

/// Whether the run belongs to the chain that is running now.
fn chain_is_running(call: &Call<'_, '_>, run_id: Uuid) -> Result<bool, ReadError> {
    let Some(current) = call.current_run()? else { return Ok(false) };
    let runs = call.state(current)?.is_some_and(|state| state.is_running());
    Ok(runs && signal_workflow::in_same_chain(call, run_id, current)?)
}

/// The request that starts the run where there is none.
pub(crate) fn start_request(request: &SignalWithStartWorkflowExecutionRequest) -> StartWorkflowExecutionRequest {
    let request = request.clone();
    StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links,
        versioning_override: request.versioning_override,
        priority: request.priority,
        time_skipping_config: request.time_skipping_config,
        ..Default::default()
    }
}
