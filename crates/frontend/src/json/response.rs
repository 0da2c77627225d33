//! Responses, whole or in pieces: a large one is written as its client takes it.

use super::{
    encode::{Malformed, Writer},
    forms::Form,
    routes::Route,
    text::Indent,
};
use crate::budget::Slot;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tenure_api::error::ApiError;
use tonic::{Response, body::Body};

/// Bytes of a response that are written before they are sent; a single value may be larger.
const PIECE: usize = 64 << 10;

/// A response whose JSON is there.
pub(super) fn whole(json: Bytes, form: Form) -> http::Response<Body> {
    let json = if form.pretty { Indent::default().piece(&json).into() } else { json };
    let mut response = http::Response::new(Body::new(Full::from(json).map_err(|never| match never {})));
    response.headers_mut().insert(CONTENT_TYPE, form.content_type());
    response
}

/// A response with its message, which holds the request's place until it is sent.
pub(super) fn respond(
    route: &Route,
    response: Response<Bytes>,
    form: Form,
    slot: Slot,
) -> Result<http::Response<Body>, ApiError> {
    let (metadata, message, extensions) = response.into_parts();
    let held = message.len();
    let mut pieces =
        Pieces { writer: None, indent: form.pretty.then(Indent::default), next: None, failed: false, slot, held };
    let begun = Writer::new(&route.output, message, form.shorthand);
    let (writer, out) = begun.map_err(|error| ApiError::internal(error.to_string()))?;
    pieces.writer = Some(writer);
    pieces.write(out);
    if pieces.failed {
        return Err(ApiError::internal(Malformed.to_string()));
    }
    let mut response = http::Response::new(Body::new(pieces));
    *response.headers_mut() = metadata.into_headers();
    response.headers_mut().insert(CONTENT_TYPE, form.content_type());
    *response.extensions_mut() = extensions;
    Ok(response)
}

/// The body of a response.
struct Pieces {
    /// Gone once all is written.
    writer: Option<Writer>,
    indent: Option<Indent>,
    /// What is written and not sent.
    next: Option<Bytes>,
    failed: bool,
    slot: Slot,
    /// Bytes of the message.
    held: usize,
}

impl Pieces {
    /// Writes the next piece behind what is there of it.
    fn write(&mut self, mut out: Vec<u8>) {
        let Some(writer) = &mut self.writer else { return };
        match writer.fill(&mut out, PIECE) {
            Ok(true) => {}
            Ok(false) => self.writer = None,
            Err(Malformed) => {
                self.writer = None;
                self.failed = true;
            }
        }
        let piece = match &mut self.indent {
            Some(indent) => indent.piece(&out),
            None => out,
        };
        let message = if self.writer.is_some() { self.held } else { 0 };
        self.slot.answer(message + piece.len());
        self.next = Some(piece.into());
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Malformed;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Malformed>>> {
        if self.next.is_none() {
            self.write(Vec::with_capacity(PIECE));
        }
        if self.failed {
            // The response has begun: all that can be told is that it is not whole.
            return Poll::Ready(Some(Err(Malformed)));
        }
        Poll::Ready(self.next.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.writer.is_none() && self.next.is_none() && !self.failed
    }

    fn size_hint(&self) -> SizeHint {
        let next = self.next.as_ref().map_or(0, Bytes::len) as u64;
        match self.writer {
            None => SizeHint::with_exact(next),
            Some(_) => {
                let mut hint = SizeHint::new();
                hint.set_lower(next);
                hint
            }
        }
    }
}
