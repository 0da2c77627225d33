//! What a job does to each of its targets: one of the commands that a client could have sent.

use crate::{
    command::{RunRequest, ShardCommand},
    key::RunKey,
};
use tenure_api::{
    batch::v1::{
        batch_operation_reset_activities as reset_activities, batch_operation_unpause_activities as unpause_activities,
        batch_operation_update_activity_options as update_activities,
    },
    common::v1::{WorkflowExecution, reset_options::Target},
    enums::v1::{BatchOperationType, ResetType},
    error::ApiError,
    workflowservice::v1::{self as api, start_batch_operation_request::Operation},
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// The identity in history where the request gives none.
const DEFAULT_IDENTITY: &str = "frontend-service";

/// The id of what a job does to a run. It is the same however often that is tried, and however often the job names the run.
pub fn operation_id(job: Uuid, target: &RunKey) -> Uuid {
    let name = [job.as_bytes(), target.run_id.as_bytes(), target.workflow.workflow_id.as_bytes()].concat();
    uuid::Builder::from_random_bytes(xxh3_128(&name).to_be_bytes()).into_uuid()
}

/// The operation's type, and the identity in it.
pub fn operation_type(operation: &Operation) -> (BatchOperationType, &str) {
    use BatchOperationType as Type;
    match operation {
        Operation::TerminationOperation(of) => (Type::TerminateWorkflow, &of.identity),
        Operation::SignalOperation(of) => (Type::SignalWorkflow, &of.identity),
        Operation::CancellationOperation(of) => (Type::CancelWorkflow, &of.identity),
        Operation::DeletionOperation(of) => (Type::DeleteWorkflow, &of.identity),
        Operation::ResetOperation(of) => (Type::ResetWorkflow, &of.identity),
        Operation::UpdateWorkflowOptionsOperation(of) => (Type::UpdateWorkflowExecutionOptions, &of.identity),
        Operation::UnpauseActivitiesOperation(of) => (Type::UnpauseActivity, &of.identity),
        Operation::ResetActivitiesOperation(of) => (Type::ResetActivity, &of.identity),
        Operation::UpdateActivityOptionsOperation(of) => (Type::UpdateActivityOptions, &of.identity),
        Operation::CancelActivitiesOperation(of) => (Type::CancelActivity, &of.identity),
        Operation::TerminateActivitiesOperation(of) => (Type::TerminateActivity, &of.identity),
        Operation::DeleteActivitiesOperation(_) => (Type::DeleteActivity, ""),
    }
}

/// Whether the operation is for runs that are open; of a query, it takes those only.
pub fn is_of_open_runs(operation: &Operation) -> bool {
    match operation {
        Operation::DeletionOperation(_) | Operation::DeleteActivitiesOperation(_) | Operation::ResetOperation(_) => {
            false
        }
        Operation::TerminationOperation(_)
        | Operation::SignalOperation(_)
        | Operation::CancellationOperation(_)
        | Operation::UpdateWorkflowOptionsOperation(_)
        | Operation::UnpauseActivitiesOperation(_)
        | Operation::ResetActivitiesOperation(_)
        | Operation::UpdateActivityOptionsOperation(_)
        | Operation::CancelActivitiesOperation(_)
        | Operation::TerminateActivitiesOperation(_) => true,
    }
}

/// Where a job resets its targets to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetPoint {
    /// The first completed workflow task, or what follows the first that was scheduled.
    First,
    /// The last completed one, or the same.
    Last,
    Event(i64),
    BuildId(String),
}

/// Where the job resets to; `None` if it does something else.
pub fn reset_point(request: &api::StartBatchOperationRequest) -> Option<ResetPoint> {
    let Some(Operation::ResetOperation(of)) = &request.operation else { return None };
    match of.options.as_ref().map(|options| &options.target) {
        Some(Some(Target::FirstWorkflowTask(()))) => Some(ResetPoint::First),
        Some(Some(Target::LastWorkflowTask(()))) => Some(ResetPoint::Last),
        Some(Some(Target::WorkflowTaskId(event_id))) => Some(ResetPoint::Event(*event_id)),
        Some(Some(Target::BuildId(build_id))) => Some(ResetPoint::BuildId(build_id.clone())),
        Some(None) => None,
        None => match of.reset_type() {
            ResetType::FirstWorkflowTask => Some(ResetPoint::First),
            ResetType::LastWorkflowTask => Some(ResetPoint::Last),
            ResetType::Unspecified => None,
        },
    }
}

