//! The secret by which the cluster knows its own tokens again. Made once, at random, and the same on every node.

use super::SystemReply;
use crate::{
    codec,
    rows::{Op, ReadError, RowKey, StateReader, SystemTable, WriteSet},
    transition::types::Refused,
};
use minicbor::{Decode, Encode};
use std::fmt;

/// The key of the checksums that tokens carry.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct TokenSecret(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// Logs and error messages do not show it.
impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

fn key() -> RowKey {
    RowKey::System { table: SystemTable::Secret, key: "token".into() }
}

/// Records the secret, unless there is one: that stays, for tokens are with workers already.
pub(super) fn create(rows: &dyn StateReader, proposed: TokenSecret) -> Result<(SystemReply, WriteSet), Refused> {
    let ops = match read(rows)? {
        Some(_) => Vec::new(),
        None => vec![Op::Put(key(), codec::encode(&proposed))],
    };
    Ok((SystemReply::Done, WriteSet { ops }))
}

/// The cluster's secret; `None` before one was made.
pub fn read(rows: &dyn StateReader) -> Result<Option<TokenSecret>, ReadError> {
    let Some(value) = rows.get(&key())? else { return Ok(None) };
    codec::decode(&value).map(Some).map_err(|error| ReadError::corrupt(key(), error))
}
