//! Join tokens: with one a new node finds a cluster and is let in, without a list of addresses and without another command.
//!
//! A token names the cluster, some of its nodes, and the time until which it is good, under a checksum that only members can
//! make. Nothing of it is stored: whoever has the cluster's secret can check it.

use crate::proto::{JoinTokenBody, MemberInfo};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

/// What a token begins with, so that people know it when they see it.
const PREFIX: &str = "tenure-join-1-";

/// Keeps these checksums apart from all others that are made with the same secret.
const PURPOSE: &str = "tenure 2026-11-30 join tokens";

/// What members make and check tokens with.
#[derive(Clone)]
pub struct JoinKey([u8; 32]);

impl JoinKey {
    /// The key that a cluster with this secret has.
    pub fn of(secret: &[u8; 32]) -> JoinKey {
        JoinKey(blake3::derive_key(PURPOSE, secret))
    }
}

/// Shows the type's name alone, because whoever has the key is let in.
impl fmt::Debug for JoinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinKey")
    }
}

/// A join token, be it good or not.
#[derive(Clone, PartialEq)]
pub struct JoinToken {
    cluster_id: Uuid,
    expires_ms: u64,
    nodes: BTreeMap<u64, String>,
    checksum: [u8; 32],
}

/// Why a token does not let a node in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinTokenError {
    #[error("it is no join token: `tenure cluster token` makes one")]
    Malformed,
    #[error("the join token is of cluster {theirs}, and this is {ours}: make one with `tenure cluster token` here")]
    OtherCluster { theirs: Uuid, ours: Uuid },
    #[error("the join token was not made by this cluster: make one with `tenure cluster token`")]
    MadeUp,
    #[error("the join token has expired: make another one with `tenure cluster token`")]
    Expired,
}

impl JoinToken {
    /// A token that is good until `expires_ms`, Unix time, and names these nodes with their peer addresses.
    pub fn new(key: &JoinKey, cluster_id: Uuid, expires_ms: u64, nodes: BTreeMap<u64, String>) -> JoinToken {
        let token = JoinToken { cluster_id, expires_ms, nodes, checksum: [0; 32] };
        JoinToken { checksum: *token.checksum(key).as_bytes(), ..token }
    }

    pub fn cluster_id(&self) -> Uuid {
        self.cluster_id
    }

    /// The nodes that it names, with their peer addresses.
    pub fn nodes(&self) -> &BTreeMap<u64, String> {
        &self.nodes
    }

    /// Whether it lets a node into this cluster at this time. Without the key that is not known yet.
    pub fn check(&self, ours: Uuid, key: Option<&JoinKey>, now_ms: u64) -> Result<bool, JoinTokenError> {
        if self.cluster_id != ours {
            return Err(JoinTokenError::OtherCluster { theirs: self.cluster_id, ours });
        }
        let Some(key) = key else { return Ok(false) };
        // Compared in constant time.
        if self.checksum(key) != self.checksum {
            return Err(JoinTokenError::MadeUp);
        }
        if now_ms > self.expires_ms { Err(JoinTokenError::Expired) } else { Ok(true) }
    }

    fn checksum(&self, key: &JoinKey) -> blake3::Hash {
        blake3::keyed_hash(&key.0, &self.body(&[]).encode_to_vec())
    }

    fn body(&self, checksum: &[u8]) -> JoinTokenBody {
        let nodes = self.nodes.iter().map(|(node_id, peer_address)| MemberInfo {
            node_id: *node_id,
            identity: Default::default(),
            peer_address: peer_address.clone(),
        });
        JoinTokenBody {
            cluster_id: self.cluster_id.as_bytes().to_vec().into(),
            expires_ms: self.expires_ms,
            nodes: nodes.collect(),
            checksum: checksum.to_vec().into(),
        }
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(self.body(&self.checksum).encode_to_vec()))
    }
}

/// Shows no more than whose it is: a log must not let anybody in.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken of {}", self.cluster_id)
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<JoinToken, JoinTokenError> {
        let malformed = JoinTokenError::Malformed;
        let bytes = text.trim().strip_prefix(PREFIX).filter(|text| text.len() <= tenure_limits::JOIN_TOKEN);
        let bytes = URL_SAFE_NO_PAD.decode(bytes.ok_or(malformed)?).map_err(|_| malformed)?;
        let body = JoinTokenBody::decode(&bytes[..]).map_err(|_| malformed)?;
        Ok(JoinToken {
            cluster_id: Uuid::from_slice(&body.cluster_id).map_err(|_| malformed)?,
            expires_ms: body.expires_ms,
            nodes: body.nodes.into_iter().map(|node| (node.node_id, node.peer_address)).collect(),
            checksum: body.checksum[..].try_into().map_err(|_| malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn token(key: &JoinKey) -> JoinToken {
        JoinToken::new(key, OURS, 1000, [(1, "one:7234".into()), (2, "two:7234".into())].into())
    }

    #[test]
    fn who_is_let_in_by_a_token() {
        let key = JoinKey::of(&[7; 32]);
        let text = token(&key).to_string();
        let read: JoinToken = text.parse().unwrap();
        assert_eq!((read.cluster_id(), read.nodes().get(&2).map(String::as_str)), (OURS, Some("two:7234")));
        assert_eq!(read.check(OURS, Some(&key), 1000), Ok(true));
        assert_eq!(read.check(OURS, None, 1000), Ok(false), "not known yet");
        assert_eq!(read.check(OURS, Some(&key), 1001), Err(JoinTokenError::Expired));
        let other = Err(JoinTokenError::OtherCluster { theirs: OURS, ours: OTHER });
        assert_eq!(read.check(OTHER, Some(&key), 1000), other);
        assert_eq!(read.check(OURS, Some(&JoinKey::of(&[8; 32])), 1000), Err(JoinTokenError::MadeUp));
        let longer = JoinToken { expires_ms: 9000, ..read };
        assert_eq!(longer.check(OURS, Some(&key), 1000), Err(JoinTokenError::MadeUp));
        assert!(!format!("{longer:?} {key:?}").contains(&text[20..40]));
    }

    /// A token never gets longer than what is read of one.
    #[test]
    fn what_is_no_token() {
        let text = token(&JoinKey::of(&[7; 32])).to_string();
        let long = format!("{PREFIX}{}", "A".repeat(tenure_limits::JOIN_TOKEN + 1));
        for no in ["", "x", PREFIX, &text[1..], &text[..text.len() - 4], &long] {
            assert_eq!(no.parse::<JoinToken>(), Err(JoinTokenError::Malformed), "{no:?}");
        }
    }
}
