//! StartBatchOperation, StopBatchOperation, DescribeBatchOperation and ListBatchOperations. A job's leader is that of its
//! id's shard; any node answers lists.

// Clients name workflows in a field that the API calls deprecated.
#![allow(deprecated)]

use super::{prelude::*, update_workflow_execution_options::check_options};
use crate::{Frontend, call::Target};
use tenure_api::{
    batch::v1::{
        BatchOperationInfo, BatchOperationReset, BatchOperationSignal,
        batch_operation_reset_activities as reset_activities, batch_operation_unpause_activities as unpause_activities,
        batch_operation_update_activity_options as update_activities,
    },
    enums::v1::{ExecutionType, ResetType},
    workflow::v1::{PostResetOperation, post_reset_operation::Variant},
    workflowservice::v1::start_batch_operation_request::Operation,
};
use tenure_engine::{Lane, SubjectKind, batch};
use tenure_shard::{Question, ShardId, Shards};
use tokio::time::Instant;

/// Jobs on a page, at most and unless the request says otherwise.
const PAGE_SIZE: usize = 1000;

/// A batch job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobTarget(Lane);

impl Target for JobTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.0.slot())
    }
}

impl Rpc for api::StartBatchOperationRequest {
    type Response = api::StartBatchOperationResponse;
    type Target = JobTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<JobTarget, ApiError> {
        let sources =
            [!self.visibility_query.is_empty(), !self.executions.is_empty(), !self.target_executions.is_empty()];
        let named = sources.into_iter().filter(|named| *named).count();
        let operation = match &self.operation {
            Some(operation) if !self.reason.is_empty() && named > 0 => operation,
            _ => {
                return Err(invalid(
                    "must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions OR \
                     TargetExecutions)",
                ));
            }
        };
        let job = job(admission, &self.job_id)?;
        if named > 1 {
            return Err(invalid("visibility query, executions, and target executions are mutually exclusive"));
        }
        check_operation(operation)?;
        check_targets(operation, &self.target_executions)?;
        if let Operation::SignalOperation(signal) = operation {
            admission.length(&signal.signal, "SignalName")?;
            admission.blob(signal.input.as_ref())?;
        }
        Ok(job)
    }

