//! Activities without a workflow.
//!
//! Each run is a subject of its own, in the lane of the activity's id and the shard of that. Its attempts are those of any
//! activity (`activity/state.rs`); there is no history, so what became of it is told by its state alone, and by what it ended
//! with. Its way:
//!
//! | what it is at | left by |
//! |---|---|
//! | Scheduled: ready, delayed or backing off | a poll: Started; a pause: Paused; a cancellation: Canceled; a time-out: TimedOut |
//! | Started | an answer: Completed, Failed, Canceled, or Scheduled once more; a time-out: Scheduled once more, or TimedOut |
//! | Paused | an unpause or a reset: Scheduled; a cancellation: Canceled; the time-out of the whole: TimedOut |
//! | Completed, Failed, Canceled, Terminated, TimedOut | the end of the namespace's retention: its rows go |
//!
//! A run that is started may be asked to stop (it goes on until its worker says so) or to pause (when its attempt ends). From
//! everywhere but an end, a completion by id leads to Completed, and a termination to Terminated. The latest run is the one
//! that is meant where none is named; those before stay until the retention is over, too.

mod listed;
pub mod options;
mod shown;
pub mod start;
pub(crate) mod state;
#[cfg(test)]
mod tests;

pub(crate) use listed::record;
pub use listed::{STATUS, entry};
pub(crate) use shown::token;
pub use shown::{described, poll_response};
pub use state::{End, Ended, Fixed, StandaloneState};

use crate::{
    activity::StartedAttempt,
    codec,
    proto::Encoded,
    row::{ActivityPart, CurrentRun},
    rows::{ReadError, StateReader},
    subject::{Lane, Subject},
    token::TaskToken,
};
use state::row;
use tenure_api::{activity::v1::ActivityExecutionOutcome, error::ApiError};
use uuid::Uuid;

/// The latest run of an activity's id; `None` if there is none.
pub fn read_current(rows: &dyn StateReader, lane: &Lane) -> Result<Option<Uuid>, ReadError> {
    Ok(value::<CurrentRun>(rows, lane, ActivityPart::Current)?.map(|current| current.run_id))
}

/// The state of a run; `None` if there is none.
pub fn read(rows: &dyn StateReader, lane: &Lane, run_id: Uuid) -> Result<Option<StandaloneState>, ReadError> {
    value(rows, lane, ActivityPart::State(run_id))
}

/// The run that is meant, the latest where none is named, and its state; `None` if there is none.
pub fn find(
    rows: &dyn StateReader,
    lane: &Lane,
    run_id: Option<Uuid>,
) -> Result<Option<(Uuid, StandaloneState)>, ReadError> {
    let run_id = match run_id {
        Some(run_id) => run_id,
        None => match read_current(rows, lane)? {
            Some(run_id) => run_id,
            None => return Ok(None),
        },
    };
    Ok(read(rows, lane, run_id)?.map(|state| (run_id, state)))
}

/// What the start of a run fixed; `None` if there is no such run.
pub fn read_fixed(rows: &dyn StateReader, lane: &Lane, run_id: Uuid) -> Result<Option<Fixed>, ReadError> {
    value(rows, lane, ActivityPart::Fixed(run_id))
}

/// What a run has ended with; `None` while it has not.
pub fn read_outcome(
    rows: &dyn StateReader,
    lane: &Lane,
    run_id: Uuid,
) -> Result<Option<ActivityExecutionOutcome>, ReadError> {
    let outcome: Option<Encoded<ActivityExecutionOutcome>> = value(rows, lane, ActivityPart::Outcome(run_id))?;
    Ok(outcome.map(|outcome| outcome.decode()))
}

/// The start that a worker has not been heard of since, with its token.
pub fn without_heartbeat(
    rows: &dyn StateReader,
    run: &Subject,
) -> Result<Option<(TaskToken, StartedAttempt)>, ReadError> {
    let state = read(rows, &run.lane, run.instance)?;
    let unheard = state.as_ref().and_then(|state| {
        let started = state.started().filter(|started| !state.activity.has_heartbeat_since(started))?;
        Some((token(&run.lane, run.instance, &state.activity, started), *started))
    });
    Ok(unheard)
}

/// The refusal of a request for an activity that is not there, in the reference server's words.
pub fn not_found(lane: &Lane) -> ApiError {
    ApiError::not_found(format!("activity not found for ID: {}", lane.id))
}

fn value<T: for<'b> minicbor::Decode<'b, ()>>(
    rows: &dyn StateReader,
    lane: &Lane,
    part: ActivityPart,
) -> Result<Option<T>, ReadError> {
    let key = row(lane, part);
    let value = rows.get(&key)?.map(|value| codec::decode(&value)).transpose();
    value.map_err(|error| ReadError::corrupt(key, error))
}
