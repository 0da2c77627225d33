//! Signals that a run has not received when it continues as new: they go on in the header of the next run's start.

use prost::Message;
use std::collections::BTreeMap;
use tenure_api::{
    common::v1::{Header, Payload, Payloads},
    enums::v1::EventType,
    history::v1::{HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes},
};

/// Followed by a number, which keeps their order, and the signal's name.
const PREFIX: &str = "tenure-signal-";

/// What a start takes along: servers refuse an event of 2 MB.
pub(super) const MAX_BYTES: usize = 1_900_000;

/// Packs signals that were not read into the fields of a header.
pub(super) fn pack(unread: impl IntoIterator<Item = (String, Option<Payloads>)>) -> BTreeMap<String, Payload> {
    let field = |(number, (name, input)): (usize, (String, Option<Payloads>))| {
        let metadata = BTreeMap::from([("encoding".to_owned(), "binary/protobuf".into())]);
        let data = input.unwrap_or_default().encode_to_vec().into();
        (format!("{PREFIX}{number:06}-{name}"), Payload { metadata, data, ..Default::default() })
    };
    unread.into_iter().enumerate().map(field).collect()
}

/// Takes them out of a header: code sees what else is in it.
pub(super) fn strip(header: Option<&mut Header>) {
    if let Some(header) = header {
        header.fields.retain(|key, _| !key.starts_with(PREFIX));
    }
}

/// Unpacks signals from a header, as the events by which they came.
pub(super) fn unpack(header: Option<&Header>) -> Vec<HistoryEvent> {
    let event = |(key, payload): (&String, &Payload)| {
        let (_, signal_name) = key.strip_prefix(PREFIX)?.split_once('-')?;
        let signaled = WorkflowExecutionSignaledEventAttributes {
            signal_name: signal_name.to_owned(),
            input: Some(Payloads::decode(payload.data.clone()).ok()?),
            ..Default::default()
        };
        Some(HistoryEvent {
            event_id: 1,
            event_type: EventType::WorkflowExecutionSignaled.into(),
            attributes: Some(Attributes::WorkflowExecutionSignaledEventAttributes(signaled)),
            ..Default::default()
        })
    };
    header.into_iter().flat_map(|header| &header.fields).filter_map(event).collect()
}
