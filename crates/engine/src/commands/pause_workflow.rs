//! An operator pauses a run.

use super::{
    call::{Call, Stop, VerbResult},
    finish::finish_remembered,
};
use crate::{command::Reply, feature_level::FeatureLevel, pause, proposals::ProposalResult};
use tenure_api::{
    error::{ApiError, Code},
    workflowservice::v1::PauseWorkflowExecutionRequest,
};
use uuid::Uuid;

pub(super) fn run(call: Call<'_, '_>, run_id: Option<Uuid>, request: &PauseWorkflowExecutionRequest) -> VerbResult {
    let level = call.cx.level;
    let mut txn = call.open_running(run_id)?;
    match &txn.state.paused {
        Some(paused) if !request.request_id.is_empty() && *paused.request_id == *request.request_id => {
            return Err(Stop::Answered(Reply::Done));
        }
        Some(_) => return Err(ApiError::failed_precondition("workflow is already paused.").into()),
        None if level < FeatureLevel::PAUSES => {
            let needed = FeatureLevel::PAUSES;
            let message = format!("the cluster has feature level {level}, and pauses of workflows need {needed}");
            return Err(ApiError::new(Code::FailedPrecondition, message).into());
        }
        None => {}
    }
    pause::pause(&mut txn, request);
    Ok(finish_remembered(txn, ProposalResult::Done))
}