/// The command by which a job does its operation to a run; `reset_to` is the event that it is reset to, if it is.
///
/// # Errors
/// INVALID_ARGUMENT for an operation that cannot be done to any run.
pub fn command(
    request: &api::StartBatchOperationRequest,
    run: &RunKey,
    operation_id: Uuid,
    reset_to: Option<i64>,
) -> Result<ShardCommand, ApiError> {
    let namespace = request.namespace.clone();
    let execution =
        Some(WorkflowExecution { workflow_id: run.workflow.workflow_id.to_string(), run_id: run.run_id.to_string() });
    let run_id = Some(run.run_id);
    let operation = request.operation.as_ref().ok_or_else(|| ApiError::internal("a batch job without an operation"))?;
    Ok(match operation {
        Operation::TerminationOperation(of) => {
            let identity = if of.identity.is_empty() { DEFAULT_IDENTITY.to_owned() } else { of.identity.clone() };
            let request = api::TerminateWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                reason: request.reason.clone(),
                identity,
                ..Default::default()
            };
            ShardCommand::TerminateWorkflow(RunRequest::new(run_id, request))
        }
        Operation::SignalOperation(of) => {
            let request = api::SignalWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                signal_name: of.signal.clone(),
                input: of.input.clone(),
                identity: of.identity.clone(),
                request_id: operation_id.to_string(),
                ..Default::default()
            };
            ShardCommand::SignalWorkflow(RunRequest::new(run_id, request))
        }
        Operation::CancellationOperation(of) => {
            let request = api::RequestCancelWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                identity: of.identity.clone(),
                request_id: operation_id.to_string(),
                ..Default::default()
            };
            ShardCommand::RequestCancelWorkflow(RunRequest::new(run_id, request))
        }
        Operation::DeletionOperation(_) => ShardCommand::DeleteWorkflow { run_id },
        Operation::ResetOperation(of) => {
            let (reapply, excluded) = match &of.options {
                Some(options) => (options.reset_reapply_type, options.reset_reapply_exclude_types.clone()),
                None => (of.reset_reapply_type, Vec::new()),
            };
            let request = api::ResetWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                reason: request.reason.clone(),
                workflow_task_finish_event_id: reset_to.unwrap_or_default(),
                request_id: operation_id.to_string(),
                reset_reapply_type: reapply,
                reset_reapply_exclude_types: excluded,
                post_reset_operations: of.post_reset_operations.clone(),
                identity: of.identity.clone(),
            };
            ShardCommand::ResetWorkflow(RunRequest::new(run_id, request))
        }
        Operation::UpdateWorkflowOptionsOperation(of) => {
            let request = api::UpdateWorkflowExecutionOptionsRequest {
                namespace,
                workflow_execution: execution,
                workflow_execution_options: of.workflow_execution_options.clone(),
                update_mask: of.update_mask.clone(),
                identity: of.identity.clone(),
            };
            ShardCommand::UpdateWorkflowOptions(RunRequest::new(run_id, request))
        }
        Operation::UnpauseActivitiesOperation(of) => {
            use api::unpause_activity_request::Activity;
            let activity = match &of.activity {
                Some(unpause_activities::Activity::Type(name)) => Activity::Type(name.clone()),
                Some(unpause_activities::Activity::MatchAll(_)) => Activity::UnpauseAll(true),
                None => return Err(no_activities()),
            };
            let request = api::UnpauseActivityRequest {
                namespace,
                execution,
                identity: of.identity.clone(),
                reset_attempts: of.reset_attempts,
                reset_heartbeat: of.reset_heartbeat,
                jitter: of.jitter,
                activity: Some(activity),
            };
            ShardCommand::UnpauseActivity(RunRequest::new(run_id, request))
        }
        Operation::ResetActivitiesOperation(of) => {
            use api::reset_activity_request::Activity;
            let activity = match &of.activity {
                Some(reset_activities::Activity::Type(name)) => Activity::Type(name.clone()),
                Some(reset_activities::Activity::MatchAll(_)) => Activity::MatchAll(true),
                None => return Err(no_activities()),
            };
            let request = api::ResetActivityRequest {
                namespace,
                execution,
                identity: of.identity.clone(),
                reset_heartbeat: of.reset_heartbeat,
                keep_paused: of.keep_paused,
                jitter: of.jitter,
                restore_original_options: of.restore_original_options,
                activity: Some(activity),
            };
            ShardCommand::ResetActivity(RunRequest::new(run_id, request))
        }
        Operation::UpdateActivityOptionsOperation(of) => {
            use api::update_activity_options_request::Activity;
            let activity = match &of.activity {
                Some(update_activities::Activity::Type(name)) => Activity::Type(name.clone()),
                Some(update_activities::Activity::MatchAll(_)) => Activity::MatchAll(true),
                None => return Err(no_activities()),
            };
            if !of.restore_original && of.update_mask.is_none() {
                return Err(ApiError::invalid_argument("UpdateMask is not provided"));
            }
            let request = api::UpdateActivityOptionsRequest {
                namespace,
                execution,
                identity: of.identity.clone(),
                activity_options: of.activity_options.clone(),
                update_mask: of.update_mask.clone().filter(|_| !of.restore_original),
                restore_original: of.restore_original,
                activity: Some(activity),
            };
            ShardCommand::UpdateActivityOptions(RunRequest::new(run_id, request))
        }
        Operation::CancelActivitiesOperation(of) => {
            let request = api::RequestCancelActivityExecutionRequest {
                namespace,
                activity_id: run.workflow.workflow_id.to_string(),
                run_id: run.run_id.to_string(),
                identity: of.identity.clone(),
                request_id: operation_id.to_string(),
                reason: of.reason.clone(),
            };
            ShardCommand::RequestCancelActivity(RunRequest::new(run_id, request))
        }
        Operation::TerminateActivitiesOperation(of) => {
            let request = api::TerminateActivityExecutionRequest {
                namespace,
                activity_id: run.workflow.workflow_id.to_string(),
                run_id: run.run_id.to_string(),
                identity: of.identity.clone(),
                request_id: operation_id.to_string(),
                reason: of.reason.clone(),
            };
            ShardCommand::TerminateActivity(RunRequest::new(run_id, request))
        }
        Operation::DeleteActivitiesOperation(_) => ShardCommand::DeleteActivity { run_id },
    })
}

fn no_activities() -> ApiError {
    ApiError::invalid_argument("Either Activity.Id or Activity.Type should be set on request.")
}
