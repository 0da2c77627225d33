//! The engine's single entry point, and its result.

pub(crate) mod types;

pub use crate::commands::answer_of_reclaimed;
pub use types::{Acted, Context, Effect, Refused, Transition};

use crate::{
    command::Envelope,
    commands::{self, Call, Stop},
    rows::StateReader,
    subject::SubjectKind,
};
use tenure_api::error::ApiError;

/// Runs one command; synchronous, total and deterministic in its arguments.
pub fn transition(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    let result = match envelope.lane.kind {
        SubjectKind::BATCH => commands::batch::dispatch(rows, cx, envelope),
        SubjectKind::SCHEDULE => commands::schedule::dispatch(rows, cx, envelope),
        SubjectKind::ACTIVITY => commands::standalone::dispatch(rows, cx, envelope),
        _ => run_of_workflow(rows, envelope, cx),
    };
    match result {
        Ok(transition) => Ok(transition),
        Err(Stop::Answered(reply)) => Ok(commands::unchanged(reply)),
        Err(Stop::Refused(refused)) => Err(refused),
    }
}

fn run_of_workflow(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Stop> {
    let Some(workflow) = envelope.lane.workflow() else {
        return Err(ApiError::internal(format!("this build knows nothing of {}", envelope.lane)).into());
    };
    let call = Call { rows, cx, workflow: &workflow, proposal: envelope.proposal };
    commands::dispatch(call, &envelope.command)
}
