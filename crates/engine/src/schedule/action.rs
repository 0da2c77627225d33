//! What a schedule asks for when it starts a workflow.

use super::state::{BufferedStart, Carried, Definition};
use crate::{proto::Encoded, search_attributes::of_type, time::Timestamp};
use tenure_api::{
    common::v1::SearchAttributes,
    enums::v1::{IndexedValueType, WorkflowIdReusePolicy},
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::StartWorkflowExecutionRequest,
};

/// The attributes that name the schedule of a run, and the time for which it was started.
const SCHEDULED_BY: &str = "TemporalScheduledById";
const SCHEDULED_START_TIME: &str = "TemporalScheduledStartTime";

/// The id of the workflow that is started for a time: the action's, and the time, so that no two have the same.
pub(crate) fn workflow_id(action: &NewWorkflowExecutionInfo, start: &BufferedStart, keep: bool) -> String {
    if keep { action.workflow_id.clone() } else { format!("{}-{}", action.workflow_id, in_seconds(start.nominal)) }
}

/// The identity under which a schedule starts and ends workflows.
pub(crate) fn identity(namespace: &str, schedule_id: &str) -> String {
    format!("temporal-scheduler-{namespace}-{schedule_id}")
}

/// The request to start the workflow of a schedule for a time.
pub(crate) fn start_request(
    definition: &Definition,
    schedule_id: &str,
    action: &NewWorkflowExecutionInfo,
    start: &BufferedStart,
    workflow_id: String,
    request_id: String,
    carried: &Carried,
) -> StartWorkflowExecutionRequest {
    let action = action.clone();
    // What a client asked for may come again; a time does not.
    let reuse =
        if start.manual { WorkflowIdReusePolicy::AllowDuplicate } else { WorkflowIdReusePolicy::RejectDuplicate };
    let mut attributes = action.search_attributes.unwrap_or_default().indexed_fields;
    let start_time = of_type(IndexedValueType::Datetime, &in_seconds(start.nominal).into());
    attributes.insert(SCHEDULED_START_TIME.into(), start_time);
    attributes.insert(SCHEDULED_BY.into(), of_type(IndexedValueType::Keyword, &schedule_id.into()));
    StartWorkflowExecutionRequest {
        namespace: definition.namespace.to_string(),
        workflow_id,
        workflow_type: action.workflow_type,
        task_queue: action.task_queue,
        input: action.input,
        workflow_execution_timeout: action.workflow_execution_timeout,
        workflow_run_timeout: action.workflow_run_timeout,
        workflow_task_timeout: action.workflow_task_timeout,
        identity: identity(&definition.namespace, schedule_id),
        request_id,
        workflow_id_reuse_policy: reuse.into(),
        retry_policy: action.retry_policy,
        memo: action.memo,
        search_attributes: Some(SearchAttributes { indexed_fields: attributes }),
        header: action.header,
        user_metadata: action.user_metadata,
        priority: action.priority,
        last_completion_result: carried.result.as_ref().map(Encoded::decode),
        continued_failure: carried.failure.as_ref().map(Encoded::decode),
        ..Default::default()
    }
}

/// The time in the form of RFC 3339, without fractions.
fn in_seconds(time: Timestamp) -> String {
    let seconds = jiff::Timestamp::from_second(time.0.div_euclid(1_000_000_000));
    seconds.expect("its years are within those of the crate").to_string()
}
