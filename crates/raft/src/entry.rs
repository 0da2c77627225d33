//! Bytes of log entries, of log ids, and of what a replica remembers of its applied log.
//!
//! ```text
//! entry = kind (u8), term (u64, little-endian), payload
//! ```
//! The index is the row's key on disk, and follows from the position in a message.

use crate::{
    codec,
    types::{Entry, EntryPayload, LogId, Payload, SnapshotMeta, StoredMembership, log_id},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::io;
use tenure_storage::Applied;

const BLANK: u8 = 1;
const NORMAL: u8 = 2;
const MEMBERSHIP: u8 = 3;

const HEAD: usize = 9;

pub(crate) fn encode(entry: &Entry) -> Bytes {
    let (kind, payload) = match &entry.payload {
        EntryPayload::Blank => (BLANK, Bytes::new()),
        EntryPayload::Normal(Payload(bytes)) => (NORMAL, bytes.clone()),
        EntryPayload::Membership(membership) => (MEMBERSHIP, codec::encode(membership)),
    };
    let mut row = BytesMut::with_capacity(HEAD + payload.len());
    row.put_u8(kind);
    row.put_u64_le(entry.log_id.leader_id.term);
    row.put(payload);
    row.freeze()
}

pub(crate) fn decode(index: u64, mut row: Bytes) -> io::Result<Entry> {
    if row.len() < HEAD {
        return Err(malformed(format!("log entry {index} has {} bytes", row.len())));
    }
    let kind = row.get_u8();
    let term = row.get_u64_le();
    let payload = match kind {
        BLANK => EntryPayload::Blank,
        NORMAL => EntryPayload::Normal(Payload(row)),
        MEMBERSHIP => EntryPayload::Membership(codec::decode(&row)?),
        other => return Err(malformed(format!("log entry {index} is of kind {other}, unknown to this build"))),
    };
    Ok(Entry { log_id: log_id(term, index), payload })
}

/// Bytes that an entry takes in messages and caches, roughly.
pub(crate) fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(Payload(bytes)) => HEAD + bytes.len(),
        EntryPayload::Blank => HEAD,
        EntryPayload::Membership(_) => 256,
    }
}

pub(crate) fn malformed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

/// What a replica remembers with its rows: the log id up to which they are applied, and the membership there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AppliedLog {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl AppliedLog {
    pub(crate) fn from_row(row: Option<Applied>) -> io::Result<AppliedLog> {
        row.map_or_else(|| Ok(AppliedLog::default()), |applied| codec::decode(&applied.meta))
    }

    pub(crate) fn to_row(&self) -> Applied {
        Applied { index: self.index(), meta: codec::encode(self) }
    }

    /// Zero if nothing is applied.
    pub(crate) fn index(&self) -> u64 {
        self.last.map_or(0, |log_id| log_id.index)
    }

    pub(crate) fn snapshot_meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last, last_membership: self.membership.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::{EmptyNode, Membership};
    use std::collections::{BTreeMap, BTreeSet};

    fn membership() -> Membership<u64, EmptyNode> {
        let nodes: BTreeMap<u64, EmptyNode> = [1, 2, 3].map(|id| (id, EmptyNode::new())).into();
        Membership::new(vec![BTreeSet::from([1, 2, 3])], nodes).unwrap()
    }

    #[test]
    fn entries_come_back() {
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Payload(Bytes::from_static(b"rows"))),
            EntryPayload::Membership(membership()),
        ] {
            let entry = Entry { log_id: log_id(7, 42), payload };
            assert_eq!(decode(42, encode(&entry)).unwrap(), entry);
        }
        assert!(decode(1, Bytes::from_static(b"short")).is_err());
        assert!(decode(1, Bytes::from_static(b"\x09aaaabbbb")).is_err());
    }

    #[test]
    fn the_applied_log_comes_back() {
        let applied = AppliedLog {
            last: Some(log_id(3, 9)),
            membership: StoredMembership::new(Some(log_id(1, 1)), membership()),
        };
        assert_eq!(AppliedLog::from_row(Some(applied.to_row())).unwrap(), applied);
        assert_eq!(AppliedLog::from_row(None).unwrap(), AppliedLog::default());
    }
}
