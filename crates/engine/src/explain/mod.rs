//! Why a run does not go on: a pure function of its state and its last events.
//!
//! What is told here has no words yet, and knows nothing of workers that poll: that is the business of whoever asks. (A
//! task that waits is `Queued` here; whoever finds that nobody polls its queue makes it `Unpolled`, and has all arranged
//! again.)

mod activities;
mod closed;
mod limits;
mod others;
mod tell;
mod workflow_task;

use crate::{limits::Limits, state::ExecutionState};
use tenure_api::{
    history::v1::HistoryEvent,
    tenure::v1::{Cause, CauseKind as Kind},
};

/// The last events of a run that [`explain`] looks at.
pub const EVENTS: usize = 100;

/// Whether what there is to tell of a run is partly in its last events.
pub fn looks_at_events(state: &ExecutionState) -> bool {
    !state.is_running()
        || state.workflow_task.first_at.is_some()
        || state.workflow_task.last_failure.is_some()
        || state.cancel_requested.is_some()
}

/// What a run waits for, or how it ended; what blocks first comes first. `events` are the last ones of its history, the
/// newest first; what would be told of others is left out.
pub fn explain(state: &ExecutionState, events: &[HistoryEvent], limits: &Limits) -> Vec<Cause> {
    if !state.is_running() {
        return vec![closed::explain(state, events.first())];
    }
    let mut causes = Vec::new();
    causes.extend(others::not_begun(state, events));
    causes.extend(others::paused(state));
    workflow_task::explain(state, events, &mut causes);
    activities::explain(&state.activities, &mut causes);
    causes.extend(others::cancel_requested(state, events));
    others::updates(state, &mut causes);
    others::children(state, &mut causes);
    others::externals(state, &mut causes);
    others::timers(state, &mut causes);
    causes.extend(others::nothing(state, causes.is_empty()));
    limits::explain(state, limits, &mut causes);
    arrange(&mut causes);
    causes
}

/// Puts what blocks first to the front; of the same kind, in the order in which they were found.
pub fn arrange(causes: &mut [Cause]) {
    causes.sort_by_key(|cause| {
        let reached = cause.limit.as_ref().is_some_and(|limit| limit.used >= limit.limit);
        (rank(cause.kind(), reached), cause.more > 0)
    });
}

fn rank(kind: Kind, reached: bool) -> usize {
    match kind {
        Kind::Unspecified
        | Kind::Completed
        | Kind::Failed
        | Kind::TimedOut
        | Kind::Terminated
        | Kind::Canceled
        | Kind::ContinuedAsNew => 0,
        Kind::StartDelayed | Kind::CronBackoff | Kind::RetryBackoff => 1,
        Kind::Paused => 2,
        Kind::WorkflowTaskUnpolled => 3,
        Kind::WorkflowTaskFailing => 4,
        Kind::WorkflowTaskQueued => 5,
        Kind::WorkflowTaskRunning => 6,
        Kind::Limit if reached => 7,
        Kind::ActivityPaused => 8,
        Kind::ActivityUnpolled => 9,
        Kind::ActivityBackoff => 10,
        Kind::ActivityHeld => 11,
        Kind::ActivityQueued => 12,
        Kind::ActivityRunning => 13,
        Kind::CancelRequested => 14,
        Kind::Update => 15,
        Kind::ChildStarting => 16,
        Kind::ChildRunning => 17,
        Kind::ExternalSignal => 18,
        Kind::ExternalCancel => 19,
        Kind::Timer => 20,
        Kind::SignalOrUpdate => 21,
        Kind::Limit => 22,
    }
}
