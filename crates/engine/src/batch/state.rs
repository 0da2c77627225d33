//! What is kept of a batch job, and how it is shown.

use crate::{
    codec::{self, field, is_default},
    id::ProposalId,
    proto::Encoded,
    row::{BatchPart, RowKey},
    subject::{Lane, SubjectKind},
    time::Timestamp,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::{
    batch::v1::BatchOperationInfo,
    common::v1::Execution,
    enums::v1::{BatchOperationState, ExecutionType},
    workflowservice::v1::{
        DescribeBatchOperationResponse, StartBatchOperationRequest, start_batch_operation_request::Operation,
    },
};
use tenure_filter::encode;
use uuid::Uuid;

/// Targets in one row. All pages but the last are full.
pub const PAGE: u64 = 500;

/// The value of a job's core row.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct BatchState {
    /// The job's own id, which no other job ever has; what is done to its targets is named by it.
    #[cbor(n(0), with = "field")]
    pub id: Uuid,
    /// The operation's `BatchOperationType`.
    #[n(1)]
    pub operation: i32,
    #[n(2)]
    pub identity: String,
    #[n(3)]
    pub started_at: Timestamp,
    #[n(4)]
    pub closed_at: Option<Timestamp>,
    #[n(5)]
    pub phase: Phase,
    /// Targets that were found, so far or in all.
    #[n(6)]
    pub total: u64,
    /// Where the search for targets goes on; `None` at its beginning, and once it is over.
    #[cbor(n(7), with = "field")]
    pub place: Option<Bytes>,
    /// Targets that the operation was done to, or that were over before.
    #[n(8)]
    pub complete: u64,
    /// Targets that refused the operation.
    #[n(9)]
    pub failed: u64,
    /// The first page of targets that still has a row.
    #[n(10)]
    pub first_page: u64,
    /// When the job's timer row is due. While the job runs it is due all the time, so that a new leader finds the job.
    #[n(11)]
    pub timer: Timestamp,
    /// The proposal that started the job.
    #[n(12)]
    pub proposal: ProposalId,
    /// Who stopped the job.
    #[cbor(n(13), skip_if = "is_default")]
    pub stopped: Option<Stopped>,
    /// Why the job could not go on.
    #[cbor(n(14), skip_if = "is_default")]
    pub cause: Option<String>,
}

/// What a job is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Phase {
    /// Its targets are being found.
    #[n(0)]
    Finding,
    /// The operation is being done to them, one after the other.
    #[n(1)]
    Working,
    #[n(2)]
    Completed,
    #[n(3)]
    Stopped,
    /// Its targets could not be found.
    #[n(4)]
    Failed,
}

/// A request that stopped a job.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Stopped {
    #[n(0)]
    pub proposal: ProposalId,
    #[n(1)]
    pub reason: String,
    #[n(2)]
    pub identity: String,
}

