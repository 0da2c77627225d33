//! Schedules: starts of a workflow at the times of a specification.
//!
//! A schedule is a subject of its own, in the shard of its id. Its timer row is due at its next time. What is due waits until
//! the overlap policy lets it start (`overlap.rs`); then a message asks the workflow's shard to start it. The answer, and a
//! message at the end of the last run of the chain, tell the schedule what became of it: nobody polls. Its way:
//!
//! | what happens | what it does |
//! |---|---|
//! | its time comes; a backfill or a trigger is asked for | the times come to those that are due, or are counted as missed |
//! | a start is answered | the workflow counts as running, and as an action; or why it was refused is kept |
//! | a workflow has closed | its result or failure is kept for the next; a failure may pause the schedule |
//! | it is updated, paused, unpaused | times up to now are dealt with as it was before |
//!
//! After each of these, what may start now starts.

mod action;
mod due;
mod listed;
mod overlap;
mod policies;
mod shown;
pub mod state;
#[cfg(test)]
mod tests;

pub(crate) use action::{identity, start_request, workflow_id};
pub(crate) use due::{Times, add};
pub use listed::entry;
pub(crate) use listed::{LISTED, record};
pub(crate) use overlap::{Decision, decide};
pub(crate) use policies::Policies;
pub use policies::complete;
pub use shown::{described, matching_times, times_to_come};
pub use state::{Carried, Definition, ScheduleState};

use crate::{
    codec,
    row::SchedulePart,
    rows::{ReadError, StateReader},
    subject::Lane,
};
use state::row;
use tenure_api::error::ApiError;

/// The state of a schedule; `None` if there is none.
pub fn read(rows: &dyn StateReader, lane: &Lane) -> Result<Option<ScheduleState>, ReadError> {
    value(rows, lane, SchedulePart::State)
}

/// What clients say that a schedule is; `None` if there is none.
pub fn read_definition(rows: &dyn StateReader, lane: &Lane) -> Result<Option<Definition>, ReadError> {
    value(rows, lane, SchedulePart::Definition)
}

/// What the last workflow of a schedule has left to the next.
pub(crate) fn read_carried(rows: &dyn StateReader, lane: &Lane) -> Result<Carried, ReadError> {
    Ok(value(rows, lane, SchedulePart::Carried)?.unwrap_or_default())
}

/// The refusal of a request for a schedule that is not there, in the reference server's words.
pub fn not_found() -> ApiError {
    ApiError::not_found("schedule not found")
}

/// What makes the jitter of a schedule differ from that of others.
pub fn jitter_seed(lane: &Lane) -> String {
    format!("{}-{}", lane.namespace.0, lane.id)
}

fn value<T: for<'b> minicbor::Decode<'b, ()>>(
    rows: &dyn StateReader,
    lane: &Lane,
    part: SchedulePart,
) -> Result<Option<T>, ReadError> {
    let key = row(lane, part);
    let value = rows.get(&key)?.map(|value| codec::decode(&value)).transpose();
    value.map_err(|error| ReadError::corrupt(key, error))
}
