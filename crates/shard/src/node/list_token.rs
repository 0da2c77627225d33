//! The page token of a list over many shards.

use crate::{
    node::merge::After,
    seam::{question::Question, replica::ShardId},
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use tenure_api::error::{ApiError, Code};
use tenure_engine::codec::{self, field};
use tenure_limits::LIST_TOKEN;

/// Where the next page goes on at each shard that is not done. What a client gets of it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ListToken {
    /// Checksum of the question that the places belong to.
    #[n(0)]
    question: u64,
    #[n(1)]
    places: Vec<SharedPlace>,
}

/// A place, and the shards that stand there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct SharedPlace {
    #[cbor(n(0), with = "field")]
    after: Option<Bytes>,
    #[n(1)]
    shards: Vec<ShardId>,
}

/// The refusal of a page token, in the reference server's words.
pub fn malformed_page_token() -> ApiError {
    ApiError::invalid_argument("Invalid NextPageToken.")
}

fn checksum(question: &Question) -> u64 {
    let hash = blake3::hash(&codec::encode(question));
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash is longer"))
}

impl ListToken {
    pub(crate) fn new(question: &Question, places: Vec<(ShardId, After)>) -> ListToken {
        let mut shared: BTreeMap<After, Vec<ShardId>> = BTreeMap::new();
        for (shard, after) in places {
            shared.entry(after).or_default().push(shard);
        }
        let places = shared.into_iter().map(|(after, shards)| SharedPlace { after, shards }).collect();
        ListToken { question: checksum(question), places }
    }

    /// The token's content; empty when all shards are done.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if a client could not send it back.
    pub(crate) fn encode(&self) -> Result<Bytes, ApiError> {
        if self.places.is_empty() {
            return Ok(Bytes::new());
        }
        let content = codec::encode(self);
        if content.len() > LIST_TOKEN {
            let message = format!("the page token would have {} bytes, more than {LIST_TOKEN}", content.len());
            return Err(ApiError::new(Code::ResourceExhausted, message));
        }
        Ok(content)
    }

    /// The places in a token of this question over these shards. `None` for any other bytes.
    pub(crate) fn decode(content: &[u8], question: &Question, shards: &[ShardId]) -> Option<Vec<(ShardId, After)>> {
        let token: ListToken = codec::decode(content).ok()?;
        if token.question != checksum(question) || token.places.is_empty() {
            return None;
        }
        let places = token.places.into_iter();
        let places = places.flat_map(|place| place.shards.into_iter().map(move |shard| (shard, place.after.clone())));
        let places: Vec<_> = places.collect();
        let named: BTreeSet<ShardId> = places.iter().map(|(shard, _)| *shard).collect();
        let known = named.iter().all(|shard| shards.contains(shard));
        (known && named.len() == places.len()).then_some(places)
    }
}
