//! The secret of the checksums by which the cluster recognizes its own tokens. It is made once, at random, and is the
//! same on every node.

use super::reply::SystemReply;
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

/// Shows the type's name alone, because the secret must not get into logs and error messages.
impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

fn key() -> RowKey {
    RowKey::System { table: SystemTable::Secret, key: "token".into() }
}

/// Records the secret, unless there is one already: that stays, because workers hold tokens with it.
pub(super) fn create(rows: &dyn StateReader, proposed: TokenSecret) -> Result<(SystemReply, WriteSet), Refused> {
    let ops = match read(rows)? {
        Some(_) => Vec::new(),
        None => vec![Op::Put(key(), codec::encode(&proposed))],
    };
    Ok((SystemReply::Done, WriteSet { ops }))
}

/// The cluster's secret; `None` until one is made.
pub fn read(rows: &dyn StateReader) -> Result<Option<TokenSecret>, ReadError> {
    let Some(value) = rows.get(&key())? else { return Ok(None) };
    codec::decode(&value).map(Some).map_err(|error| ReadError::corrupt(key(), error))
}
