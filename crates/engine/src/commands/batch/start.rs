//! A batch job begins. Its targets are not known yet.

use super::{
    super::call::{VerbResult, unchanged},
    call::JobCall,
    change::change,
};
use crate::{
    batch::{self, BatchState, Phase, kind_of_targets, operation_type, state::row},
    codec,
    command::Reply,
    feature_level::FeatureLevel,
    proto::Encoded,
    row::BatchPart,
    rows::Op,
    subject::{Lane, SubjectKind},
    transition::types::{Effect, Transition},
};
use tenure_api::{
    error::{ApiError, Code},
    errordetails::v1::WorkflowExecutionAlreadyStartedFailure,
    workflowservice::v1::StartBatchOperationRequest,
};

pub(super) fn run(call: JobCall<'_, '_>, request: &StartBatchOperationRequest) -> VerbResult {
    let needed = match kind_of_targets(request) {
        SubjectKind::ACTIVITY => FeatureLevel::ACTIVITIES,
        _ => FeatureLevel::LISTS,
    };
    if call.cx.level < needed {
        let level = call.cx.level;
        let message = format!("the cluster has feature level {level}, and batch operations need {needed}");
        return Err(ApiError::new(Code::FailedPrecondition, message).into());
    }
    if let Some(job) = batch::read(call.rows, call.lane)? {
        if job.proposal != call.proposal {
            return Err(already_started(call.lane, &job).into());
        }
        // Whoever should have heard of it may not have.
        let effects = vec![Effect::BatchChanged { job: call.lane.clone(), running: job.is_running() }];
        return Ok(Transition { effects, ..unchanged(Reply::Done) });
    }
    let operation = request.operation.as_ref().map(operation_type);
    let (operation, identity) =
        operation.ok_or_else(|| ApiError::invalid_argument("a batch job without an operation"))?;
    let now = call.cx.now;
    let job = BatchState {
        id: call.cx.ids.run_id(now),
        operation: operation.into(),
        identity: identity.to_owned(),
        started_at: now,
        closed_at: None,
        phase: Phase::Finding,
        total: 0,
        place: None,
        complete: 0,
        failed: 0,
        first_page: 0,
        timer: now,
        proposal: call.proposal,
        stopped: None,
        cause: None,
    };
    let put = Op::Put(row(call.lane, BatchPart::Request), codec::encode(&Encoded::of(request)));
    Ok(change(call.lane, None, Some(&job), vec![put]))
}

/// The reference server's words: its jobs are workflows.
fn already_started(lane: &Lane, job: &BatchState) -> ApiError {
    let message = if job.is_running() {
        format!("Workflow execution is already running. WorkflowId: {}, RunId: {}.", lane.id, job.id)
    } else {
        format!(
            "Workflow execution already finished. WorkflowId: {}, RunId: {}. Workflow Id reuse policy: reject duplicate \
             workflow Id.",
            lane.id, job.id
        )
    };
    ApiError::new(Code::AlreadyExists, message).with_detail(&WorkflowExecutionAlreadyStartedFailure {
        start_request_id: String::new(),
        run_id: job.id.to_string(),
        first_execution_run_id: job.id.to_string(),
    })
}
