//! The one message of a request, as gRPC frames it: five bytes of head, then the message, perhaps compressed. Its size
//! is checked before it is gathered, what is gathered is counted, and unzipping stops at the limit.

use crate::budget::Slot;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use std::{io::Read, time::Duration};
use tenure_api::error::{ApiError, Code};
use tenure_limits::ARRIVAL;
use tokio::time::{error::Elapsed, timeout};
use tonic::{Status, body::Body};

const HEAD: usize = 5;

/// Bytes that are unzipped before others have a turn.
const PIECE: usize = 64 << 10;

/// How a message may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// What the request's headers announce; refused if it is not understood here.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Encoding, Status> {
        match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Encoding::Identity),
            Some(b"gzip") => Ok(Encoding::Gzip),
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                let message = format!("Content is compressed with `{other}` which isn't supported");
                let mut refused = Status::unimplemented(message);
                let known = tonic::metadata::MetadataValue::from_static("gzip,identity");
                refused.metadata_mut().insert("grpc-accept-encoding", known);
                Err(refused)
            }
        }
    }
}

/// Reads the message of a request: `limit` bytes at most, before and after it is unzipped. What it takes is counted in
/// the slot. `patience` is the caller's, if it told how long it waits.
pub(crate) async fn read(
    body: Body,
    encoding: Encoding,
    patience: Option<Duration>,
    limit: usize,
    slot: &mut Slot,
) -> Result<Bytes, ApiError> {
    let patience = patience.unwrap_or(ARRIVAL).min(ARRIVAL);
    let (compressed, message) = gather_within(patience, body, limit, slot).await?;
    match (compressed, encoding) {
        (false, _) => Ok(message),
        (true, Encoding::Gzip) => timeout(patience, unzip(message, limit, slot)).await.map_err(late)?,
        (true, Encoding::Identity) => Err(ApiError::internal(
            "protocol error: received message with compressed-flag but no grpc-encoding was specified",
        )),
    }
}

async fn gather_within(
    patience: Duration,
    body: Body,
    limit: usize,
    slot: &mut Slot,
) -> Result<(bool, Bytes), ApiError> {
    timeout(patience, gather(body, limit, slot)).await.map_err(late)?
}

fn late(_: Elapsed) -> ApiError {
    ApiError::new(Code::DeadlineExceeded, "the request did not arrive in time")
}

/// The message as it was sent, and whether it is compressed.
async fn gather(mut body: Body, limit: usize, slot: &mut Slot) -> Result<(bool, Bytes), ApiError> {
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|status| ApiError::new(Code::Cancelled, status.message()))?;
        // Trailers of a request say nothing.
        let Ok(data) = frame.into_data() else { continue };
        slot.grow(data.len())?;
        gathered.put(data);
        if let Some((head, message)) = gathered.split_first_chunk::<HEAD>() {
            let length = length(*head);
            if length > limit {
                let size = format!("({length} vs. {limit})");
                return Err(too_large(format!("grpc: received message larger than max {size}")));
            }
            if message.len() > length {
                return Err(ApiError::internal("more than one message in a request that has one"));
            }
        }
    }
    let Some((head, message)) = gathered.split_first_chunk::<HEAD>() else {
        return Err(ApiError::internal("Missing request message."));
    };
    if message.len() < length(*head) {
        return Err(ApiError::internal("Unexpected EOF decoding stream."));
    }
    let compressed = match head[0] {
        0 => false,
        1 => true,
        flag => {
            let message = format!("protocol error: received message with invalid compression flag: {flag}");
            return Err(ApiError::internal(message));
        }
    };
    gathered.advance(HEAD);
    Ok((compressed, gathered.freeze()))
}

fn length([_, length @ ..]: [u8; HEAD]) -> usize {
    u32::from_be_bytes(length) as usize
}

/// Piece by piece, and of large messages no more than a few at a time, so that neither memory nor the other requests of this
/// thread suffer from what a few bytes become.
async fn unzip(zipped: Bytes, limit: usize, slot: &mut Slot) -> Result<Bytes, ApiError> {
    let zipped_size = zipped.len();
    let mut unzipping = GzDecoder::new(zipped.reader());
    let mut message = BytesMut::new();
    let mut turn = None;
    loop {
        let begin = message.len();
        // One byte more than the limit tells that there is more.
        let piece = PIECE.min(limit + 1 - begin);
        slot.grow(piece)?;
        message.resize(begin + piece, 0);
        let read = unzipping.read(&mut message[begin..]);
        let read = read.map_err(|e| ApiError::internal(format!("Error decompressing: {e}, while sending request")))?;
        message.truncate(begin + read);
        slot.shrink(piece - read);
        if read == 0 {
            break;
        }
        if message.len() > limit {
            let refused = format!("grpc: received message after decompression larger than max {limit}");
            return Err(too_large(refused));
        }
        match turn {
            None if message.len() >= PIECE => turn = slot.unzip().await,
            _ => tokio::task::yield_now().await,
        }
    }
    slot.shrink(zipped_size);
    Ok(message.freeze())
}

