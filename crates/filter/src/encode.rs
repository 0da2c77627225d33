//! Values as bytes that compare as the values do. No encoding is the beginning of another, so that more may follow.

use crate::{Value, evaluate::is_null, words::words};
use tenure_limits::INDEXED_VALUE;

/// Before a value, and in its place where there is none: what is missing comes after all values.
const VALUE: u8 = 1;
const NULL: u8 = 2;

/// What a position begins with.
pub(crate) const OPEN: u8 = 0;
pub(crate) const CLOSED: u8 = 1;

/// After the bytes of a text: it ends here, or what follows was cut off. A zero within a text is `ZERO`.
const END: [u8; 2] = [0, 1];
const CUT: [u8; 2] = [0, 2];
const ZERO: [u8; 2] = [0, 0xff];

/// A value in an order, or in an index of an attribute with one value: what is equal has the same key, and of texts all
/// that begin with the same `INDEXED_VALUE` bytes. A list goes by its least member.
pub fn key(value: Value<'_>) -> Vec<u8> {
    if is_null(value) {
        return vec![NULL];
    }
    let mut key = vec![VALUE];
    match value {
        Value::Null => {}
        Value::Bool(value) => key.push(value.into()),
        Value::Int(number) | Value::Datetime(number) => key.extend(int(number)),
        Value::Double(number) => key.extend(double(number)),
        Value::Keyword(text) | Value::Text(text) => put_text(&mut key, text),
        Value::KeywordList(list) => put_text(&mut key, list.iter().min().map_or("", String::as_str)),
    }
    key
}

/// The keys that an index has for a record's value: one, but of a list one for each member, and of a text one for each
/// word. Sorted, without repetition.
pub fn keys(value: Value<'_>) -> Vec<Vec<u8>> {
    let text_keys = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| key(Value::Keyword(text))).collect();
    let mut keys: Vec<_> = match value {
        Value::KeywordList(list) if !list.is_empty() => text_keys(&mut list.iter().map(String::as_str)),
        Value::Text(text) => text_keys(&mut words(text).iter().map(String::as_str)),
        other => vec![key(other)],
    };
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A run's place in the order of lists: those that run come first, then those that were closed last, of these those that
/// were started last, and then by run id, which is the last of the bytes.
pub fn position(closed: Option<i64>, started: i64, run_id: [u8; 16]) -> Vec<u8> {
    let descending = |time: i64| int(time).map(|byte| !byte);
    let mut position = vec![if closed.is_some() { CLOSED } else { OPEN }];
    position.extend(closed.into_iter().flat_map(descending));
    position.extend(descending(started));
    position.extend(run_id);
    position
}

/// A range of keys, and of whatever follows them: from `start`, up to `end` without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    /// Whether it has only one key.
    pub is_point: bool,
}

impl KeyRange {
    pub(crate) fn point(key: Vec<u8>) -> KeyRange {
        KeyRange { end: after(&key), start: key, is_point: true }
    }

    pub(crate) fn between(start: Vec<u8>, end: Vec<u8>) -> KeyRange {
        KeyRange { start, end, is_point: false }
    }

    pub(crate) fn values() -> KeyRange {
        KeyRange::between(vec![VALUE], vec![NULL])
    }

    pub(crate) fn null() -> KeyRange {
        KeyRange::point(vec![NULL])
    }

    /// All keys.
    pub fn all() -> KeyRange {
        KeyRange::between(vec![VALUE], vec![NULL + 1])
    }

    /// Keys of texts that begin so; the flag tells whether all of these do.
    pub(crate) fn prefix(prefix: &str) -> (KeyRange, bool) {
        let bytes = prefix.as_bytes();
        let kept = &bytes[..bytes.len().min(INDEXED_VALUE)];
        let mut start = vec![VALUE];
        put_escaped(&mut start, kept);
        (KeyRange::between(start.clone(), after(&start)), kept.len() == bytes.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && *key < *self.end
    }
}

/// Whether a key tells all of a text.
pub(crate) fn is_whole(text: &str) -> bool {
    text.len() <= INDEXED_VALUE
}

/// The least bytes after all that begin with these. A key begins with a small byte, so there are some.
pub(crate) fn after(bytes: &[u8]) -> Vec<u8> {
    let kept = bytes.iter().rposition(|byte| *byte != 0xff).map_or(0, |at| at + 1);
    let mut next = bytes[..kept].to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1;
    }
    next
}

/// When the run was closed and when it was started, as its position tells; `None` if that is no position.
pub fn times_of(position: &[u8]) -> Option<(Option<i64>, i64)> {
    let (tag, mut rest) = position.split_first()?;
    let mut time = || {
        let (bytes, after) = rest.split_first_chunk()?;
        rest = after;
        Some((!u64::from_be_bytes(*bytes) ^ (1 << 63)).cast_signed())
    };
    let closed = if *tag == CLOSED { Some(time()?) } else { None };
    Some((closed, time()?))
}

fn int(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn double(number: f64) -> [u8; 8] {
    // Both zeros are one.
    let bits = (number + 0.0).to_bits();
    let flipped = if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits };
    flipped.to_be_bytes()
}

fn put_text(key: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    put_escaped(key, &bytes[..bytes.len().min(INDEXED_VALUE)]);
    key.extend(if is_whole(text) { END } else { CUT });
}

fn put_escaped(key: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            0 => key.extend(ZERO),
            byte => key.push(*byte),
        }
    }
}
