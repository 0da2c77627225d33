//! Messages that contain themselves, as failures do through their causes.
//!
//! As Rust types they would be decoded, encoded, compared and dropped by recursion, as deep as a caller likes, on the
//! stack of a thread; and prost, which guards against that, refuses on reading at 100 levels what it has written
//! without an error. So the inner message stays in its encoding: each level is opened by whoever wants to see it, and
//! nothing here recurses. What is inside is checked when it comes in, so that opening it cannot fail.

use crate::{failure, nexus};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field},
};
use std::{fmt, marker::PhantomData};

/// The most failures in one chain: a failure, its cause, the cause of that, and so on. This is half of what the
/// reference server accepts, which refuses 10,000 and can no longer read what it recorded a few below that; Go's SDK
/// reads up to there.
pub const MAX_CHAIN: usize = 5000;

/// The message of the error for a longer chain.
pub const CHAIN_TOO_LONG: &str = "A chain of failures exceeds the limit of 5000 causes.";

/// The cause of a failure.
pub type Cause = Nested<failure::v1::Failure>;

/// The cause of a failure of a Nexus operation.
pub type NexusCause = Nested<nexus::v1::Failure>;

/// A message that holds one of its own kind.
pub trait Chained: Message + Default {
    /// The number of the field that holds it.
    const INNER: u32;

    fn inner(&mut self) -> &mut Option<Nested<Self>>;
}

impl Chained for failure::v1::Failure {
    const INNER: u32 = 4;

    fn inner(&mut self) -> &mut Option<Cause> {
        &mut self.cause
    }
}

impl Chained for nexus::v1::Failure {
    const INNER: u32 = 5;

    fn inner(&mut self) -> &mut Option<NexusCause> {
        &mut self.cause
    }
}

/// A message inside one of its own kind, in its encoding, which is known to be good.
pub struct Nested<M> {
    encoded: Vec<u8>,
    message: PhantomData<fn() -> M>,
}

impl<M: Chained> Nested<M> {
    /// Puts a message inside another one.
    pub fn new(message: &M) -> Self {
        Nested { encoded: message.encode_to_vec(), message: PhantomData }
    }

    /// Opens the outermost level; what is inside of that stays closed.
    pub fn open(&self) -> M {
        let (mut message, inner) = Self::level(vec![&self.encoded]);
        *message.inner() = inner.map(|parts| Nested { encoded: parts.concat(), message: PhantomData });
        message
    }

    /// The messages of all levels, outermost first, each without the next.
    pub fn levels(&self) -> Vec<M> {
        let mut levels = Vec::new();
        let mut next = Some(vec![self.encoded.as_slice()]);
        while let Some(parts) = next.take() {
            let (message, inner) = Self::level(parts);
            levels.push(message);
            next = inner;
        }
        levels
    }

    fn level(parts: Vec<&[u8]>) -> Level<'_, M> {
        split(parts).expect("this module checked the encoding, or made it")
    }
}

impl<M: Chained> From<M> for Nested<M> {
    fn from(message: M) -> Self {
        Nested::new(&message)
    }
}

impl<M> Default for Nested<M> {
    fn default() -> Self {
        Nested { encoded: Vec::new(), message: PhantomData }
    }
}

impl<M> Clone for Nested<M> {
    fn clone(&self) -> Self {
        Nested { encoded: self.encoded.clone(), message: PhantomData }
    }
}

impl<M> PartialEq for Nested<M> {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl<M> Eq for Nested<M> {}

impl<M> fmt::Debug for Nested<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.encoded.len())
    }
}

impl<M: Chained> Message for Nested<M> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.encoded);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if matches!(wire_type, WireType::StartGroup | WireType::EndGroup) {
            // The API has no groups; like everything that is not known, they are dropped.
            return skip_field(wire_type, tag, buffer, context);
        }
        let begin = self.encoded.len();
        encode_key(tag, wire_type, &mut self.encoded);
        let length = match wire_type {
            WireType::Varint => {
                encode_varint(decode_varint(buffer)?, &mut self.encoded);
                0
            }
            WireType::LengthDelimited => {
                let length = decode_varint(buffer)?;
                encode_varint(length, &mut self.encoded);
                usize::try_from(length).map_err(|_| malformed("a length beyond the message's end"))?
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        if length > buffer.remaining() {
            return Err(malformed("a length beyond the message's end"));
        }
        self.encoded.put(buffer.take(length));
        check::<M>(&self.encoded[begin..])
    }

    fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    fn clear(&mut self) {
        self.encoded.clear();
    }
}

/// Checks the encoding of a message and of all that it holds of its own kind.
fn check<M: Chained>(outermost: &[u8]) -> Result<(), DecodeError> {
    let mut level = vec![outermost];
    // The message that holds this one is the first of the chain.
    for _ in 1..MAX_CHAIN {
        match split::<M>(level)? {
            (_, Some(inner)) => level = inner,
            (_, None) => return Ok(()),
        }
    }
    Err(malformed(CHAIN_TOO_LONG))
}

/// A level of a chain, and the encoding of what is inside of it.
///
/// A field that is there twice counts as both together, as everywhere in this encoding; so a level comes in parts.
type Level<'a, M> = (M, Option<Vec<&'a [u8]>>);

