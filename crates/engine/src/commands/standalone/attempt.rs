//! The end of an attempt that failed: another follows, or the run ends.

use super::change::Change;
use crate::standalone::Ended;
use tenure_api::{activity::v1::activity_execution_outcome::Value, enums::v1::RetryState, failure::v1::Failure};

/// The message of a failure that a worker said nothing of.
const UNSAID: &str = "activity task failed without failure details";

/// Ends the running attempt with `failure`, and the run with it if no other attempt follows.
pub(super) fn fail(change: &mut Change<'_, '_>, failure: Option<Failure>) {
    let now = change.now();
    let Err(retry_state) = change.state.retry(failure.as_ref(), now) else { return };
    let failure = failure.unwrap_or_else(|| Failure { message: UNSAID.into(), ..Failure::default() });
    change.state.attempt_ended(Some(&failure), now);
    end(change, Ended::Failed, retry_state, failure);
}

pub(super) fn end(change: &mut Change<'_, '_>, how: Ended, retry_state: RetryState, failure: Failure) {
    change.end(how, retry_state, Value::Failure(failure));
}
