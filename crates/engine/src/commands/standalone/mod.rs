//! What can be done to an activity without a workflow; its table is in [`crate::standalone`].

mod answer;
mod attempt;
mod change;
mod control;
mod delete;
mod options;
mod start;
mod stop;
mod task;
mod timer_due;

use super::call::VerbResult;
use crate::{
    command::{Envelope, ShardCommand},
    rows::StateReader,
    transition::types::Context,
};
use change::ActivityCall;
use tenure_api::error::ApiError;

/// Runs a command for an activity by its verb.
pub(crate) fn dispatch(rows: &dyn StateReader, cx: &mut Context<'_>, envelope: &Envelope) -> VerbResult {
    let call = ActivityCall { rows, cx, lane: &envelope.lane, proposal: envelope.proposal };
    match &envelope.command {
        ShardCommand::StartActivity(new) => start::run(call, new),
        ShardCommand::StartActivityTask(task) => task::start(call, task),
        ShardCommand::ReturnTask { token } => task::give_back(call, token),
        ShardCommand::CompleteActivity { activity, request } => answer::complete(call, activity, request),
        ShardCommand::FailActivity { activity, request } => answer::fail(call, activity, request),
        ShardCommand::CancelActivity { activity, request } => answer::cancel(call, activity, request),
        ShardCommand::HeartbeatActivity { activity, request } => answer::heartbeat(call, activity, request),
        ShardCommand::RequestCancelActivity(of) => stop::request_cancel(call, of.run_id, &of.request),
        ShardCommand::TerminateActivity(of) => stop::terminate(call, of.run_id, &of.request),
        ShardCommand::PauseStandalone(of) => control::pause(call, of.run_id, &of.request),
        ShardCommand::UnpauseStandalone(of) => control::unpause(call, of.run_id, &of.request),
        ShardCommand::ResetStandalone(of) => control::reset(call, of.run_id, &of.request),
        ShardCommand::UpdateStandaloneOptions(of) => options::run(call, of.run_id, &of.request),
        ShardCommand::DeleteActivity { run_id } => delete::run(call, *run_id),
        ShardCommand::ReclaimRun { run_id } => delete::reclaim(call, *run_id),
        ShardCommand::TimerDue { instance } => timer_due::run(call, *instance),
        // A command of nothing, behind others.
        ShardCommand::ListRun { .. } => Ok(super::unchanged(crate::command::Reply::Done)),
        _ => Err(ApiError::internal(format!("a command that is not for {}", envelope.lane)).into()),
    }
}