/// Decodes one level.
fn split<M: Chained>(parts: Vec<&[u8]>) -> Result<Level<'_, M>, DecodeError> {
    let (mut message, mut inner) = (M::default(), Vec::new());
    for mut part in parts {
        while !part.is_empty() {
            match decode_key(&mut part)? {
                (tag, WireType::LengthDelimited) if tag == M::INNER => inner.push(cut(&mut part)?),
                (_, WireType::StartGroup | WireType::EndGroup) => return Err(malformed("a group")),
                (tag, wire_type) => message.merge_field(tag, wire_type, &mut part, DecodeContext::default())?,
            }
        }
    }
    Ok((message, Some(inner).filter(|inner| !inner.is_empty())))
}

/// Takes a length and what follows it off the front.
fn cut<'a>(part: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = decode_varint(part)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (inner, rest) = part.split_at_checked(length).ok_or_else(|| malformed("a length beyond the message's end"))?;
    *part = rest;
    Ok(inner)
}

/// Whether a message was refused for the length of a chain of failures in it.
pub fn is_too_long(error: &DecodeError) -> bool {
    error.to_string().ends_with(CHAIN_TOO_LONG)
}

#[expect(deprecated, reason = "the one way to refuse in an implementation of `Message`")]
fn malformed(what: &'static str) -> DecodeError {
    DecodeError::new(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
        history::v1::{ActivityTaskFailedEventAttributes, HistoryEvent, history_event::Attributes},
    };

    fn level(message: &str) -> Failure {
        let info = ApplicationFailureInfo { r#type: "T".into(), ..Default::default() };
        Failure {
            message: message.into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        }
    }

    /// A chain of that many failures, the innermost first.
    fn chain(length: usize) -> Failure {
        let first = level("1");
        (2..=length).fold(first, |cause, n| Failure { cause: Some(cause.into()), ..level(&n.to_string()) })
    }

    fn field(tag: u32, value: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        encode_key(tag, WireType::LengthDelimited, &mut wire);
        encode_varint(value.len() as u64, &mut wire);
        wire.extend_from_slice(value);
        wire
    }

    fn decode(wire: &[u8]) -> Result<Failure, String> {
        Failure::decode(wire).map_err(|error| error.to_string())
    }

    /// F3, F72: as deep as the limit, wherever the failure is, and with hardly any stack.
    #[test]
    fn what_is_accepted_is_read_again_at_any_depth() {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let all = || {
            for length in [1, 2, 96, 97, 98, 99, 100, 101, 3000, MAX_CHAIN] {
                let failure = chain(length);
                let wire = failure.encode_to_vec();
                let read = Failure::decode(wire.as_slice()).unwrap();
                assert_eq!(read, failure);
                assert_eq!(read.encode_to_vec(), wire);
                assert_eq!(read.cause.map_or(0, |cause| cause.levels().len()) + 1, length);
                let attributes = ActivityTaskFailedEventAttributes { failure: Some(failure), ..Default::default() };
                let attributes = Some(Attributes::ActivityTaskFailedEventAttributes(attributes));
                let event = HistoryEvent { attributes, ..Default::default() };
                assert_eq!(HistoryEvent::decode(event.encode_to_vec().as_slice()).unwrap(), event);
            }
        };
        thread.spawn(all).unwrap().join().unwrap();
    }

    #[test]
    fn a_longer_chain_is_refused_and_a_short_text_says_so() {
        let refused = Failure::decode(chain(MAX_CHAIN + 1).encode_to_vec().as_slice()).unwrap_err();
        assert!(is_too_long(&refused));
        assert!(refused.to_string().len() < 200, "{refused}");
        assert!(CHAIN_TOO_LONG.contains(&MAX_CHAIN.to_string()));
    }

    /// F3: what no decoder reads, and what would make one recurse, is refused where it comes in, at whatever level.
    #[test]
    fn bad_bytes_are_refused_at_every_level() {
        let truncated = [0x22, 0x7f, 0x0a];
        let not_text = field(1, &[0xff]);
        let wrong_type = [0x20, 0x01];
        let groups = [0x0b; 10_000];
        let unknown_groups = [0x3b; 10_000].repeat(8);
        let wrong_inside = field(5, &[0x0a, 0x7f]);
        for bad in [&truncated[..], &not_text, &wrong_type, &groups, &unknown_groups, &wrong_inside] {
            let mut wire = bad.to_vec();
            for level in 1..300 {
                wire = field(4, &wire);
                assert!(decode(&wire).is_err(), "level {level} of {:?}", &bad[..2]);
            }
        }
    }

    #[test]
    fn a_cause_that_is_there_twice_is_merged() {
        let (first, second) = (field(1, b"first"), field(3, b"stack"));
        let twice = [field(4, &first), field(4, &second)].concat();
        let cause = decode(&twice).unwrap().cause.unwrap().open();
        assert_eq!((cause.message.as_str(), cause.stack_trace.as_str()), ("first", "stack"));
        let deeper = decode(&field(4, &twice)).unwrap();
        let again = decode(&deeper.encode_to_vec()).unwrap();
        assert_eq!(again.cause.unwrap().levels().last(), Some(&cause));
    }

    /// The checks are linear: nobody makes a node busy with a few megabytes.
    #[test]
    fn unknown_fields_and_empty_causes_are_cheap() {
        let empty = [0x22, 0x00].repeat(1 << 20);
        decode(&field(4, &field(4, &empty))).unwrap();
        let unknown = [0xf8, 0x07, 0x01].repeat(1 << 20);
        decode(&field(4, &field(4, &unknown))).unwrap();
    }
}
