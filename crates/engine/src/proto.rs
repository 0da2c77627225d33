//! API messages inside persisted state, and single events of encoded histories.

use bytes::{Buf, Bytes};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode, encode::Write};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use std::{fmt, marker::PhantomData};
use tenure_api::history::v1::HistoryEvent;

/// The field of `History` that holds its events.
const EVENTS: u32 = 1;
/// The field of `HistoryEvent` that holds its id.
const EVENT_ID: u32 = 1;

/// An API message in its encoding: cheap to clone and to persist, decoded where it is read. The encoding is known to be
/// good: it was made here, or checked when the value around it was read.
pub struct Encoded<M> {
    bytes: Bytes,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Encoded<M> {
    pub fn of(message: &M) -> Self {
        Encoded { bytes: message.encode_to_vec().into(), message: PhantomData }
    }

    pub fn decode(&self) -> M {
        M::decode(self.bytes.clone()).expect("it was encoded here, or decoded once when it was read")
    }
}

impl<C, M> Encode<C> for Encoded<M> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.bytes(&self.bytes)?.ok()
    }
}

impl<'b, C, M: Message + Default> Decode<'b, C> for Encoded<M> {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = Bytes::copy_from_slice(from.bytes()?);
        M::decode(bytes.clone()).map_err(decode::Error::message)?;
        Ok(Encoded { bytes, message: PhantomData })
    }
}

impl<M> Encoded<M> {
    /// The size of the encoding in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<M> Clone for Encoded<M> {
    fn clone(&self) -> Self {
        Encoded { bytes: self.bytes.clone(), message: PhantomData }
    }
}

impl<M> PartialEq for Encoded<M> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<M> Eq for Encoded<M> {}

impl<M: Message + Default + fmt::Debug> fmt::Debug for Encoded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode().fmt(f)
    }
}

/// The error for a chunk of history that is not an encoded `History`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedHistory(String);

impl From<DecodeError> for MalformedHistory {
    fn from(error: DecodeError) -> Self {
        MalformedHistory(error.to_string())
    }
}

/// One event of an encoded `History`, which shares its bytes.
#[derive(Clone, Debug)]
pub struct EncodedEvent {
    pub event_id: i64,
    /// The event with its tag and length: a concatenation of such is an encoded `History`.
    pub framed: Bytes,
    body: Bytes,
}

/// Takes the first event off an encoded `History`, without decoding it. `None` at the end.
fn split_event(rest: &mut Bytes) -> Result<Option<EncodedEvent>, MalformedHistory> {
    if rest.is_empty() {
        return Ok(None);
    }
    let mut head = rest.clone();
    let (field, wire_type) = decode_key(&mut head)?;
    if (field, wire_type) != (EVENTS, WireType::LengthDelimited) {
        return Err(MalformedHistory(format!("field {field} of {wire_type:?} in a history")));
    }
    let size = decode_varint(&mut head)?;
    match usize::try_from(size) {
        Ok(length) if length <= head.len() => {
            let framed = rest.split_to(rest.len() - head.len() + length);
            let body = head.split_to(length);
            Ok(Some(EncodedEvent { event_id: id_of(body.clone())?, framed, body }))
        }
        _ => Err(MalformedHistory(format!("an event of {size} bytes in {}", head.len()))),
    }
}

/// The events of a chunk of history (an encoded `History`), without decoding them. Ends after an error.
pub fn events_in(chunk: &Bytes) -> impl Iterator<Item = Result<EncodedEvent, MalformedHistory>> + use<> {
    let mut rest = chunk.clone();
    std::iter::from_fn(move || {
        let event = split_event(&mut rest);
        if event.is_err() {
            rest.clear();
        }
        event.transpose()
    })
}

/// The event of this id in a chunk of history, without decoding the others.
pub fn event_in(chunk: &Bytes, event_id: i64) -> Result<Option<HistoryEvent>, MalformedHistory> {
    for event in events_in(chunk) {
        let event = event?;
        if event.event_id == event_id {
            return Ok(Some(HistoryEvent::decode(event.body)?));
        }
    }
    Ok(None)
}

/// The id of an encoded event.
fn id_of(mut event: Bytes) -> Result<i64, DecodeError> {
    while event.has_remaining() {
        let (tag, wire_type) = decode_key(&mut event)?;
        if (tag, wire_type) == (EVENT_ID, WireType::Varint) {
            return Ok(decode_varint(&mut event)? as i64);
        }
        skip_field(wire_type, tag, &mut event, DecodeContext::default())?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use tenure_api::{
        common::v1::{Payload, Payloads},
        history::v1::{ActivityTaskScheduledEventAttributes, History, history_event::Attributes},
    };

    fn chunk(ids: std::ops::Range<i64>) -> Bytes {
        let input = Payloads { payloads: vec![Payload { data: vec![7; 200].into(), ..Default::default() }] };
        let event = |event_id| HistoryEvent {
            event_id,
            attributes: Some(Attributes::ActivityTaskScheduledEventAttributes(ActivityTaskScheduledEventAttributes {
                activity_id: event_id.to_string(),
                input: Some(input.clone()),
                ..Default::default()
            })),
            ..Default::default()
        };
        History { events: ids.map(event).collect() }.encode_to_vec().into()
    }

    #[test]
    fn an_event_is_found_in_its_chunk() {
        let chunk = chunk(5..25);
        for (index, event) in History::decode(chunk.clone()).unwrap().events.into_iter().enumerate() {
            assert_eq!(event.event_id, index as i64 + 5);
            assert_eq!(event_in(&chunk, event.event_id), Ok(Some(event)));
        }
        for absent in [0, 4, 25] {
            assert_eq!(event_in(&chunk, absent), Ok(None));
        }
        assert_eq!(event_in(&Bytes::new(), 1), Ok(None));
        for cut in 1..chunk.len() {
            let found = event_in(&chunk.slice(..cut), 24);
            assert!(!matches!(found, Ok(Some(_))), "the last event is not whole in {cut} bytes");
        }
    }

    /// The shortest of several runs.
    fn time(read: impl Fn()) -> Duration {
        let once = |_| {
            let begin = Instant::now();
            read();
            begin.elapsed()
        };
        (0..20).map(once).min().expect("some")
    }

    /// F41.
    #[test]
    fn finding_an_event_costs_much_less_than_decoding_its_chunk() {
        let chunk = chunk(1..2001);
        let all = time(|| drop(History::decode(chunk.clone()).unwrap()));
        let one = time(|| assert!(event_in(&chunk, 2000).unwrap().is_some()));
        assert!(one * 2 < all, "one event takes {one:?}, all of them {all:?}");
    }

    /// F42: a page of history is put together of its events' bytes.
    #[test]
    fn taking_events_out_of_a_chunk_costs_much_less_than_decoding_and_encoding_them() {
        let chunk = chunk(1..4001);
        let decoded = time(|| drop(History::decode(chunk.clone()).unwrap().encode_to_vec()));
        let taken = time(|| {
            let events: Vec<_> = events_in(&chunk).map(|event| event.unwrap().framed).collect();
            assert_eq!(events.concat().len(), chunk.len());
        });
        let size = chunk.len();
        println!("{size} bytes: decoded and encoded in {decoded:?}, taken out in {taken:?}");
        assert!(taken * 2 < decoded, "taken out in {taken:?}, decoded and encoded in {decoded:?}");
    }
}
