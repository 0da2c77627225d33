//! A start: a new run, the one that is there, or a refusal, by request id, reuse policy and conflict policy.

use super::{
    call::{Call, Stop, VerbResult},
    finish::{finish, finish_remembered},
};
use crate::{
    chain::{self, NewRun, Start, StartOptions},
    child::Lineage,
    command::{Reply, WorkflowTaskStarted},
    id::{ProposalId, SERVER_IDENTITY},
    options,
    proposals::ProposalResult,
    retry::RetryPolicy,
    row::{RequestKind, request_row},
    search_attributes::with_values,
    state::ExecutionState,
    time::Timestamp,
    transition::types::Transition,
    txn::Txn,
    workflow_task::describe_started,
};
use bytes::Bytes;
use std::sync::Arc;
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::{
        TaskQueueKind, WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy as Conflict,
        WorkflowIdReusePolicy as Reuse,
    },
    error::{ApiError, Code},
    errordetails::v1::WorkflowExecutionAlreadyStartedFailure,
    history::v1::{
        HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionStartedEventAttributes,
        history_event::Attributes,
    },
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflowservice::v1::StartWorkflowExecutionRequest,
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, start: &Start) -> VerbResult {
    run_for(call, start, |_| ())
}

/// Starts a child.
pub(crate) fn start_child(call: Call<'_, '_>, start: &Start, lineage: &Lineage) -> VerbResult {
    run_for(call, start, |new| lineage.write(&mut new.started))
}

/// Starts a workflow on behalf of a schedule.
pub(super) fn start_scheduled(call: Call<'_, '_>, start: &Start, schedule_id: &Arc<str>) -> VerbResult {
    run_for(call, start, |new| new.scheduled_by = Some(schedule_id.clone()))
}

fn run_for(call: Call<'_, '_>, asked: &Start, complete: impl FnOnce(&mut NewRun)) -> VerbResult {
    let request = &asked.request;
    let run_id = call.cx.ids.run_id(call.cx.now);
    let mut new = new_run(asked, call.cx.now, run_id);
    complete(&mut new);
    if let Some(before) = started_before(&call, &request.request_id, request.request_eager_execution)? {
        return Err(Stop::Answered(before));
    }
    let Some(current_id) = call.current_run()? else { return Ok(start(call, new)) };
    let Some(current) = call.state(current_id)? else { return Ok(start(call, new)) };
    if !current.is_running() {
        may_follow(asked, current_id, &current)?;
        return Ok(start(call, new));
    }
    match asked.options.policies.conflict() {
        Conflict::UseExisting => use_existing(call, request, current_id, &current),
        Conflict::TerminateExisting => Ok(replace(call, new, current_id, current)),
        Conflict::Fail | Conflict::Unspecified => {
            let message = format!(
                "Workflow execution is already running. WorkflowId: {}, RunId: {current_id}.",
                request.workflow_id
            );
            Err(already_started(message, current_id, &current).into())
        }
    }
}

/// The run that a start describes.
pub(super) fn new_run(start: &Start, now: Timestamp, run_id: Uuid) -> NewRun {
    let Start { request, options: StartOptions { timeouts, delay, retry, cron, .. } } = start;
    debug_assert!(!request.request_id.is_empty(), "a start is known again by its id");
    let task_queue = request.task_queue.as_ref().map(|queue| TaskQueue {
        name: queue.name.clone(),
        kind: match queue.kind() {
            TaskQueueKind::Sticky => TaskQueueKind::Sticky.into(),
            TaskQueueKind::Normal | TaskQueueKind::Unspecified | TaskQueueKind::WorkerCommands => {
                TaskQueueKind::Normal.into()
            }
        },
        ..Default::default()
    });
    let started = WorkflowExecutionStartedEventAttributes {
        workflow_type: request.workflow_type.clone(),
        task_queue,
        input: request.input.clone(),
        workflow_execution_timeout: timeouts.execution.map(duration_to_proto),
        workflow_run_timeout: timeouts.run.map(duration_to_proto),
        workflow_task_timeout: Some(duration_to_proto(timeouts.task)),
        workflow_execution_expiration_time: timeouts.execution.map(|timeout| now.plus(timeout).to_millis().to_proto()),
        identity: request.identity.clone(),
        retry_policy: retry.as_ref().map(RetryPolicy::to_proto),
        first_workflow_task_backoff: Some(duration_to_proto(*delay)),
        continued_failure: request.continued_failure.clone(),
        last_completion_result: request.last_completion_result.clone(),
        memo: request.memo.clone(),
        search_attributes: with_values(request.search_attributes.clone()),
        header: request.header.clone(),
        priority: request.priority.clone(),
        ..Default::default()
    };
    let mut new = NewRun {
        namespace: request.namespace.as_str().into(),
        run_id,
        request_id: request.request_id.clone(),
        started,
        user_metadata: request.user_metadata.clone(),
        links: request.links.clone(),
        signal: None,
        scheduled_by: None,
    };
    if let Some(schedule) = cron {
        new.set_cron(&request.cron_schedule, schedule, now);
    }
    if request.request_eager_execution {
        new.accept_eager_execution();
    }
    new
}

