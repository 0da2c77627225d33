//! The one codec of rows, tokens and messages between nodes: a form byte, then CBOR.
//!
//! Fields and variants go by number, so that a value can grow without touching what is written already:
//! - A new field takes the next number and is an `Option`, or `#[cbor(default)]`: what was written before lacks it.
//! - A number is never used twice, and what a number means never changes. A field that is no longer needed stays as a
//!   gap.
//! - A build passes over fields that it does not know. It would lose them when it writes the value again, and it cannot
//!   read variants that it does not know, so neither is written below the [feature level](crate::FeatureLevel) that
//!   brought it.
//!
//! `tests/forms.rs` keeps bytes of every form that was ever written.
//!
//! Bytes that are decoded may come from outside, so a length that they claim is never believed: collections grow as their
//! elements are found. None of the types contains itself, so depth is bounded by the types.

pub mod field;

use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode};
use tenure_limits::FRAME;

/// The form that is written, the first byte of every value; a reader refuses forms that it does not know. Form 1 was
/// bincode, which could not grow.
const FORM: u8 = 2;

/// The reason why bytes are no value of the wanted type.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("empty value")]
    Empty,
    #[error("{0} bytes are more than any value has")]
    TooLong(usize),
    #[error("written in form {0}, this build reads form {FORM}")]
    UnknownForm(u8),
    #[error("{0}")]
    Malformed(#[from] minicbor::decode::Error),
    #[error("{0} bytes are left over")]
    Trailing(usize),
    #[error("the row of what the start fixed is missing")]
    MissingInfo,
    #[error("{0} rows of pending things are missing")]
    MissingRows(usize),
    /// A row beside the core row is broken; `row` names it in words.
    #[error("{row}: {cause}")]
    Row { row: String, cause: Box<DecodeError> },
}

/// Whether the value is what a reader takes an absent field for: `#[cbor(skip_if = "is_default")]` leaves such a field
/// out at the end of a value.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Encodes a value in the current form.
pub fn encode<T: Encode<()>>(value: &T) -> Bytes {
    let mut buffer = Vec::with_capacity(128);
    buffer.push(FORM);
    minicbor::encode(value, &mut buffer).expect("writing to memory does not fail, and all our types are encodable");
    buffer.into()
}

/// Reads what [`encode`] of this build or of an earlier one wrote.
pub fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (&form, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if form != FORM {
        return Err(DecodeError::UnknownForm(form));
    }
    if body.len() > FRAME {
        return Err(DecodeError::TooLong(body.len()));
    }
    let mut decoder = Decoder::new(body);
    let value = decoder.decode()?;
    match body.len() - decoder.position() {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, sync::Arc};

    /// F1: a length field was believed, and the allocation ended the process.
    #[test]
    fn a_claimed_length_is_not_allocated() {
        #[derive(Debug, Encode, Decode)]
        struct Text(#[cbor(n(0), with = "field")] Arc<str>);
        #[derive(Debug, Encode, Decode)]
        struct Blob(#[cbor(n(0), with = "field")] Bytes);
        fn refused<T: for<'b> Decode<'b, ()>>(head: &[u8]) {
            for claimed in [u64::from(u32::MAX), 1 << 60] {
                let bytes = [&[FORM], head, &claimed.to_be_bytes(), &[0]].concat();
                assert!(decode::<T>(&bytes).is_err());
            }
        }
        // The first byte of bytes, text, an array and a map whose length takes eight bytes.
        let [bytes, text, array, map]: [u8; 4] = [0x5b, 0x7b, 0x9b, 0xbb];
        refused::<String>(&[text]);
        refused::<Text>(&[0x81, text]);
        refused::<Blob>(&[0x81, bytes]);
        refused::<Vec<u64>>(&[array]);
        refused::<Vec<String>>(&[0x81, text]);
        refused::<BTreeMap<String, String>>(&[map]);
    }

    /// A value of a later build is read, and one of an earlier build.
    #[test]
    fn unknown_fields_are_passed_over_and_missing_ones_are_absent() {
        #[derive(Debug, PartialEq, Encode, Decode)]
        struct Old {
            #[n(0)]
            a: i64,
        }
        #[derive(Debug, PartialEq, Encode, Decode)]
        struct New {
            #[n(0)]
            a: i64,
            #[cbor(n(1), with = "field")]
            b: Option<Arc<str>>,
            #[n(2)]
            #[cbor(default)]
            c: Vec<Option<String>>,
        }
        let new = New { a: 7, b: Some("b".into()), c: vec![None, Some("c".into())] };
        assert_eq!(decode::<New>(&encode(&new)).unwrap(), new);
        assert_eq!(decode::<Old>(&encode(&new)).unwrap(), Old { a: 7 });
        assert_eq!(decode::<New>(&encode(&Old { a: 7 })).unwrap(), New { a: 7, b: None, c: vec![] });
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert!(matches!(decode::<i64>(&[]), Err(DecodeError::Empty)));
        assert!(matches!(decode::<i64>(&[1, 0]), Err(DecodeError::UnknownForm(1))));
        assert!(matches!(decode::<i64>(&[FORM, 0, 0]), Err(DecodeError::Trailing(1))));
        assert!(matches!(decode::<i64>(&[FORM]), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<i64>(&vec![FORM; FRAME + 2]), Err(DecodeError::TooLong(_))));
    }
}
