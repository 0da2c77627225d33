//! The one codec of persisted values and of what nodes say to each other: a version byte, then bincode. All use of
//! bincode sits here.
//!
//! Bytes that are decoded may come from outside, so a length that they claim is never believed: what a value may claim
//! is bounded by how many bytes there are. None of the types contains itself, so depth is bounded by the types.

use bincode::{config, error::DecodeError as Bincode};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tenure_limits::{FRAME, SMALL_VALUE};

/// Written first in every value; a reader refuses versions that it does not know.
const VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("empty value")]
    Empty,
    #[error("{0} bytes are more than any value has")]
    TooLong(usize),
    #[error("written in form {0}, this build reads form {VERSION}")]
    UnknownVersion(u8),
    #[error("{0}")]
    Malformed(#[from] Bincode),
    #[error("{0} bytes are left over")]
    Trailing(usize),
    #[error("{0} rows of pending things are missing")]
    MissingRows(usize),
    /// The row of one pending thing, named in words.
    #[error("{row}: {cause}")]
    Pending { row: String, cause: Box<DecodeError> },
}

pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut buffer = Vec::with_capacity(128);
    buffer.push(VERSION);
    bincode::serde::encode_into_std_write(value, &mut buffer, bincode::config::standard())
        .expect("writing to memory does not fail, and all our types are encodable");
    buffer.into()
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if version != VERSION {
        return Err(DecodeError::UnknownVersion(version));
    }
    // bincode's limit is a constant, so there are a few, and the smallest that fits is taken.
    let (value, used) = match body.len() {
        length if length <= SMALL_VALUE => within::<T, { CLAIMED * SMALL_VALUE }>(body)?,
        length if length <= MIDDLE_VALUE => within::<T, { CLAIMED * MIDDLE_VALUE }>(body)?,
        length if length <= FRAME => within::<T, { CLAIMED * FRAME }>(body)?,
        too_long => return Err(DecodeError::TooLong(too_long)),
    };
    match body.len() - used {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// bincode counts a number as the bytes of its type, at most 16, and may write it as one.
const CLAIMED: usize = 16;

/// Between a small value and the largest.
const MIDDLE_VALUE: usize = 64 * SMALL_VALUE;

const _: () = assert!(MIDDLE_VALUE < FRAME);

/// Decodes a value that claims `CLAIM` bytes at most.
fn within<T: DeserializeOwned, const CLAIM: usize>(body: &[u8]) -> Result<(T, usize), Bincode> {
    bincode::serde::decode_from_slice(body, config::standard().with_limit::<CLAIM>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A length of 2^60, as the codec writes it, with little or nothing behind it.
    fn claims(prefix: &[u8]) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(prefix);
        bytes.push(0xfd);
        bytes.extend_from_slice(&(1u64 << 60).to_le_bytes());
        bytes
    }

    /// F1: a length field was believed, and the allocation ended the process.
    #[test]
    fn a_claimed_length_is_not_allocated() {
        fn refused<T: DeserializeOwned>(bytes: &[u8]) {
            assert!(decode::<T>(bytes).is_err());
        }
        refused::<String>(&claims(&[]));
        refused::<Bytes>(&claims(&[]));
        refused::<Vec<u8>>(&claims(&[]));
        refused::<Vec<u64>>(&claims(&[]));
        refused::<Vec<String>>(&claims(&[1]));
        refused::<BTreeMap<String, String>>(&claims(&[1]));
        // Below 2^32, which might even be there to be allocated.
        let mut four_gigabytes = vec![VERSION, 0xfc];
        four_gigabytes.extend_from_slice(&u32::MAX.to_le_bytes());
        refused::<Bytes>(&four_gigabytes);
    }

    #[test]
    fn values_of_all_sizes_come_back() {
        for length in [0, 1, 250, SMALL_VALUE - 8, SMALL_VALUE, SMALL_VALUE + 1, MIDDLE_VALUE + 1] {
            let bytes = Bytes::from(vec![7; length]);
            assert_eq!(decode::<Bytes>(&encode(&bytes)).unwrap(), bytes);
            // Each takes one byte, and counts as sixteen.
            let numbers = vec![1u128; length];
            assert_eq!(decode::<Vec<u128>>(&encode(&numbers)).unwrap(), numbers);
        }
        assert!(matches!(decode::<Bytes>(&vec![VERSION; FRAME + 2]), Err(DecodeError::TooLong(_))));
    }
}