/// The reply to an earlier start with this request id. It has the first task as long as that is running, since an eager
/// caller may have missed it.
fn started_before(call: &Call<'_, '_>, request_id: &str, eager: bool) -> Result<Option<Reply>, Stop> {
    let row = request_row(call.workflow, RequestKind::Start, request_id);
    let Some(run_id) = call.rows.get(&row)?.and_then(|value| Uuid::from_slice(&value).ok()) else { return Ok(None) };
    let Some(state) = call.state(run_id)? else { return Ok(None) };
    let started = state.info.request_ids.first().is_some_and(|start| *start.request_id == *request_id);
    let is_first = state.workflow_task.attempt == 1 && state.workflow_task.last_completed_started_event_id == 0;
    let first = describe_started(&call.workflow.run(run_id), &state).filter(|_| started && eager && is_first);
    let attached = state.info.request_ids.iter().skip(1).any(|request| *request.request_id == *request_id);
    let (first_run_id, status, task) = (state.info.first_run_id, state.status().into(), first.map(Box::new));
    Ok(Some(Reply::WorkflowStarted { run_id, first_run_id, started, attached, status, task }))
}

/// Checks that a new run may follow the closed one, by the reuse policy.
pub(super) fn may_follow(start: &Start, closed_id: Uuid, closed: &ExecutionState) -> Result<(), ApiError> {
    let (how, policy) = match start.options.policies.reuse() {
        Reuse::Unspecified | Reuse::AllowDuplicate | Reuse::TerminateIfRunning => return Ok(()),
        Reuse::AllowDuplicateFailedOnly if closed.status() != Status::Completed => return Ok(()),
        Reuse::AllowDuplicateFailedOnly => (" successfully", "allow duplicate workflow Id if last run failed"),
        Reuse::RejectDuplicate => ("", "reject duplicate workflow Id"),
    };
    let message = format!(
        "Workflow execution already finished{how}. WorkflowId: {}, RunId: {closed_id}. Workflow Id reuse policy: \
         {policy}.",
        start.request.workflow_id
    );
    Err(already_started(message, closed_id, closed))
}

fn already_started(message: String, run_id: Uuid, state: &ExecutionState) -> ApiError {
    ApiError::new(Code::AlreadyExists, message).with_detail(&WorkflowExecutionAlreadyStartedFailure {
        start_request_id: state.info.request_ids.first().map(|r| r.request_id.to_string()).unwrap_or_default(),
        run_id: run_id.to_string(),
        first_execution_run_id: state.info.first_run_id.to_string(),
    })
}

/// Answers with the running run, which may record the request's id and links.
fn use_existing(
    call: Call<'_, '_>,
    request: &StartWorkflowExecutionRequest,
    run_id: Uuid,
    current: &ExecutionState,
) -> VerbResult {
    let Some(wanted) = request.on_conflict_options else {
        return Err(Stop::Answered(reply(run_id, current, false)));
    };
    let mut txn = call.open(Some(run_id))?;
    let attached = wanted.attach_request_id;
    let attributes = WorkflowExecutionOptionsUpdatedEventAttributes {
        attached_request_id: if attached { request.request_id.clone() } else { String::new() },
        ..Default::default()
    };
    let event = HistoryEvent {
        links: if wanted.attach_links { request.links.clone() } else { Vec::new() },
        attributes: Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes)),
        ..Default::default()
    };
    options::change(&mut txn, event);
    Ok(finish_remembered(txn, ProposalResult::FoundRunning { attached }))
}

/// Terminates the running run and starts the new one, in one entry.
pub(super) fn replace(call: Call<'_, '_>, new: NewRun, current_id: Uuid, current: Arc<ExecutionState>) -> Transition {
    let mut old = Txn::open(call.rows, call.cx, call.workflow.run(current_id), ProposalId::default(), current);
    let details = json(&format!("terminated by new runID: {}", new.run_id));
    let reason = "TerminateIfRunning WorkflowIdReusePolicy";
    chain::terminate(&mut old, reason, Some(details), SERVER_IDENTITY, Vec::new());
    let run_id = new.run_id;
    let task = chain::start_next(&mut old, new);
    finish(old, started(run_id, task))
}

/// A string in the encoding that SDKs use.
fn json(text: &str) -> Payloads {
    let metadata = [("encoding".to_owned(), Bytes::from_static(b"json/plain"))].into();
    let data = format!("\"{text}\"").into();
    Payloads { payloads: vec![Payload { metadata, data, ..Default::default() }] }
}

pub(super) fn start(call: Call<'_, '_>, new: NewRun) -> Transition {
    let (run_id, eager) = (new.run_id, new.eager_poll(call.cx.origin));
    let mut txn = new.create(call.rows, call.cx, call.workflow, call.proposal);
    let task = chain::begin(&mut txn, eager.as_ref());
    finish(txn, started(run_id, task))
}

fn started(run_id: Uuid, task: Option<Box<WorkflowTaskStarted>>) -> Reply {
    Reply::WorkflowStarted {
        run_id,
        first_run_id: run_id,
        started: true,
        attached: false,
        status: Status::Running.into(),
        task,
    }
}

/// The reply about a run that was there before.
pub(super) fn reply(run_id: Uuid, state: &ExecutionState, started: bool) -> Reply {
    let (first_run_id, status) = (state.info.first_run_id, state.status().into());
    Reply::WorkflowStarted { run_id, first_run_id, started, attached: false, status, task: None }
}