    async fn run(self: Arc<Self>, JobTarget(lane): JobTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.leader.admit_batch(&lane, call.proposal, &self, call.deadline).await?;
        call.done(lane, ShardCommand::StartBatch(self)).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::StopBatchOperationRequest {
    type Response = api::StopBatchOperationResponse;
    type Target = JobTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<JobTarget, ApiError> {
        let job = job(admission, &self.job_id)?;
        required(&self.reason, "Reason")?;
        Ok(job)
    }

    async fn run(self: Arc<Self>, JobTarget(lane): JobTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(lane, ShardCommand::StopBatch(self)).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::DescribeBatchOperationRequest {
    type Response = api::DescribeBatchOperationResponse;
    type Target = JobTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<JobTarget, ApiError> {
        job(admission, &self.job_id)
    }

    async fn run(self: Arc<Self>, JobTarget(lane): JobTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let read = call.leader.read(|rows| Ok((batch::read(rows, &lane)?, batch::read_request(rows, &lane)?)));
        match read.await? {
            (Some(job), Some(request)) => Ok(job.describe(&lane.id, request.decode())),
            _ => Err(ApiError::not_found(format!("workflow not found for ID: {}", lane.id)).into()),
        }
    }
}

impl LocalRpc for api::ListBatchOperationsRequest {
    type Response = api::ListBatchOperationsResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let namespace = frontend.namespace(&self.namespace, deadline).await?.id;
        let size = usize::try_from(self.page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size));
        let (question, size) = (Question::Batches { namespace }, size.unwrap_or(PAGE_SIZE));
        let page = frontend.shards().list(question, &self.next_page_token, size, deadline).await?;
        let info = page.items.into_iter().map(|item| BatchOperationInfo::decode(item.value));
        let operation_info = info.collect::<Result<_, _>>();
        let operation_info = operation_info.map_err(|error| ApiError::internal(format!("a list's item: {error}")))?;
        Ok(Self::Response { operation_info, next_page_token: page.next_page_token })
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::invalid_argument(message.into())
}

fn job(admission: &Admission<'_>, job_id: &str) -> Result<JobTarget, ApiError> {
    required(job_id, "JobId")?;
    if job_id.len() > admission.limits.id_length {
        return Err(invalid("WorkflowId exceeds length limit."));
    }
    Ok(JobTarget(Lane::of_batch(admission.namespace, job_id)))
}

/// The operation says what it needs to.
fn check_operation(operation: &Operation) -> Result<(), ApiError> {
    const NO_TYPE: &str = "Either activity type must be set, or match all should be set to true";
    match operation {
        Operation::SignalOperation(BatchOperationSignal { signal, .. }) if signal.is_empty() => {
            Err(invalid("must provide signal name"))
        }
        Operation::ResetOperation(reset) => check_reset(reset),
        Operation::UpdateWorkflowOptionsOperation(update) => {
            if update.workflow_execution_options.is_none() {
                return Err(invalid("must provide UpdateOptions"));
            }
            if update.update_mask.is_none() {
                return Err(invalid("must provide UpdateMask"));
            }
            check_options(update.workflow_execution_options.as_ref())
        }
        Operation::UnpauseActivitiesOperation(unpause) => match &unpause.activity {
            None => Err(invalid("activity filter must be set")),
            Some(unpause_activities::Activity::Type(name)) if name.is_empty() => Err(invalid(NO_TYPE)),
            Some(unpause_activities::Activity::MatchAll(false)) => Err(invalid(NO_TYPE)),
            Some(_) => Ok(()),
        },
        Operation::ResetActivitiesOperation(reset) => match &reset.activity {
            None => Err(invalid("must provide ActivityType or MatchAll")),
            Some(reset_activities::Activity::Type(name)) if name.is_empty() => Err(invalid(NO_TYPE)),
            Some(reset_activities::Activity::MatchAll(false)) => Err(invalid(NO_TYPE)),
            Some(_) => Ok(()),
        },
        Operation::UpdateActivityOptionsOperation(update) => {
            match (update.activity_options.is_some(), update.restore_original) {
                (true, true) => return Err(invalid("cannot set both activity options and restore original")),
                (false, false) => {
                    let message = "Either activity type must be set, or restore original should be set to true";
                    return Err(invalid(message));
                }
                (true, false) | (false, true) => {}
            }
            match &update.activity {
                Some(update_activities::Activity::Type(name)) if name.is_empty() => Err(invalid(NO_TYPE)),
                Some(update_activities::Activity::MatchAll(false)) => Err(invalid(NO_TYPE)),
                Some(_) | None => Ok(()),
            }
        }
        Operation::SignalOperation(_)
        | Operation::TerminationOperation(_)
        | Operation::CancellationOperation(_)
        | Operation::DeletionOperation(_)
        | Operation::CancelActivitiesOperation(_)
        | Operation::TerminateActivitiesOperation(_)
        | Operation::DeleteActivitiesOperation(_) => Ok(()),
    }
}

fn check_reset(reset: &BatchOperationReset) -> Result<(), ApiError> {
    match &reset.options {
        Some(options) if options.target.is_none() => return Err(invalid("batch reset missing target")),
        Some(_) => {}
        None => match ResetType::try_from(reset.reset_type) {
            Ok(ResetType::FirstWorkflowTask | ResetType::LastWorkflowTask) => {}
            Ok(ResetType::Unspecified) => return Err(invalid("unknown batch reset type Unspecified")),
            Err(_) => return Err(invalid(format!("unknown batch reset type {}", reset.reset_type))),
        },
    }
    for PostResetOperation { variant } in &reset.post_reset_operations {
        if let Some(Variant::UpdateWorkflowOptions(update)) = variant {
            check_options(update.workflow_execution_options.as_ref())?;
        }
    }
    Ok(())
}

/// The targets are of the kind that the operation is for.
fn check_targets(operation: &Operation, targets: &[tenure_api::common::v1::Execution]) -> Result<(), ApiError> {
    let (required, name) = match batch::kind(operation) {
        SubjectKind::ACTIVITY => (ExecutionType::Activity, "Activity"),
        _ => (ExecutionType::Workflow, "Workflow"),
    };
    let other = targets.iter().enumerate().find(|(_, target)| target.r#type() != required);
    let Some((number, target)) = other else { return Ok(()) };
    let kind = match target.r#type() {
        ExecutionType::Unspecified => "Unspecified",
        ExecutionType::Workflow => "Workflow",
        ExecutionType::Activity => "Activity",
        ExecutionType::NexusOperation => "NexusOperation",
    };
    // The reference server tells its type of the operation.
    let operation = match operation {
        Operation::TerminationOperation(_) => "TerminationOperation",
        Operation::SignalOperation(_) => "SignalOperation",
        Operation::CancellationOperation(_) => "CancellationOperation",
        Operation::DeletionOperation(_) => "DeletionOperation",
        Operation::ResetOperation(_) => "ResetOperation",
        Operation::UpdateWorkflowOptionsOperation(_) => "UpdateWorkflowOptionsOperation",
        Operation::UnpauseActivitiesOperation(_) => "UnpauseActivitiesOperation",
        Operation::ResetActivitiesOperation(_) => "ResetActivitiesOperation",
        Operation::UpdateActivityOptionsOperation(_) => "UpdateActivityOptionsOperation",
        Operation::CancelActivitiesOperation(_) => "CancelActivitiesOperation",
        Operation::TerminateActivitiesOperation(_) => "TerminateActivitiesOperation",
        Operation::DeleteActivitiesOperation(_) => "DeleteActivitiesOperation",
    };
    Err(invalid(format!(
        "target_executions[{number}] has type {kind}, but operation \
         *workflowservice.StartBatchOperationRequest_{operation} requires {name}"
    )))
}
