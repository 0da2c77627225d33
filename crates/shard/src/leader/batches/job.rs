//! A running batch job, as its task knows it.

use super::pace::Pace;
use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
    },
    seam::error::CommandError,
};
use std::{collections::HashSet, sync::Arc};
use tenure_api::{
    batch::v1::{BatchOperationUnpauseActivities, batch_operation_unpause_activities::Activity},
    error::ApiError,
    workflowservice::v1::{StartBatchOperationRequest, start_batch_operation_request::Operation},
};
use tenure_engine::{
    Lane, ShardCommand, SubjectKind,
    batch::{self, Advance, BatchState, is_of_open_runs},
    proto::Encoded,
    rows::ReadError,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A running job.
pub(super) struct Job {
    pub(super) context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    pub(super) lane: Lane,
    pub(super) request: StartBatchOperationRequest,
    /// The request without its targets, as the leader of each target is given it.
    pub(super) instructions: Encoded<StartBatchOperationRequest>,
    pub(super) stop: CancellationToken,
    pub(super) pace: Pace,
    /// Runs that a search must not find a second time; `None` before those are read that an earlier leader has found.
    pub(super) seen: Option<HashSet<Uuid>>,
}

impl Job {
    pub(super) fn new(
        context: Arc<LeaderContext>,
        executions: Arc<Executions>,
        lane: Lane,
        request: StartBatchOperationRequest,
        stop: CancellationToken,
        pace: Pace,
    ) -> Job {
        Job { context, executions, lane, instructions: instructions(&request), request, stop, pace, seen: None }
    }

    pub(super) fn state(&self) -> Result<Option<BatchState>, ReadError> {
        batch::read(&*self.context.rows, &self.lane)
    }

    /// Has it recorded how far the job has come.
    pub(super) async fn advance(&self, advance: Advance) -> Result<(), CommandError> {
        self.executions.execute(own(self.lane.clone(), ShardCommand::AdvanceBatch(advance))).await.map(drop)
    }
}

/// The query that finds the targets. In parentheses, so that it has no order of its own: the search must pass no run over
/// that is closed meanwhile.
pub(super) fn query(request: &StartBatchOperationRequest) -> String {
    let asked = &request.visibility_query;
    match &request.operation {
        Some(Operation::UnpauseActivitiesOperation(BatchOperationUnpauseActivities {
            activity: Some(Activity::Type(name)),
            ..
        })) => {
            let name = name.replace('\\', "\\\\").replace('\'', "''");
            let paused = format!("TemporalPauseInfo = 'property:activityType={name}'");
            format!("({asked}) AND (ExecutionStatus = 'Running') AND ({paused})")
        }
        Some(operation) if batch::kind(operation) == SubjectKind::ACTIVITY && is_of_open_runs(operation) => {
            // Those that are paused, too.
            format!("({asked}) AND (CloseTime IS NULL)")
        }
        Some(operation) if is_of_open_runs(operation) => format!("({asked}) AND (ExecutionStatus = 'Running')"),
        _ => format!("({asked})"),
    }
}

#[allow(deprecated)] // Clients name their targets so.
fn instructions(request: &StartBatchOperationRequest) -> Encoded<StartBatchOperationRequest> {
    let (executions, target_executions) = (Vec::new(), Vec::new());
    Encoded::of(&StartBatchOperationRequest { executions, target_executions, ..request.clone() })
}

/// The failure of a search that may be tried again.
pub(super) fn unavailable(cause: &str) -> CommandError {
    ApiError::unavailable(cause).into()
}
