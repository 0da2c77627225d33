//! What all causes are told with.

use crate::{failures, proto::Encoded, state::ExecutionState, time::Timestamp};
use tenure_api::{
    failure::v1::Failure,
    history::v1::{HistoryEvent, history_event::Attributes},
    tenure::v1::{Cause, CauseKind as Kind},
};

/// The causes of one kind that are listed one by one.
const LISTED: usize = 10;

/// A cause of this kind that has nothing else yet.
pub(super) fn cause(kind: Kind) -> Cause {
    Cause { kind: kind.into(), ..Default::default() }
}

/// Adds what there is of one kind: the first ones one by one, and how many more there are.
pub(super) fn add<T>(
    causes: &mut Vec<Cause>,
    kind: Kind,
    all: impl IntoIterator<Item = T>,
    told: impl Fn(T, Cause) -> Cause,
) {
    let mut all = all.into_iter();
    causes.extend(all.by_ref().take(LISTED).map(|thing| told(thing, cause(kind))));
    let more = all.count();
    if more > 0 {
        causes.push(Cause { more: more as i64, ..cause(kind) });
    }
}

pub(super) fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(at.to_proto())
}

pub(super) fn failure(failure: &Encoded<Failure>) -> Failure {
    failures::shown(&failure.decode())
}

/// What `wanted` finds in the events since the last workflow task that completed, the newest first.
pub(super) fn since_last_completed<'a, T>(
    state: &ExecutionState,
    events: &'a [HistoryEvent],
    wanted: impl Fn(&'a HistoryEvent, &'a Attributes) -> Option<T>,
) -> impl Iterator<Item = T> {
    let completed = state.workflow_task.last_completed_started_event_id;
    let newer = events.iter().take_while(move |event| event.event_id > completed);
    newer.filter_map(move |event| wanted(event, event.attributes.as_ref()?))
}
