//! What the decoders of this crate make of any bytes, for the fuzz targets.

use crate::{
    Frontend, alone,
    budget::{Budget, Capacity},
    erased::Handler,
    json,
    message::{self, Encoding},
    rpc::Method,
    validate::Admission,
};
use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use std::{convert::Infallible, sync::LazyLock};
use tenure_api::decoded::Measured;
use tenure_engine::{Limits, NamespaceId, search_attributes::Registry, system::token_secret::TokenSecret};
use tenure_limits::DECODED;
use tenure_shard::TokenKey;
use tokio::runtime::Runtime;
use tonic::body::Body;
use uuid::Uuid;

static ALONE: LazyLock<(Runtime, Frontend)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let frontend = runtime.block_on(async { alone::frontend() });
    (runtime, frontend)
});

/// The largest message that is taken.
const LIMIT: usize = 64 << 10;

/// A request of the method that the first byte chooses: it is measured, decoded, checked, and encoded again as for a
/// forward.
pub fn request(bytes: &[u8]) {
    let Some((&chosen, message)) = bytes.split_first() else { return };
    let methods = Method::served();
    let (name, handler) = &methods[usize::from(chosen) % methods.len()];
    Measured::find(name).expect("a request of the API").size(message, DECODED);
    let message = Bytes::copy_from_slice(message);
    match handler {
        Handler::Led(decode) => {
            let Ok(mut request) = decode(message) else { return };
            let limits = Limits::default();
            let admission = Admission {
                namespace: NamespaceId(Uuid::nil()),
                search_attributes: Registry::default(),
                limits: &limits,
                token_key: TokenKey::new(TokenSecret([7; 32])),
            };
            let _ = (request.also_names(), request.search_attributes(), request.polling_worker());
            if request.admit(&admission, ALONE.1.shards()).is_ok() {
                decode(request.encode()).map(drop).expect("what was encoded can be decoded");
            }
        }
        Handler::Local(decode) => drop(decode(message)),
    }
}

/// A body of the route that the first byte chooses: what can be read can be written again, and then read.
pub fn json(bytes: &[u8]) {
    let Some((&chosen, body)) = bytes.split_first() else { return };
    json::round_trip(chosen.into(), body, LIMIT);
}

/// A message as it comes in, in frames: the first byte says how long they are and how the message is compressed.
pub fn framed(bytes: &[u8]) {
    let Some((&chosen, sent)) = bytes.split_first() else { return };
    let encoding = if chosen & 1 == 0 { Encoding::Identity } else { Encoding::Gzip };
    let length = usize::from(chosen >> 1) * 7 + 1;
    let frames: Vec<_> = sent.chunks(length).map(Bytes::copy_from_slice).map(http_body::Frame::data).collect();
    let body = Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Infallible>))));
    let mut slot = Budget::new(Capacity { bytes: 2 * LIMIT, ..Capacity::default() }).enter().expect("a place");
    let read = ALONE.0.block_on(message::read(body, encoding, None, LIMIT, &mut slot));
    assert!(read.is_err() || read.is_ok_and(|message| message.len() <= LIMIT));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_requests_is_replayed() {
        replay("requests", request);
    }

    #[test]
    fn the_corpus_of_json_is_replayed() {
        replay("json", super::json);
    }

    #[test]
    fn the_corpus_of_framed_is_replayed() {
        replay("framed", framed);
    }
}
