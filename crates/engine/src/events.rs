//! Events on their way into history: the id of buffered ones, the order in which those enter, the bytes that events
//! take. Facts about event types are in [`tenure_api::events`].

use prost::Message;
use tenure_api::{events::EventSource, history::v1::HistoryEvent};

/// The id of an event that is buffered: it gets its real one when the running workflow task ends.
pub(crate) const BUFFERED: i64 = 0;

/// Sorts buffered events for history: in the order of arrival, but the ends of activities, children and operations
/// last.
pub(crate) fn in_flush_order(events: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
    let ends = |event: &HistoryEvent| matches!(event.event_type().source(), EventSource::End(_));
    let (last, mut first): (Vec<_>, Vec<_>) = events.into_iter().partition(ends);
    first.extend(last);
    first
}

/// Fills in the started event of the end of an activity or child, which may have got its id just now. `started` pairs
/// scheduled or initiated with started event ids.
pub(crate) fn fill_in_started_id(event: &mut HistoryEvent, started: &[(i64, i64)]) {
    let Some(attributes) = &mut event.attributes else { return };
    let id = started.iter().find(|(begun_by, _)| attributes.begun_by() == Some(*begun_by));
    if let (Some(&(_, id)), Some(place)) = (id, attributes.started_event_id_mut()) {
        *place = id;
    }
}

pub(crate) fn history_len(events: &[HistoryEvent]) -> i64 {
    events.iter().map(event_len).sum()
}

/// The bytes that an event takes in an encoded history.
pub(crate) fn event_len(event: &HistoryEvent) -> i64 {
    // Field 1 of `History`, length-delimited: a tag byte and the length before each event.
    let len = event.encoded_len();
    (1 + prost::length_delimiter_len(len) + len) as i64
}
