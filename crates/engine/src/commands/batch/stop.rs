//! A batch job is stopped: what it did not do yet, it never does.

use super::{
    super::call::{Stop, VerbResult, already_completed},
    call::JobCall,
    change::change,
};
use crate::{
    batch::{Phase, Stopped},
    command::Reply,
};
use tenure_api::workflowservice::v1::StopBatchOperationRequest;

pub(super) fn run(call: JobCall<'_, '_>, request: &StopBatchOperationRequest) -> VerbResult {
    let before = call.job()?;
    if before.stopped.as_ref().is_some_and(|stopped| stopped.proposal == call.proposal) {
        return Err(Stop::Answered(Reply::Done));
    }
    if !before.is_running() {
        return Err(already_completed().into());
    }
    let mut job = before.clone();
    let (reason, identity) = (request.reason.clone(), request.identity.clone());
    job.stopped = Some(Stopped { proposal: call.proposal, reason, identity });
    job.phase = Phase::Stopped;
    job.closed_at = Some(call.cx.now);
    job.timer = call.kept_until(call.cx.now);
    Ok(change(call.lane, Some(&before), Some(&job), Vec::new()))
}
