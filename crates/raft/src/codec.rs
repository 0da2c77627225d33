//! The codec of openraft's own types: a form byte, then bincode. They change only with the version of openraft, which is
//! pinned; what we persist ourselves is written by `tenure_engine::codec`, which lets values grow. All use of bincode sits
//! here.
//!
//! Bytes that are decoded may come from outside, so a length that they claim is never believed: what a value may claim
//! is bounded by how many bytes there are.

use crate::entry::malformed;
use bincode::config;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use tenure_limits::SMALL_VALUE;

/// Written first in every value; a reader refuses forms that it does not know.
const FORM: u8 = 1;

/// bincode counts a number as the bytes of its type, at most 16, and may write it as one.
const CLAIMED: usize = 16;

/// A membership of some hundred nodes has a few KiB.
const LARGEST: usize = 64 * SMALL_VALUE;

pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut buffer = Vec::with_capacity(128);
    buffer.push(FORM);
    bincode::serde::encode_into_std_write(value, &mut buffer, config::standard())
        .expect("writing to memory does not fail, and all of openraft's types are encodable");
    buffer.into()
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let Some((&FORM, body)) = bytes.split_first() else {
        return Err(malformed(format!("{bytes:?} is not of form {FORM}")));
    };
    // bincode's limit is a constant, so there are two, and the smallest that fits is taken.
    let (value, used) = match body.len() {
        length if length <= SMALL_VALUE => within::<T, { CLAIMED * SMALL_VALUE }>(body)?,
        length if length <= LARGEST => within::<T, { CLAIMED * LARGEST }>(body)?,
        length => return Err(malformed(format!("{length} bytes are more than any value has"))),
    };
    match body.len() - used {
        0 => Ok(value),
        left => Err(malformed(format!("{left} bytes are left over"))),
    }
}

/// Decodes a value that claims `CLAIM` bytes at most.
fn within<T: DeserializeOwned, const CLAIM: usize>(body: &[u8]) -> io::Result<(T, usize)> {
    bincode::serde::decode_from_slice(body, config::standard().with_limit::<CLAIM>()).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A length of 2^60, as the codec writes it, with little or nothing behind it.
    fn claims(prefix: &[u8]) -> Vec<u8> {
        [&[FORM], prefix, &[0xfd], &(1u64 << 60).to_le_bytes()].concat()
    }

    /// F1: a length field was believed, and the allocation ended the process.
    #[test]
    fn a_claimed_length_is_not_allocated() {
        fn refused<T: DeserializeOwned>(bytes: &[u8]) {
            assert!(decode::<T>(bytes).is_err());
        }
        refused::<String>(&claims(&[]));
        refused::<Bytes>(&claims(&[]));
        refused::<Vec<u64>>(&claims(&[]));
        refused::<Vec<String>>(&claims(&[1]));
        refused::<BTreeMap<String, String>>(&claims(&[1]));
        // Below 2^32, which might even be there to be allocated.
        refused::<Bytes>(&[&[FORM, 0xfc][..], &u32::MAX.to_le_bytes()].concat());
    }

    #[test]
    fn values_of_all_sizes_come_back() {
        for length in [0, 1, 250, SMALL_VALUE - 8, SMALL_VALUE, SMALL_VALUE + 1, LARGEST - 8] {
            let bytes = Bytes::from(vec![7; length]);
            assert_eq!(decode::<Bytes>(&encode(&bytes)).unwrap(), bytes);
        }
        for length in [0, 1, SMALL_VALUE, SMALL_VALUE + 1] {
            // Each takes one byte, and counts as sixteen.
            let numbers = vec![1u128; length];
            assert_eq!(decode::<Vec<u128>>(&encode(&numbers)).unwrap(), numbers);
        }
        assert!(decode::<Bytes>(&vec![FORM; LARGEST + 2]).is_err());
        assert!(decode::<Bytes>(&[]).is_err());
        assert!(decode::<Bytes>(&[2, 0]).is_err());
    }
}