/// A run that a job does its operation to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BatchTarget {
    #[cbor(n(0), with = "field")]
    pub workflow_id: Arc<str>,
    #[n(1)]
    pub run: TargetRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TargetRun {
    #[n(0)]
    Run(#[cbor(n(0), with = "field")] Uuid),
    /// The workflow id had no run when the job looked for it.
    #[n(1)]
    Missing,
    /// The request named no run by it.
    #[n(2)]
    Invalid,
}

/// How far a job has come since the last record.
#[derive(Clone, Debug)]
pub enum Advance {
    /// More targets, behind the first `from`.
    Targets {
        from: u64,
        targets: Vec<BatchTarget>,
        /// Where the search goes on; `None`: these were the last.
        place: Option<Bytes>,
    },
    /// The results of the targets behind the first `from`.
    Results { from: u64, complete: u64, failed: u64 },
    /// The search for targets is refused.
    Refused { cause: String },
}

impl BatchState {
    /// Targets whose results are recorded.
    pub fn worked(&self) -> u64 {
        self.complete + self.failed
    }

    pub fn is_running(&self) -> bool {
        match self.phase {
            Phase::Finding | Phase::Working => true,
            Phase::Completed | Phase::Stopped | Phase::Failed => false,
        }
    }

    fn shown(&self) -> BatchOperationState {
        match self.phase {
            Phase::Finding | Phase::Working => BatchOperationState::Running,
            Phase::Completed => BatchOperationState::Completed,
            Phase::Stopped | Phase::Failed => BatchOperationState::Failed,
        }
    }

    /// The job's place in lists.
    fn position(&self) -> Vec<u8> {
        encode::position(self.closed_at.map(|at| at.0), self.started_at.0, self.id.into_bytes())
    }

    /// The job's row in lists, whose value is what these show of it.
    pub(crate) fn record(&self, lane: &Lane) -> (RowKey, Bytes) {
        let info = BatchOperationInfo {
            job_id: lane.id.to_string(),
            state: self.shown().into(),
            start_time: Some(self.started_at.to_proto()),
            close_time: self.closed_at.map(Timestamp::to_proto),
            operation_type: self.operation,
        };
        let (kind, namespace) = (lane.kind, lane.namespace);
        let key = RowKey::Record { kind, namespace, position: self.position().into() };
        (key, codec::encode(&Encoded::of(&info)))
    }

    /// What is told of the job, which this request started.
    pub fn describe(&self, job_id: &str, request: StartBatchOperationRequest) -> DescribeBatchOperationResponse {
        let kind = match kind_of_targets(&request) {
            SubjectKind::ACTIVITY => ExecutionType::Activity,
            _ => ExecutionType::Workflow,
        };
        let StartBatchOperationRequest { reason, visibility_query, executions, target_executions, .. } = request;
        let named = |execution: tenure_api::common::v1::WorkflowExecution| Execution {
            r#type: kind.into(),
            business_id: execution.workflow_id,
            run_id: execution.run_id,
        };
        DescribeBatchOperationResponse {
            operation_type: self.operation,
            job_id: job_id.to_owned(),
            state: self.shown().into(),
            start_time: Some(self.started_at.to_proto()),
            close_time: self.closed_at.map(Timestamp::to_proto),
            total_operation_count: self.total.cast_signed(),
            complete_operation_count: self.complete.cast_signed(),
            failure_operation_count: self.failed.cast_signed(),
            identity: self.identity.clone(),
            reason,
            query: visibility_query,
            executions: executions.into_iter().map(named).chain(target_executions).collect(),
        }
    }
}

/// The kind of subject that the operation is done to.
pub fn kind(operation: &Operation) -> SubjectKind {
    match operation {
        Operation::CancelActivitiesOperation(_)
        | Operation::TerminateActivitiesOperation(_)
        | Operation::DeleteActivitiesOperation(_) => SubjectKind::ACTIVITY,
        Operation::TerminationOperation(_)
        | Operation::SignalOperation(_)
        | Operation::CancellationOperation(_)
        | Operation::DeletionOperation(_)
        | Operation::ResetOperation(_)
        | Operation::UpdateWorkflowOptionsOperation(_)
        | Operation::UnpauseActivitiesOperation(_)
        | Operation::ResetActivitiesOperation(_)
        | Operation::UpdateActivityOptionsOperation(_) => SubjectKind::RUN,
    }
}

/// The kind of a job's targets.
pub fn kind_of_targets(request: &StartBatchOperationRequest) -> SubjectKind {
    request.operation.as_ref().map_or(SubjectKind::RUN, kind)
}

/// Whether a job's record in lists is one of a running job, by its position: those come first.
pub fn is_running(position: &[u8]) -> bool {
    position.first() == Some(&0)
}

/// A row of a job.
pub(crate) fn row(lane: &Lane, part: BatchPart) -> RowKey {
    RowKey::Batch { namespace: lane.namespace, job_id: lane.id.clone(), part }
}
