//! The one codec of persisted values: a version byte, then bincode. All use of bincode sits here.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// Written first in every value; a reader refuses versions that it does not know.
const VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("empty value")]
    Empty,
    #[error("written in form {0}, this build reads form {VERSION}")]
    UnknownVersion(u8),
    #[error("{0}")]
    Malformed(#[from] bincode::error::DecodeError),
    #[error("{0} bytes are left over")]
    Trailing(usize),
    #[error("{0} rows of pending things are missing")]
    MissingRows(usize),
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
    let (value, used) = bincode::serde::decode_from_slice(body, bincode::config::standard())?;
    match body.len() - used {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}
