//! The limits that a run has reached, or is close to.

use super::tell::cause;
use crate::{limits::Limits, state::ExecutionState};
use tenure_api::tenure::v1::{Cause, CauseKind as Kind, LimitState};

/// The share of a limit from which it is told: nine tenths.
const CLOSE: (i64, i64) = (9, 10);

pub(super) fn explain(state: &ExecutionState, limits: &Limits, causes: &mut Vec<Cause>) {
    let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
    let all = [
        ("events of history", state.last_event_id(), limits.history_count),
        ("bytes of history", state.history_size, number(limits.history_size)),
        ("activities that are open", number(state.activities.len()), number(limits.pending_activities)),
        ("children that are open", number(state.relations.children.len()), number(limits.pending_children)),
        ("signals that are sent to others at once", state.relations.signals.into(), number(limits.pending_signals)),
        ("cancellations of others at once", state.relations.cancels.into(), number(limits.pending_cancels)),
        ("events that wait for the workflow task", number(state.buffered.len()), number(limits.buffered_events)),
        (
            "bytes of events that wait for the workflow task",
            number(state.buffered.bytes()),
            number(limits.buffered_events_size),
        ),
        ("signals", i64::try_from(state.signals).unwrap_or(i64::MAX), number(limits.signals)),
        ("updates in flight", number(state.updates.in_flight.len()), number(limits.updates_in_flight)),
        ("updates", i64::try_from(state.updates.total()).unwrap_or(i64::MAX), number(limits.updates)),
    ];
    for (name, used, limit) in all {
        if limit > 0 && i128::from(used) * i128::from(CLOSE.1) >= i128::from(limit) * i128::from(CLOSE.0) {
            let limit = LimitState { name: name.to_owned(), used, limit };
            causes.push(Cause { trouble: true, limit: Some(limit), ..cause(Kind::Limit) });
        }
    }
}
