//! The workflow command that starts a child: its checks, its defaults, its event, its message.

use super::state::{Execution, Lineage, PendingChild};
use crate::{
    bad_command::BadCommand,
    chain::{cron, timeouts::Timeouts},
    checks::{check_namespace, check_priority, check_queue, check_search_attribute_names, check_search_attributes},
    key::WorkflowKey,
    outbox::{Body, OutboxMessage},
    proto::Encoded,
    retry::RetryPolicy,
    search_attributes::with_values,
    txn::Txn,
    workflow_task::CompletedTask,
};
use prost::Message;
use tenure_api::{
    command::v1::StartChildWorkflowExecutionCommandAttributes,
    common::v1::Priority,
    enums::v1::{ParentClosePolicy, WorkflowIdReusePolicy, WorkflowTaskFailedCause as Cause},
    history::v1::{HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes},
    sdk::v1::UserMetadata,
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflowservice::v1::StartWorkflowExecutionRequest,
};
use uuid::Uuid;

const CAUSE: Cause = Cause::BadStartChildExecutionAttributes;
const COMMAND: &str = "StartChildWorkflowExecutionCommand";

/// Applies the workflow command `StartChildWorkflowExecution`.
pub(crate) fn start(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    mut command: StartChildWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    let bad = |message: String| BadCommand::new(CAUSE, message);
    check_namespace(&txn.state.info.namespace, CAUSE, &command.namespace)?;
    command.namespace = txn.state.info.namespace.to_string();
    check_search_attribute_names(
        txn.cx.search_attributes,
        &txn.state.info.namespace,
        command.search_attributes.as_ref(),
    )?;
    with_queue(txn, &mut command);
    let limits = txn.limits();
    let options = ChildOptions::check(&command, limits.id_length).map_err(bad)?;
    check_attributes(txn, &mut command)?;
    if command.input.as_ref().is_some_and(|input| input.encoded_len() > limits.blob_size) {
        // The blank is the reference server's.
        return Err(bad("StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.".into()).terminating());
    }
    if command.memo.as_ref().is_some_and(|memo| memo.encoded_len() > limits.memo_size) {
        return Err(bad("StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.".into()).terminating());
    }
    let pending = txn.state.relations.children.len();
    if pending >= limits.pending_children {
        let limit = limits.pending_children;
        let what = "child workflow executions";
        let message = format!("the number of pending {what}, {pending}, has reached the per-workflow limit of {limit}");
        return Err(BadCommand::new(Cause::PendingChildWorkflowsLimitExceeded, message));
    }

    let event = initiated_event(txn, task, &command, &options);
    let id = txn.add(HistoryEvent {
        user_metadata: user_metadata.clone(),
        attributes: Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(event.clone())),
        ..Default::default()
    });
    txn.state.relations.children.insert(id, PendingChild::initiated(&event));
    let by = txn.run.run_id;
    send(txn, by, id, event, user_metadata);
    Ok(())
}

/// Sends the request to start the child that the event describes. `by`: the run that wrote the event.
pub(super) fn send(
    txn: &mut Txn<'_, '_>,
    by: Uuid,
    initiated_event_id: i64,
    initiated: StartChildWorkflowExecutionInitiatedEventAttributes,
    user_metadata: Option<UserMetadata>,
) {
    let workflow_id = initiated.workflow_id.as_str().into();
    let to = WorkflowKey { namespace: txn.run.workflow.namespace, workflow_id };
    // The version of the event is always zero: there is one cluster.
    let request_id = format!("{by}:{initiated_event_id}:0");
    let request = Encoded::of(&request(txn, request_id, initiated, user_metadata));
    let lineage = lineage(txn, initiated_event_id);
    txn.send(OutboxMessage { to: to.into(), body: Body::StartChild { request, lineage } });
}

