//! The API's description of an execution: a pure function of its state.

use crate::{
    activity::describe as activity,
    bad_command::cause_name,
    child::{describe as child, state::Execution},
    key::RunKey,
    pause::state::Paused,
    proto::Encoded,
    search_attributes,
    state::ExecutionState,
    time::Timestamp,
    workflow_task::state::{TaskFailure, TaskPhase, WorkflowTask},
};
use prost::Message;
use tenure_api::{
    common::v1::{SearchAttributes, WorkflowExecution, WorkflowType},
    enums::v1::{PendingWorkflowTaskState, TaskQueueKind, WorkflowTaskFailedCause as Cause},
    taskqueue::v1::TaskQueue,
    time::duration_to_proto,
    workflow::v1::{
        PendingWorkflowTaskInfo, RequestIdInfo, ResetPoints, WorkflowExecutionConfig, WorkflowExecutionExtendedInfo,
        WorkflowExecutionInfo,
    },
    workflowservice::v1::DescribeWorkflowExecutionResponse,
};

/// The size in bytes of what was pending at a run's close, beyond which it is not kept.
const MAX_PENDING_AT_CLOSE: usize = 64 << 10;

/// The response to DescribeWorkflowExecution.
pub fn describe(run: &RunKey, state: &ExecutionState) -> DescribeWorkflowExecutionResponse {
    let pending = state.pending_at_close.as_ref().map_or_else(|| pending(state), Encoded::decode);
    DescribeWorkflowExecutionResponse {
        execution_config: Some(config(state)),
        workflow_execution_info: Some(info(run, state)),
        workflow_extended_info: Some(extended_info(state)),
        ..pending
    }
}

/// The pending part of the description, and nothing else.
fn pending(state: &ExecutionState) -> DescribeWorkflowExecutionResponse {
    DescribeWorkflowExecutionResponse {
        pending_activities: activity::pending_infos(state),
        pending_children: child::pending_infos(state),
        pending_workflow_task: pending_workflow_task(&state.workflow_task),
        ..Default::default()
    }
}

/// The pending part of a run that is about to be closed, if anything is pending: descriptions go on to show it.
pub(crate) fn pending_at_close(state: &ExecutionState) -> Option<Encoded<DescribeWorkflowExecutionResponse>> {
    let pending = pending(state);
    let kept = (1..=MAX_PENDING_AT_CLOSE).contains(&pending.encoded_len());
    kept.then(|| Encoded::of(&pending))
}

fn config(state: &ExecutionState) -> WorkflowExecutionConfig {
    let info = &state.info;
    let name = info.task_queue.to_string();
    WorkflowExecutionConfig {
        task_queue: Some(TaskQueue { name, kind: TaskQueueKind::Normal.into(), ..Default::default() }),
        workflow_execution_timeout: info.execution_timeout.map(duration_to_proto),
        workflow_run_timeout: child::shown_run_timeout(info),
        default_workflow_task_timeout: Some(duration_to_proto(info.task_timeout)),
        user_metadata: info.user_metadata.as_ref().map(Encoded::decode),
    }
}

/// The part of the description that lists show too.
pub fn info(run: &RunKey, state: &ExecutionState) -> WorkflowExecutionInfo {
    let info = &state.info;
    let lineage = info.lineage.as_ref();
    let execution =
        WorkflowExecution { workflow_id: run.workflow.workflow_id.to_string(), run_id: run.run_id.to_string() };
    WorkflowExecutionInfo {
        execution: Some(execution.clone()),
        r#type: Some(WorkflowType { name: info.workflow_type.to_string() }),
        start_time: Some(info.started_at.to_proto()),
        close_time: state.closed_at.map(Timestamp::to_proto),
        status: state.shown_status().into(),
        history_length: state.last_event_id(),
        execution_time: Some(info.execution_at.to_proto()),
        memo: Some(info.memo.as_ref().map(Encoded::decode).unwrap_or_default()),
        search_attributes: Some(search_attributes(run, state)),
        auto_reset_points: Some(ResetPoints::default()),
        task_queue: info.task_queue.to_string(),
        state_transition_count: state.transitions,
        history_size_bytes: state.history_size,
        execution_duration: state.closed_at.map(|at| at.signed_since(info.execution_at)),
        root_execution: Some(lineage.map_or(execution, |lineage| lineage.root.to_proto())),
        parent_namespace_id: lineage.map(|l| l.parent.workflow.namespace.to_string()).unwrap_or_default(),
        parent_execution: lineage.map(|lineage| Execution::of(&lineage.parent).to_proto()),
        first_run_id: info.first_run_id.to_string(),
        priority: info.priority.as_ref().map(Encoded::decode),
        most_recent_worker_version_stamp: state.workflow_task.build.stamp.as_ref().map(Encoded::decode),
        worker_deployment_name: state.workflow_task.build.deployment_name.to_string(),
        ..Default::default()
    }
}

