//! Messages to one peer on their way into frames.
//!
//! Groups take turns, and a large body goes in pieces, so that no frame is larger than [`FRAME_BYTES`] and a piece, and
//! what one group sends in bulk does not keep back the others. Short messages for which order does not matter
//! (heartbeats, votes) go ahead of everything else.

use crate::proto::{RaftFrame, RaftMessage};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, HashMap, VecDeque};
use tenure_limits::{ENTRY, FRAMING};

/// A frame is closed when it holds this many messages or bytes.
const FRAME_MESSAGES: usize = 512;
const FRAME_BYTES: usize = 1 << 20;

/// A longer body goes in several messages.
const PIECE: usize = 256 << 10;

/// Groups whose bodies may be under way in pieces at once: what the receiver has to hold.
const BEGUN: usize = 2;

/// Bytes of one body.
pub(crate) const BODY: usize = ENTRY + FRAMING;

/// Bytes that may wait for one peer; a single body is always taken.
const QUEUE: usize = 2 * BODY;

const _: () = assert!(FRAME_BYTES + PIECE + FRAMING < tenure_limits::FRAME);

/// What a withdrawn message ends with.
const WITHDRAWN: &str = "withdrawn";

/// The place of a message in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behind what its group has sent before.
    Group,
    /// Ahead of all bulk.
    Ahead,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLarge,
    Full,
}

/// What waits for one peer.
#[derive(Default)]
pub(crate) struct Outgoing {
    ahead: VecDeque<RaftMessage>,
    groups: BTreeMap<u32, Queue>,
    /// Groups that have something waiting, in the order of their turns.
    turns: VecDeque<u32>,
    /// Groups of which a body is under way in pieces.
    begun: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<RaftMessage>,
    /// A piece of the first message has gone already.
    begun: bool,
}

impl Outgoing {
    pub(crate) fn push(&mut self, message: RaftMessage, order: Order) -> Result<(), Refused> {
        let size = message.body.len();
        if size > BODY {
            return Err(Refused::TooLarge);
        }
        if self.bytes > 0 && self.bytes + size > QUEUE {
            return Err(Refused::Full);
        }
        self.bytes += size;
        if order == Order::Ahead && size <= PIECE {
            self.ahead.push_back(message);
            return Ok(());
        }
        let queue = self.groups.entry(message.shard).or_default();
        if queue.messages.is_empty() {
            self.turns.push_back(message.shard);
        }
        queue.messages.push_back(message);
        Ok(())
    }

    /// The next frame; `None` while nothing waits. `wanted` tells of a correlation whether somebody still waits for the
    /// answer.
    pub(crate) fn next_frame(&mut self, wanted: impl Fn(u64) -> bool) -> Option<RaftFrame> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < FRAME_MESSAGES
            && bytes < FRAME_BYTES
            && let Some(message) = self.ahead.pop_front()
        {
            self.bytes -= message.body.len();
            if wanted(message.correlation) {
                bytes += message.body.len();
                messages.push(message);
            }
        }
        // Groups that had to be passed over in this frame.
        let mut passed = 0;
        while messages.len() < FRAME_MESSAGES && bytes < FRAME_BYTES && passed < self.turns.len() {
            let Some(shard) = self.turns.pop_front() else { break };
            match self.next_of(shard, &wanted) {
                Turn::Passed => {
                    passed += 1;
                    self.turns.push_back(shard);
                    continue;
                }
                Turn::Dropped => {}
                Turn::Piece(message) => {
                    passed = 0;
                    bytes += message.body.len();
                    messages.push(message);
                }
            }
            match self.groups.get(&shard).is_some_and(|queue| !queue.messages.is_empty()) {
                true => self.turns.push_back(shard),
                false => drop(self.groups.remove(&shard)),
            }
        }
        (!messages.is_empty()).then_some(RaftFrame { messages })
    }

    fn next_of(&mut self, shard: u32, wanted: impl Fn(u64) -> bool) -> Turn {
        let Some(queue) = self.groups.get_mut(&shard) else { return Turn::Dropped };
        let Some(first) = queue.messages.front_mut() else { return Turn::Dropped };
        if !wanted(first.correlation) {
            self.bytes -= first.body.len();
            let withdrawn = RaftMessage { body: Bytes::new(), error: WITHDRAWN.into(), ..first.clone() };
            queue.messages.pop_front();
            if !std::mem::take(&mut queue.begun) {
                return Turn::Dropped;
            }
            self.begun -= 1;
            return Turn::Piece(withdrawn);
        }
        if first.body.len() <= PIECE {
            self.bytes -= first.body.len();
            self.begun -= usize::from(std::mem::take(&mut queue.begun));
            return queue.messages.pop_front().map_or(Turn::Dropped, Turn::Piece);
        }
        if !queue.begun && self.begun == BEGUN {
            return Turn::Passed;
        }
        self.begun += usize::from(!std::mem::replace(&mut queue.begun, true));
        self.bytes -= PIECE;
        let body = first.body.split_to(PIECE);
        Turn::Piece(RaftMessage { body, more: true, ..first.clone() })
    }
}

enum Turn {
    Piece(RaftMessage),
    /// Nobody waits for the message any more.
    Dropped,
    /// It has to wait until another group's body is through.
    Passed,
}

/// Bodies that arrive in pieces.
#[derive(Default)]
pub(crate) struct Incoming(HashMap<u64, BytesMut>);

/// A peer that does not keep to the rules of this file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unruly;