fn check_attributes(
    txn: &Txn<'_, '_>,
    command: &mut StartChildWorkflowExecutionCommandAttributes,
) -> Result<(), BadCommand> {
    let Some(mut given) = command.search_attributes.take() else { return Ok(()) };
    let context = || {
        let workflow_type = command.workflow_type.as_ref().map_or("", |t| &t.name);
        format!("WorkflowId={} WorkflowType={workflow_type} Namespace={}", command.workflow_id, command.namespace)
    };
    check_search_attributes(txn.cx.search_attributes, &txn.state.info.namespace, CAUSE, &mut given, |problem| {
        // Without the "Execution" that the command's name has elsewhere.
        format!("invalid SearchAttributes on StartChildWorkflowCommand: {problem}. {}", context())
    })?;
    command.search_attributes = with_values(Some(given));
    Ok(())
}

/// Fills in the task queue: a child without one runs on its parent's.
fn with_queue(txn: &Txn<'_, '_>, command: &mut StartChildWorkflowExecutionCommandAttributes) {
    let queue = command.task_queue.get_or_insert_with(TaskQueue::default);
    if queue.name.is_empty() {
        queue.name = txn.state.info.task_queue.to_string();
    }
}

/// The checked options, with defaults filled in.
struct ChildOptions {
    timeouts: Timeouts,
    retry: Option<RetryPolicy>,
    task_queue: TaskQueue,
}

impl ChildOptions {
    /// Checks the command and fills in its options. The error is the reference server's message.
    fn check(command: &StartChildWorkflowExecutionCommandAttributes, limit: usize) -> Result<ChildOptions, String> {
        let namespace = &command.namespace;
        let id = &command.workflow_id;
        let workflow_type = command.workflow_type.as_ref().map_or("", |t| &t.name);
        if id.is_empty() {
            return Err(format!(
                "Required field WorkflowId is not set on {COMMAND}. WorkflowType={workflow_type} Namespace={namespace}"
            ));
        }
        if workflow_type.is_empty() {
            return Err(format!(
                "Required field WorkflowType is not set on {COMMAND}. WorkflowId={id} Namespace={namespace}"
            ));
        }
        if id.len() > limit {
            return Err(format!(
                "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={id} Length={} Limit={limit} \
                 WorkflowType={workflow_type} Namespace={namespace}",
                id.len()
            ));
        }
        if workflow_type.len() > limit {
            return Err(format!(
                "WorkflowType on {COMMAND} exceeds length limit. WorkflowId={id} WorkflowType={workflow_type} \
                 Length={} Limit={limit} Namespace={namespace}",
                workflow_type.len()
            ));
        }
        let context = format!("WorkflowId={id} WorkflowType={workflow_type} Namespace={namespace}");
        let timeouts = Timeouts::check(
            command.workflow_execution_timeout.as_ref(),
            command.workflow_run_timeout.as_ref(),
            command.workflow_task_timeout.as_ref(),
        )
        .map_err(|(name, error)| format!("Invalid {name} on {COMMAND}: {error}. {context}"))?;
        let retry = command.retry_policy.as_ref().map(RetryPolicy::new).transpose();
        let retry = retry.map_err(|error| format!("invalid WorkflowRetryPolicy on {COMMAND}: {error}. {context}"))?;
        cron::check(&command.cron_schedule)
            .map_err(|error| format!("invalid CronSchedule on {COMMAND}: {error}. {context}"))?;
        check_priority(command.priority.as_ref())?;
        let task_queue = check_queue(command.task_queue.as_ref(), limit).map_err(|error| {
            let name = command.task_queue.as_ref().map_or("", |queue| &queue.name);
            let queue = format!("name:\"{name}\"  kind:TASK_QUEUE_KIND_NORMAL");
            format!("invalid TaskQueue on {COMMAND}: {error}. {context} TaskQueue={queue}")
        })?;
        Ok(ChildOptions { timeouts, retry, task_queue })
    }
}

