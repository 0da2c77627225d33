//! What the decoders of this crate make of any bytes, for the fuzz targets.

use crate::{
    codec,
    entry::AppliedLog,
    members::{Report, Wanted},
    network::{Kind, decode_append},
    types::{TypeConfig, Vote},
};
use bytes::Bytes;
use openraft::raft::{AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest, VoteResponse};
use prost::Message;
use tenure_peer::proto::{RaftFrame, SnapshotChunk, SnapshotReply};

/// What comes on the stream of a peer or as a snapshot: requests, answers, and the entries in them.
pub fn frame(bytes: &[u8]) {
    if let Ok(frame) = RaftFrame::decode(bytes) {
        for message in frame.messages {
            match (Kind::from_number(message.kind), message.reply) {
                (Some(kind), false) => request(kind, message.body),
                (Some(kind), true) => answer(kind, &message.body),
                (None, _) => {}
            }
        }
    }
    if let Ok(chunk) = SnapshotChunk::decode(bytes) {
        let _ = codec::decode::<(Vote, AppliedLog)>(&chunk.header);
    }
    if let Ok(reply) = SnapshotReply::decode(bytes) {
        let _ = codec::decode::<SnapshotResponse<TypeConfig>>(&reply.body);
    }
}

fn request(kind: Kind, body: Bytes) {
    match kind {
        Kind::Append => drop(decode_append(body)),
        Kind::Vote | Kind::PreVote => drop(codec::decode::<VoteRequest<TypeConfig>>(&body)),
        Kind::TransferLeader => drop(codec::decode::<TransferLeaderRequest<TypeConfig>>(&body)),
        Kind::VotedTerm => {}
        Kind::Members => drop(codec::decode::<Wanted>(&body)),
    }
}

fn answer(kind: Kind, body: &[u8]) {
    match kind {
        Kind::Append => drop(codec::decode::<AppendEntriesResponse<TypeConfig>>(body)),
        Kind::Vote | Kind::PreVote => drop(codec::decode::<VoteResponse<TypeConfig>>(body)),
        // It says nothing.
        Kind::TransferLeader => {}
        Kind::VotedTerm => drop(codec::decode::<u64>(body)),
        Kind::Members => drop(codec::decode::<Report>(body)),
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_frames_is_replayed() {
        replay("frames", frame);
    }
}