/// The error for a message that is too large, in the words by which SDKs know it.
fn too_large(message: String) -> ApiError {
    ApiError::new(Code::ResourceExhausted, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Capacity};
    use flate2::{Compression, write::GzEncoder};
    use futures::{StreamExt, stream};
    use http_body_util::StreamBody;
    use std::{convert::Infallible, io::Write};

    const LIMIT: usize = 1 << 20;

    fn framed(flag: u8, length: usize, message: &[u8]) -> Vec<u8> {
        let mut framed = vec![flag];
        framed.extend_from_slice(&(length as u32).to_be_bytes());
        framed.extend_from_slice(message);
        framed
    }

    fn zipped(message: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads what arrives in frames of so many bytes, with a budget of so many.
    async fn read_in(sent: Vec<u8>, frame: usize, encoding: Encoding, bytes: usize) -> Result<Bytes, (Code, String)> {
        let frames: Vec<_> = sent.chunks(frame).map(Bytes::copy_from_slice).collect();
        let frames = stream::iter(frames).map(|data| Ok::<_, Infallible>(http_body::Frame::data(data)));
        let budget = Budget::new(Capacity { bytes, ..Capacity::default() });
        let mut slot = budget.enter().unwrap();
        let read = read(Body::new(StreamBody::new(frames)), encoding, None, LIMIT, &mut slot).await;
        read.map_err(|error| (error.code, error.message))
    }

    async fn refused(sent: Vec<u8>, encoding: Encoding, code: Code, words: &str) {
        for frame in [3, 16_384] {
            let error = read_in(sent.clone(), frame, encoding, 4 * LIMIT).await.unwrap_err();
            assert_eq!(error.0, code, "{error:?}");
            assert!(error.1.contains(words), "{error:?}");
        }
    }

    #[tokio::test]
    async fn messages_come_whole_however_they_are_cut() {
        for size in [0, 1, 10_000, LIMIT] {
            let message: Vec<u8> = (0..size).map(|n| (n * 7) as u8).collect();
            for frame in [5, 999, 16_384] {
                let plain = framed(0, size, &message);
                assert_eq!(read_in(plain, frame, Encoding::Identity, 4 * LIMIT).await.unwrap(), message);
                let zipped = zipped(&message);
                let zipped = framed(1, zipped.len(), &zipped);
                assert_eq!(read_in(zipped, frame, Encoding::Gzip, 4 * LIMIT).await.unwrap(), message);
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        use {Code::*, Encoding::*};
        refused(vec![], Identity, Internal, "Missing request message").await;
        refused(framed(0, 9, b"short"), Identity, Internal, "Unexpected EOF").await;
        refused(framed(0, 2, b"long"), Identity, Internal, "more than one message").await;
        refused(framed(7, 0, b""), Identity, Internal, "invalid compression flag: 7").await;
        refused(framed(1, 1, b"x"), Identity, Internal, "no grpc-encoding").await;
        refused(framed(1, 4, b"junk"), Gzip, Internal, "Error decompressing").await;
    }

    /// F6: what comes drop by drop does not hold its place for ever.
    #[tokio::test]
    async fn a_request_that_does_not_arrive_is_given_up() {
        let begun = stream::iter([Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(&[0, 0])))]);
        let body = Body::new(StreamBody::new(begun.chain(stream::pending())));
        let mut slot = Budget::new(Capacity::default()).enter().unwrap();
        let patience = Duration::from_millis(20);
        let error = gather_within(patience, body, LIMIT, &mut slot).await.unwrap_err();
        assert_eq!(error.code, Code::DeadlineExceeded, "{error:?}");
    }

    /// F6: the head tells that a message is too large; nothing of it is gathered.
    #[tokio::test]
    async fn a_large_message_is_refused_by_its_head() {
        let head = framed(0, LIMIT + 1, &[]);
        let words = format!("grpc: received message larger than max ({} vs. {LIMIT})", LIMIT + 1);
        refused(head, Encoding::Identity, Code::ResourceExhausted, &words).await;
    }

    /// F6: a gzip bomb is unzipped as far as the limit.
    #[tokio::test]
    async fn a_bomb_is_not_unzipped_beyond_the_limit() {
        let bomb = zipped(&vec![0; 64 * LIMIT]);
        let bomb = framed(1, bomb.len(), &bomb);
        let words = format!("grpc: received message after decompression larger than max {LIMIT}");
        refused(bomb, Encoding::Gzip, Code::ResourceExhausted, &words).await;
    }

    /// However many large messages wait for their turn, small ones are unzipped at once.
    #[tokio::test]
    async fn large_messages_are_unzipped_in_turns_and_small_ones_at_once() {
        let budget = Budget::new(Capacity::default());
        let mut slots = [(); 4].map(|()| budget.enter().unwrap());
        let [first, second, small, large] = &mut slots;
        let turns = [first.unzip().await, second.unzip().await];
        let sent = |size: usize| Bytes::from(zipped(&vec![7; size]));
        assert_eq!(unzip(sent(PIECE - 1), LIMIT, small).await.unwrap().len(), PIECE - 1);
        let mut unzipping = std::pin::pin!(unzip(sent(3 * PIECE), LIMIT, large));
        assert!(timeout(Duration::from_millis(20), &mut unzipping).await.is_err());
        drop(turns);
        assert_eq!(unzipping.await.unwrap().len(), 3 * PIECE);
    }

    /// F6: what is unzipped counts, not what was sent.
    #[tokio::test]
    async fn a_message_beyond_the_budget_is_refused_while_it_comes() {
        let message = zipped(&vec![0; LIMIT / 2]);
        let sent = framed(1, message.len(), &message);
        let error = read_in(sent, 16_384, Encoding::Gzip, LIMIT / 4).await.unwrap_err();
        assert_eq!(
            error,
            (Code::ResourceExhausted, "this node has as many bytes of requests in progress as it may".into())
        );
    }
}
