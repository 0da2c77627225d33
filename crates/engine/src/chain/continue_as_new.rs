//! The workflow command that ends a run and lets another one go on in its place.

use super::{end::close, new_run::NewRun, successor::successor, timeouts::Timeouts};
use crate::{
    bad_command::BadCommand,
    checks::{check_blob, check_queue_name, check_search_attribute_names, check_search_attributes},
    info::ExecutionInfo,
    limits::Limits,
    retry::RetryPolicy,
    search_attributes::with_values,
    txn::Txn,
    workflow_task::CompletedTask,
};
use prost::Message;
use std::time::Duration;
use tenure_api::{
    command::v1::ContinueAsNewWorkflowExecutionCommandAttributes,
    common::v1::WorkflowType,
    enums::v1::{ContinueAsNewInitiator as Initiator, TaskQueueKind, WorkflowTaskFailedCause as Cause},
    history::v1::{HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes, history_event::Attributes},
    sdk::v1::UserMetadata,
    taskqueue::v1::TaskQueue,
    time::{duration_to_proto, optional_duration},
};

pub(crate) fn continue_as_new(
    txn: &mut Txn<'_, '_>,
    task: &CompletedTask,
    mut command: ContinueAsNewWorkflowExecutionCommandAttributes,
    user_metadata: Option<UserMetadata>,
) -> Result<(), BadCommand> {
    task.check_all_seen()?;
    check_search_attribute_names(
        txn.cx.search_attributes,
        &txn.state.info.namespace,
        command.search_attributes.as_ref(),
    )?;
    let plan = Plan::new(&command, &txn.state.info, txn.limits())?;
    check_attributes(txn, &plan, &mut command)?;
    check_sizes(&command, txn.limits())?;
    let next = new_run(txn, &command, &plan);
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: next.run_id.to_string(),
        workflow_type: Some(plan.workflow_type),
        task_queue: Some(plan.task_queue),
        input: command.input,
        workflow_run_timeout: Some(duration_to_proto(plan.timeouts.run.unwrap_or_default())),
        workflow_task_timeout: Some(duration_to_proto(plan.timeouts.task)),
        workflow_task_completed_event_id: task.completed_event_id,
        backoff_start_interval: command.backoff_start_interval,
        initiator: command.initiator,
        failure: command.failure,
        last_completion_result: command.last_completion_result,
        header: command.header,
        memo: command.memo,
        search_attributes: command.search_attributes,
        inherit_build_id: command.inherit_build_id,
        initial_versioning_behavior: command.initial_versioning_behavior,
    };
    let event = HistoryEvent {
        user_metadata,
        attributes: Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes)),
        ..Default::default()
    };
    close(txn, event, Some(next));
    Ok(())
}

/// The new run's options, from the command and from the run that ends.
struct Plan {
    workflow_type: WorkflowType,
    task_queue: TaskQueue,
    timeouts: Timeouts,
    backoff: Duration,
    retry: Option<RetryPolicy>,
}