/// The run's own search attributes, and those that the server sets to show its condition.
fn search_attributes(run: &RunKey, state: &ExecutionState) -> SearchAttributes {
    let mut all: SearchAttributes = state.info.search_attributes.as_ref().map(Encoded::decode).unwrap_or_default();
    let run_paused = state.paused.iter().flat_map(|paused| paused.values(&run.workflow.workflow_id));
    let types = activity::paused_types(state);
    let paused: Vec<_> = run_paused.chain(types.iter().map(|name| format!("property:activityType={name}"))).collect();
    if !paused.is_empty() {
        all.indexed_fields.insert("TemporalPauseInfo".into(), search_attributes::keyword_list(paused.into_iter()));
    }
    if let Some(failure) = state.workflow_task.reported_failure {
        all.indexed_fields
            .insert("TemporalReportedProblems".into(), search_attributes::keyword_list(reported_problem(failure)));
    }
    all
}

fn reported_problem(failure: TaskFailure) -> impl Iterator<Item = String> {
    let (category, cause) = match failure {
        TaskFailure::Failed(cause) => ("WorkflowTaskFailed", cause_name(Cause::try_from(cause).unwrap_or_default())),
        TaskFailure::TimedOut => ("WorkflowTaskTimedOut", "StartToClose".to_owned()),
    };
    [format!("category={category}"), format!("cause={category}Cause{cause}")].into_iter()
}

fn extended_info(state: &ExecutionState) -> WorkflowExecutionExtendedInfo {
    let info = &state.info;
    let attached = |request: &crate::info::AttachedRequest| {
        let buffered = request.event_id == crate::events::BUFFERED;
        let shown = RequestIdInfo { event_type: request.event_type, event_id: request.event_id, buffered };
        (request.request_id.to_string(), shown)
    };
    WorkflowExecutionExtendedInfo {
        execution_expiration_time: info.execution_expires_at.map(Timestamp::to_proto),
        run_expiration_time: info.run_expires_at.map(Timestamp::to_proto),
        cancel_requested: state.cancel_requested.is_some(),
        last_reset_time: state.reset.at.map(Timestamp::to_proto),
        original_start_time: Some(state.reset.original_started_at.unwrap_or(info.started_at).to_proto()),
        reset_run_id: state.reset.run_id.map(|id| id.to_string()).unwrap_or_default(),
        request_id_infos: info.request_ids.iter().map(attached).collect(),
        pause_info: state.paused.as_ref().map(Paused::to_proto),
        ..Default::default()
    }
}

fn pending_workflow_task(task: &WorkflowTask) -> Option<PendingWorkflowTaskInfo> {
    let pending = task.pending.as_ref()?;
    let (state, started_at) = match &pending.phase {
        TaskPhase::Ready { .. } => (PendingWorkflowTaskState::Scheduled, None),
        TaskPhase::Started(started) => (PendingWorkflowTaskState::Started, Some(started.at)),
    };
    Some(PendingWorkflowTaskInfo {
        state: state.into(),
        scheduled_time: Some(pending.scheduled_at.to_proto()),
        original_scheduled_time: Some(pending.original_scheduled_at.to_proto()),
        started_time: started_at.map(Timestamp::to_proto),
        attempt: task.attempt,
    })
}
