//! The wire form of rows: what a Raft entry and a batch of a snapshot carry.
//!
//! A version byte, then operations one after the other, so that two write sets are joined by joining their
//! operations. Keys are laid out by the leader, without incarnation: a replica only puts its own in front.
//!
//! ```text
//! operation = kind (u8), key length (varint), key, then
//!             for a put: value length (varint), value
//! ```

use crate::{StorageError, key};
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;
use tenure_engine::rows::{Op, SystemTable, WriteSet};

const VERSION: u8 = 1;

const PUT: u8 = 1;
const DELETE: u8 = 2;
// 3 added to a counter.

/// Encodes write sets as one, to be applied in this order.
pub fn encode<'a>(sets: impl IntoIterator<Item = &'a WriteSet>) -> Bytes {
    let mut encoder = Encoder::default();
    for op in sets.into_iter().flat_map(|set| &set.ops) {
        match op {
            Op::Put(key, value) => encoder.put(&key::portable(key), value),
            Op::Delete(key) => encoder.delete(&key::portable(key)),
        }
    }
    encoder.finish()
}

/// The keys of a system table's rows that an encoded write set puts or deletes.
pub fn system_keys(bytes: &[u8], table: SystemTable) -> Result<Vec<Arc<str>>, StorageError> {
    let prefix = key::portable_prefix(table);
    let mut keys = Vec::new();
    for op in Decoder::new(bytes)? {
        let (RawOp::Put { key, .. } | RawOp::Delete { key }) = op?;
        if let Some(key) = key.strip_prefix(&prefix[..]) {
            let key = std::str::from_utf8(key).map_err(|_| corrupt("a system row whose key is no text".into()))?;
            keys.push(key.into());
        }
    }
    Ok(keys)
}

/// Builds the wire form from keys that are laid out already.
#[derive(Debug)]
pub(crate) struct Encoder(BytesMut);

impl Default for Encoder {
    fn default() -> Self {
        let mut buffer = BytesMut::with_capacity(512);
        buffer.put_u8(VERSION);
        Encoder(buffer)
    }
}

impl Encoder {
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.head(PUT, key);
        self.varint(value.len());
        self.0.put_slice(value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.head(DELETE, key);
    }

    fn head(&mut self, kind: u8, key: &[u8]) {
        self.0.put_u8(kind);
        self.varint(key.len());
        self.0.put_slice(key);
    }

    fn varint(&mut self, mut n: usize) {
        while n >= 0x80 {
            self.0.put_u8(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.put_u8(n as u8);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

/// One operation as it lies in the wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawOp<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
}

/// Reads the operations of a wire form, without copying.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, StorageError> {
        match bytes.split_first() {
            Some((&VERSION, operations)) => Ok(Decoder(operations)),
            Some((version, _)) => Err(corrupt(format!("rows in form {version}, this build reads form {VERSION}"))),
            None => Err(corrupt("rows without a version".into())),
        }
    }

    fn op(&mut self) -> Option<RawOp<'a>> {
        let (&kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let key = self.bytes()?;
        match kind {
            PUT => Some(RawOp::Put { key, value: self.bytes()? }),
            DELETE => Some(RawOp::Delete { key }),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            length |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for Decoder<'a> {
    type Item = Result<RawOp<'a>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let op = self.op().ok_or_else(|| corrupt("rows that end in the middle of an operation".into()));
        if op.is_err() {
            self.0 = &[];
        }
        Some(op)
    }
}

fn corrupt(what: String) -> StorageError {
    StorageError::Corrupt(what)
}
