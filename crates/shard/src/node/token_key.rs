//! Tokens that leave the cluster carry a keyed checksum: one that was made up or altered is refused before anything of
//! it is parsed. All tokens are sealed and opened here.
//!
//! ```text
//! sealed token = form (u8), checksum (32 bytes), content
//! ```

use crate::{
    node::{polled::Served, router::Router},
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        replica::{Rows, SYSTEM_SHARD},
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::{Arc, OnceLock};
use tenure_engine::{
    rows::ReadError,
    system::token_secret::{self, TokenSecret},
};
use tokio::time::Instant;

const FORM: u8 = 1;
const CHECKSUM: usize = blake3::OUT_LEN;
const HEAD: usize = 1 + CHECKSUM;

/// Seals and opens the cluster's tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenKey(TokenSecret);

/// What a token is good for. It is part of what the checksum covers, so that one is not taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// A worker's token of a task or of a query.
    Task = 1,
    /// The place where the next page of history begins.
    HistoryPage = 2,
    /// The place where the next page of namespaces begins.
    NamespacePage = 3,
    /// Where a page of a list over many shards goes on.
    ListPage = 4,
    /// What of an activity without a workflow is known to who waits for more.
    ActivityPoll = 5,
}

impl TokenKey {
    pub fn new(secret: TokenSecret) -> TokenKey {
        TokenKey(secret)
    }

    /// What a client gets of a token with this content. The empty token, which says that there is none, stays empty.
    pub fn seal(&self, purpose: TokenUse, content: &[u8]) -> Bytes {
        if content.is_empty() {
            return Bytes::new();
        }
        let mut sealed = BytesMut::with_capacity(HEAD + content.len());
        sealed.put_u8(FORM);
        sealed.put_slice(self.checksum(purpose, content).as_bytes());
        sealed.put_slice(content);
        sealed.freeze()
    }

    /// The content of a token that this cluster gave out for this purpose; `None` for any other bytes.
    pub fn open<'a>(&self, purpose: TokenUse, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (checksum, content) = sealed.strip_prefix(&[FORM])?.split_first_chunk::<CHECKSUM>()?;
        // Compared in constant time.
        (self.checksum(purpose, content) == *checksum).then_some(content)
    }

    fn checksum(&self, purpose: TokenUse, content: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.0.0).update(&[FORM, purpose as u8]).update(content).finalize()
    }
}

/// The key, once this node has read it. It never changes, so that rows of any age will do.
#[derive(Default)]
pub(crate) struct KnownKey(OnceLock<TokenKey>);

impl KnownKey {
    pub(crate) fn known(&self) -> Option<TokenKey> {
        self.0.get().copied()
    }

    fn read(&self, rows: &dyn Rows) -> Result<Option<TokenKey>, ReadError> {
        if self.0.get().is_none()
            && let Some(secret) = token_secret::read(rows)?
        {
            // Whoever was quicker read the same.
            let _ = self.0.set(TokenKey(secret));
        }
        Ok(self.0.get().copied())
    }

    /// The cluster's key. A node that has not got it yet waits for the system shard's leader, which makes it if nobody
    /// has; nothing is taken for a token of ours before that.
    pub(crate) async fn get(&self, router: &Arc<Router>, deadline: Instant) -> Result<TokenKey, NoLeader> {
        let no_leader = NoLeader { shard: SYSTEM_SHARD };
        let rows = router.replica(SYSTEM_SHARD).ok_or(no_leader)?.rows();
        let read = || {
            self.read(&*rows).map_err(|error| {
                tracing::error!(%error, "the key of tokens cannot be read");
                no_leader
            })
        };
        if let Some(key) = read()? {
            return Ok(key);
        }
        match router.ask_leader(SYSTEM_SHARD, Request::CreateTokenSecret, deadline).await? {
            Served::Answer(Answer::Done) => {}
            Served::Answer(Answer::Refused(error)) => {
                tracing::error!(%error, "the key of tokens cannot be made");
                return Err(no_leader);
            }
            _ => return Err(no_leader),
        }
        router.system_caught_up(deadline).await?;
        read()?.ok_or(no_leader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenKey = TokenKey(TokenSecret([7; 32]));
    const CONTENT: &[u8] = b"what a token says";

    #[test]
    fn a_sealed_token_opens() {
        let sealed = KEY.seal(TokenUse::Task, CONTENT);
        assert_eq!(KEY.open(TokenUse::Task, &sealed), Some(CONTENT));
        assert!(KEY.seal(TokenUse::Task, b"").is_empty());
    }

    /// F1: what was made up or altered does not get as far as being parsed.
    #[test]
    fn any_other_bytes_are_refused() {
        let sealed = KEY.seal(TokenUse::Task, CONTENT);
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(KEY.open(TokenUse::Task, &altered), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(KEY.open(TokenUse::Task, &sealed[..length]), None, "{length} bytes");
        }
        assert_eq!(KEY.open(TokenUse::Task, &[&sealed[..], b"x"].concat()), None);
        assert_eq!(KEY.open(TokenUse::Task, CONTENT), None);
        assert_eq!(KEY.open(TokenUse::HistoryPage, &sealed), None, "for another purpose");
        let another = TokenKey(TokenSecret([8; 32]));
        assert_eq!(another.open(TokenUse::Task, &sealed), None, "of another cluster");
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{KEY:?}"), "TokenKey(TokenSecret)");
    }
}
