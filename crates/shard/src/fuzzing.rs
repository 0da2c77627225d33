//! What the decoders of this crate make of any bytes, for the fuzz targets.

use crate::{
    PageToken, QueryToken, TokenKey, TokenUse,
    node::list_token::ListToken,
    seam::messages::{Answer, Request},
};
use tenure_engine::{codec, system::token_secret::TokenSecret, token::TaskToken};

/// A token, as a client hands it back, and as it is inside.
pub fn token(bytes: &[u8]) {
    let key = TokenKey::new(TokenSecret([7; 32]));
    for purpose in [TokenUse::Task, TokenUse::HistoryPage, TokenUse::NamespacePage, TokenUse::ListPage] {
        assert_eq!(key.open(purpose, bytes), None, "nobody has sealed it");
        let sealed = key.seal(purpose, bytes);
        assert_eq!(key.open(purpose, &sealed).unwrap_or_default(), bytes);
    }
    if let Some(token) = TaskToken::decode(bytes) {
        assert_eq!(TaskToken::decode(&token.encode()), Some(token));
    }
    if let Some(token) = QueryToken::decode(bytes) {
        assert_eq!(QueryToken::decode(&token.encode()), Some(token));
    }
    if let Some(token) = PageToken::decode(bytes) {
        assert_eq!(PageToken::decode(&token.encode()), Some(token));
    }
    if let Ok(token) = codec::decode::<ListToken>(bytes) {
        assert_eq!(codec::decode::<ListToken>(&codec::encode(&token)).ok(), Some(token));
    }
}

/// What leaders and nodes ask each other, and answer.
pub fn message(bytes: &[u8]) {
    let _ = codec::decode::<Request>(bytes);
    let _ = codec::decode::<Answer>(bytes);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_tokens_is_replayed() {
        replay("tokens", token);
    }

    #[test]
    fn the_corpus_of_messages_is_replayed() {
        replay("messages", message);
    }
}