fn initiated_event(
    txn: &Txn<'_, '_>,
    task: &CompletedTask,
    command: &StartChildWorkflowExecutionCommandAttributes,
    options: &ChildOptions,
) -> StartChildWorkflowExecutionInitiatedEventAttributes {
    let reuse = match command.workflow_id_reuse_policy {
        unset if unset == WorkflowIdReusePolicy::Unspecified as i32 => WorkflowIdReusePolicy::AllowDuplicate.into(),
        policy => policy,
    };
    StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: command.namespace.clone(),
        namespace_id: txn.run.workflow.namespace.to_string(),
        workflow_id: command.workflow_id.clone(),
        workflow_type: command.workflow_type.clone(),
        task_queue: Some(options.task_queue.clone()),
        input: command.input.clone(),
        workflow_execution_timeout: options.timeouts.execution.map(duration_to_proto),
        workflow_run_timeout: Some(duration_to_proto(options.timeouts.run.unwrap_or_default())),
        workflow_task_timeout: Some(duration_to_proto(options.timeouts.task)),
        parent_close_policy: close_policy(command.parent_close_policy),
        control: command.control.clone(),
        workflow_task_completed_event_id: task.completed_event_id,
        workflow_id_reuse_policy: reuse,
        retry_policy: options.retry.as_ref().map(RetryPolicy::to_proto),
        cron_schedule: command.cron_schedule.clone(),
        header: command.header.clone(),
        memo: command.memo.clone(),
        search_attributes: command.search_attributes.clone(),
        inherit_build_id: command.inherit_build_id,
        priority: command.priority.clone(),
        ..Default::default()
    }
}

/// The request that starts the child. Its id is the same however often the message is sent.
fn request(
    txn: &Txn<'_, '_>,
    request_id: String,
    event: StartChildWorkflowExecutionInitiatedEventAttributes,
    user_metadata: Option<UserMetadata>,
) -> StartWorkflowExecutionRequest {
    let inherited = txn.state.info.priority.as_ref().map(Encoded::decode);
    StartWorkflowExecutionRequest {
        namespace: event.namespace,
        workflow_id: event.workflow_id,
        workflow_type: event.workflow_type,
        task_queue: event.task_queue,
        input: event.input,
        workflow_execution_timeout: event.workflow_execution_timeout,
        workflow_run_timeout: event.workflow_run_timeout,
        workflow_task_timeout: event.workflow_task_timeout,
        request_id,
        workflow_id_reuse_policy: event.workflow_id_reuse_policy,
        retry_policy: event.retry_policy,
        cron_schedule: event.cron_schedule,
        memo: event.memo,
        search_attributes: event.search_attributes,
        header: event.header,
        user_metadata,
        priority: merge(inherited, event.priority),
        ..Default::default()
    }
}

/// The child's priority; fields that it does not set come from the parent's.
fn merge(parent: Option<Priority>, own: Option<Priority>) -> Option<Priority> {
    let (parent, own) = match (parent, own) {
        (Some(parent), Some(own)) => (parent, own),
        (parent, own) => return own.or(parent),
    };
    Some(Priority {
        priority_key: if own.priority_key == 0 { parent.priority_key } else { own.priority_key },
        fairness_key: if own.fairness_key.is_empty() { parent.fairness_key } else { own.fairness_key },
        fairness_weight: if own.fairness_weight == 0.0 { parent.fairness_weight } else { own.fairness_weight },
    })
}

fn lineage(txn: &Txn<'_, '_>, initiated_event_id: i64) -> Lineage {
    let root = match &txn.state.info.lineage {
        Some(lineage) => lineage.root.clone(),
        None => Execution::of(&txn.run),
    };
    let parent_namespace = txn.state.info.namespace.clone();
    Lineage { parent: txn.run.clone(), parent_namespace, initiated_event_id, root }
}

/// The policy with its default filled in, which is to terminate. An unknown one stays, and leaves the child alone.
fn close_policy(policy: i32) -> i32 {
    match ParentClosePolicy::try_from(policy) {
        Ok(ParentClosePolicy::Unspecified) => ParentClosePolicy::Terminate.into(),
        Ok(ParentClosePolicy::Terminate | ParentClosePolicy::Abandon | ParentClosePolicy::RequestCancel) | Err(_) => {
            policy
        }
    }
}
