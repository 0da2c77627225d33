//! The task token of a query that is handed out on its own.

use crate::seam::replica::{NodeId, ShardId};
use minicbor::{Decode, Encode};
use tenure_engine::NamespaceId;

/// Finds the waiting query: its shard's leader, in that term.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueryToken {
    #[n(0)]
    pub namespace: NamespaceId,
    #[n(1)]
    pub shard: ShardId,
    #[n(2)]
    pub node: NodeId,
    #[n(3)]
    pub term: u64,
    #[n(4)]
    pub id: u64,
}

/// Told apart from a `TaskToken` by its first byte, which no form of the codec uses.
const TAG: u8 = b'Q';

impl QueryToken {
    pub fn encode(&self) -> bytes::Bytes {
        let mut bytes = vec![TAG];
        bytes.extend_from_slice(&tenure_engine::codec::encode(self));
        bytes.into()
    }

    /// `None` for bytes that are no token of ours.
    pub fn decode(bytes: &[u8]) -> Option<QueryToken> {
        tenure_engine::codec::decode(bytes.strip_prefix(&[TAG])?).ok()
    }
}