impl Plan {
    fn new(
        command: &ContinueAsNewWorkflowExecutionCommandAttributes,
        info: &ExecutionInfo,
        limits: &Limits,
    ) -> Result<Plan, BadCommand> {
        let bad = |message: String| BadCommand::new(Cause::BadContinueAsNewAttributes, message);
        let or_own = |given: Option<&String>, own: &str| match given {
            Some(given) if !given.is_empty() => given.clone(),
            _ => own.to_owned(),
        };
        let type_name = or_own(command.workflow_type.as_ref().map(|t| &t.name), &info.workflow_type);
        if type_name.len() > limits.id_length {
            return Err(bad(format!(
                "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. WorkflowType={type_name} \
                 Length={} Limit={}",
                type_name.len(),
                limits.id_length
            )));
        }
        let queue = or_own(command.task_queue.as_ref().map(|queue| &queue.name), &info.task_queue);
        let which = shown(&type_name, &queue);
        check_queue_name(&queue, limits.id_length).map_err(|error| {
            bad(format!("error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: {error}. {which}"))
        })?;
        let duration = |name: &str, value| {
            optional_duration(value).map_err(|error| {
                bad(format!("Invalid {name} on ContinueAsNewWorkflowExecutionCommand: {error}. {which}"))
            })
        };
        let run = duration("WorkflowRunTimeout", command.workflow_run_timeout.as_ref())?;
        let task = duration("WorkflowTaskTimeout", command.workflow_task_timeout.as_ref())?;
        let backoff = duration("BackoffStartInterval", command.backoff_start_interval.as_ref())?;
        let retry = command.retry_policy.as_ref().map(RetryPolicy::new).transpose().map_err(|error| {
            bad(format!("invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: {error}. {which}"))
        })?;
        Ok(Plan {
            workflow_type: WorkflowType { name: type_name },
            task_queue: TaskQueue { name: queue, kind: TaskQueueKind::Normal.into(), ..Default::default() },
            timeouts: Timeouts::new(
                info.execution_timeout,
                run.or(info.run_timeout),
                Some(task.unwrap_or(info.task_timeout)),
            ),
            backoff: backoff.unwrap_or_default(),
            retry,
        })
    }

    fn shown(&self) -> String {
        shown(&self.workflow_type.name, &self.task_queue.name)
    }
}

/// The run as the end of an error message shows it.
fn shown(type_name: &str, queue: &str) -> String {
    format!("WorkflowType={type_name} TaskQueue=name:{queue:?}  kind:TASK_QUEUE_KIND_NORMAL")
}

fn check_attributes(
    txn: &Txn<'_, '_>,
    plan: &Plan,
    command: &mut ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<(), BadCommand> {
    let Some(mut given) = command.search_attributes.take() else { return Ok(()) };
    check_search_attributes(
        txn.cx.search_attributes,
        &txn.state.info.namespace,
        Cause::BadContinueAsNewAttributes,
        &mut given,
        |problem| {
            let which = plan.shown();
            format!("invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: {problem}. {which}")
        },
    )?;
    command.search_attributes = with_values(Some(given));
    Ok(())
}

fn check_sizes(command: &ContinueAsNewWorkflowExecutionCommandAttributes, limits: &Limits) -> Result<(), BadCommand> {
    const CAUSE: Cause = Cause::BadContinueAsNewAttributes;
    let memo = command.memo.as_ref().map_or(0, Message::encoded_len);
    if memo > limits.memo_size {
        let message = "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.";
        return Err(BadCommand::new(CAUSE, message).terminating());
    }
    check_blob(limits, CAUSE, "ContinueAsNewWorkflowExecutionCommandAttributes. Input", command.input.as_ref())
}

fn new_run(txn: &mut Txn<'_, '_>, command: &ContinueAsNewWorkflowExecutionCommandAttributes, plan: &Plan) -> NewRun {
    let initiator = match command.initiator() {
        Initiator::Unspecified => Initiator::Workflow,
        other => other,
    };
    let mut next = successor(txn, initiator, plan.backoff);
    let info = &txn.state.info;
    let started = &mut next.started;
    started.workflow_type = Some(plan.workflow_type.clone());
    started.task_queue = Some(plan.task_queue.clone());
    started.workflow_run_timeout = Some(duration_to_proto(plan.timeouts.run.unwrap_or_default()));
    started.workflow_task_timeout = Some(duration_to_proto(plan.timeouts.task));
    started.input = command.input.clone();
    started.header = command.header.clone();
    started.memo = command.memo.clone();
    started.search_attributes = command.search_attributes.clone();
    started.retry_policy = plan.retry.as_ref().map(RetryPolicy::to_proto);
    started.cron_schedule = command.cron_schedule.clone();
    started.continued_failure = command.failure.clone();
    started.last_completion_result = command.last_completion_result.clone();
    started.attempt = if initiator == Initiator::Retry { info.attempt + 1 } else { 1 };
    next
}
