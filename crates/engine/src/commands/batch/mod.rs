//! What can be done to a batch job; the job's table is in [`crate::batch`].

mod advance;
mod call;
mod change;
mod reclaim;
mod start;
mod stop;
mod timer_due;

use super::call::VerbResult;
use crate::{
    command::{Envelope, ShardCommand},
    rows::StateReader,
    transition::types::Context,
};
use call::JobCall;
use tenure_api::error::ApiError;

/// Runs a command for a job by its verb.
pub(crate) fn dispatch(rows: &dyn StateReader, cx: &mut Context<'_>, envelope: &Envelope) -> VerbResult {
    let call = JobCall { rows, cx, lane: &envelope.lane, proposal: envelope.proposal };
    match &envelope.command {
        ShardCommand::StartBatch(request) => start::run(call, request),
        ShardCommand::StopBatch(request) => stop::run(call, request),
        ShardCommand::AdvanceBatch(advance) => advance::run(call, advance),
        ShardCommand::ReclaimRun { .. } => reclaim::run(call),
        ShardCommand::TimerDue { .. } => timer_due::run(call),
        _ => Err(ApiError::internal(format!("a command that is not for {}", envelope.lane)).into()),
    }
}