impl Incoming {
    /// The message, once its body is here as a whole; `None` before, and for one that was withdrawn.
    pub(crate) fn take(&mut self, mut message: RaftMessage) -> Result<Option<RaftMessage>, Unruly> {
        if !message.more && !self.0.contains_key(&message.correlation) {
            return Ok(Some(message));
        }
        if !message.more && message.error == WITHDRAWN {
            self.0.remove(&message.correlation);
            return Ok(None);
        }
        if self.0.len() == BEGUN && !self.0.contains_key(&message.correlation) {
            return Err(Unruly);
        }
        let parts = self.0.entry(message.correlation).or_default();
        if parts.len() + message.body.len() > BODY {
            return Err(Unruly);
        }
        parts.extend_from_slice(&message.body);
        if message.more {
            return Ok(None);
        }
        message.body = self.0.remove(&message.correlation).unwrap_or_default().freeze();
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn message(shard: u32, correlation: u64, size: usize) -> RaftMessage {
        let body = (0..size).map(|n| (n as u64 * 7 + correlation) as u8).collect::<Vec<_>>().into();
        RaftMessage { shard, correlation, kind: 1, body, ..Default::default() }
    }

    /// Frames until nothing waits any more.
    fn drain(outgoing: &mut Outgoing, wanted: impl Fn(u64) -> bool) -> Vec<RaftFrame> {
        std::iter::from_fn(|| outgoing.next_frame(&wanted)).collect()
    }

    fn size(frame: &RaftFrame) -> usize {
        frame.messages.iter().map(|m| m.body.len()).sum()
    }

    /// F2: the largest entries of all groups travel in frames of limited size, and arrive as they were, in order.
    #[test]
    fn large_bodies_go_in_pieces_and_come_back() {
        let mut outgoing = Outgoing::default();
        let sizes = [BODY, 0, PIECE, PIECE + 1, 3 * PIECE];
        let sent: Vec<_> = (1..).zip(sizes).map(|(n, size)| message(n % 3, u64::from(n), size)).collect();
        for message in &sent {
            outgoing.push(message.clone(), Order::Group).unwrap();
        }
        let mut incoming = Incoming::default();
        let mut got = Vec::new();
        for frame in drain(&mut outgoing, |_| true) {
            assert!(size(&frame) <= FRAME_BYTES + PIECE);
            for message in frame.messages {
                got.extend(incoming.take(message).unwrap());
            }
        }
        for shard in 0..3 {
            let of =
                |messages: &[RaftMessage]| messages.iter().filter(|m| m.shard == shard).cloned().collect::<Vec<_>>();
            assert!(of(&got) == of(&sent), "shard {shard}");
        }
        assert_eq!((outgoing.bytes, outgoing.begun), (0, 0));
        assert!(incoming.0.is_empty() && outgoing.groups.is_empty());
    }

    /// F2: bulk of one group never delays the heartbeats, or the small entries, of another.
    #[test]
    fn bulk_of_one_group_keeps_nobody_back() {
        let mut outgoing = Outgoing::default();
        for (correlation, shard) in [(1, 1), (2, 2), (3, 3)] {
            outgoing.push(message(shard, correlation, ENTRY / 2), Order::Group).unwrap();
        }
        drop(outgoing.next_frame(|_| true).unwrap());
        outgoing.push(message(4, 4, 1000), Order::Group).unwrap();
        outgoing.push(message(1, 5, 100), Order::Ahead).unwrap();
        let frames = [(); 2].map(|()| outgoing.next_frame(|_| true).unwrap());
        assert_eq!(frames[0].messages[0].correlation, 5, "a heartbeat goes ahead, even of its own group's bulk");
        assert!(frames.iter().flat_map(|frame| &frame.messages).any(|message| message.correlation == 4));
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent_on() {
        let mut outgoing = Outgoing::default();
        let mut incoming = Incoming::default();
        for (correlation, shard) in [(1, 1), (2, 2), (3, 3)] {
            outgoing.push(message(shard, correlation, 8 << 20), Order::Group).unwrap();
        }
        let mut wanted = HashSet::from([1, 2, 3]);
        for message in outgoing.next_frame(|c| wanted.contains(&c)).unwrap().messages {
            assert_eq!(incoming.take(message), Ok(None));
        }
        wanted.remove(&1);
        let (mut bytes, mut whole) = (0, Vec::new());
        for frame in drain(&mut outgoing, |c| wanted.contains(&c)) {
            bytes += size(&frame);
            for message in frame.messages {
                whole.extend(incoming.take(message).unwrap().map(|message| message.correlation));
            }
        }
        assert_eq!(whole, [2, 3]);
        assert!(bytes < 16 << 20 && incoming.0.is_empty());
    }

    #[test]
    fn there_are_limits() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.push(message(1, 1, BODY + 1), Order::Group), Err(Refused::TooLarge));
        outgoing.push(message(1, 2, BODY), Order::Group).unwrap();
        outgoing.push(message(1, 3, BODY), Order::Group).unwrap();
        assert_eq!(outgoing.push(message(2, 4, 1), Order::Group), Err(Refused::Full));
        let mut incoming = Incoming::default();
        let piece = |correlation| RaftMessage { more: true, ..message(1, correlation, PIECE) };
        for _ in 0..BODY / PIECE {
            assert_eq!(incoming.take(piece(1)), Ok(None));
        }
        assert_eq!(incoming.take(piece(1)), Err(Unruly), "a body without end");
        assert_eq!(incoming.take(piece(2)), Ok(None));
        assert_eq!(incoming.take(piece(3)), Err(Unruly), "more at once than is ever sent");
    }
}
