//! What can be done to a schedule; its table is in [`crate::schedule`].

mod acknowledge;
mod advance;
mod change;
mod create;
mod delete;
mod patch;
mod receive;
mod timer_due;
mod update;

use super::call::VerbResult;
use crate::{
    command::{Envelope, ShardCommand},
    rows::StateReader,
    transition::types::Context,
};
use change::ScheduleCall;
use tenure_api::error::ApiError;

/// Runs a command for a schedule by its verb.
pub(crate) fn dispatch(rows: &dyn StateReader, cx: &mut Context<'_>, envelope: &Envelope) -> VerbResult {
    let call = ScheduleCall { rows, cx, lane: &envelope.lane };
    match &envelope.command {
        ShardCommand::CreateSchedule(request) => create::run(call, request),
        ShardCommand::UpdateSchedule(request) => update::run(call, request),
        ShardCommand::PatchSchedule(request) => patch::run(call, request),
        ShardCommand::DeleteSchedule => delete::run(call),
        ShardCommand::ReclaimRun { .. } => delete::reclaim(call),
        ShardCommand::Receive { from, message } => receive::run(call, from, message),
        ShardCommand::Acknowledge { stamp, receipt, .. } => acknowledge::run(call, *stamp, *receipt),
        ShardCommand::TimerDue { .. } => timer_due::run(call),
        _ => Err(ApiError::internal(format!("a command that is not for {}", envelope.lane)).into()),
    }
}
