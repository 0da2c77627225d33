//! What the decoders of this crate make of any bytes, for the fuzz targets.

use crate::{
    key::{Family, KeyReader},
    write_set::{Decoder, RawOp},
};
use bytes::Bytes;
use prost::Message;
use tenure_api::history::v1::History;
use tenure_engine::{
    codec,
    info::ExecutionInfo,
    outbox::OutboxMessage,
    proto::event_in,
    rows::{CurrentRun, ReadyTask},
    state::ExecutionState,
};

/// Rows as an entry or a chunk of a snapshot carries them: their keys, and their values as each kind of row.
pub fn rows(bytes: &[u8]) {
    let Ok(operations) = Decoder::new(bytes) else { return };
    for operation in operations.map_while(Result::ok) {
        match operation {
            RawOp::Put { key, value } => {
                read_key(key);
                read_value(value);
            }
            RawOp::Delete { key } => read_key(key),
        }
    }
}

fn read_key(key: &[u8]) {
    let _ = Family::of(key);
    let reader = || {
        let mut reader = KeyReader::new(key);
        reader.u8();
        reader
    };
    let _ = (reader().queue(), reader().message(), reader().due(), reader().i64());
}

fn read_value(value: &[u8]) {
    let pending = || Ok::<_, ()>(vec![(1, Bytes::copy_from_slice(value))]);
    let _ = ExecutionState::decode(value, || Ok(Some(Bytes::copy_from_slice(value))), |_| pending());
    let _ = codec::decode::<ExecutionInfo>(value);
    let _ = codec::decode::<CurrentRun>(value);
    let _ = codec::decode::<ReadyTask>(value);
    let _ = codec::decode::<OutboxMessage>(value);
    let chunk = Bytes::copy_from_slice(value);
    let _ = History::decode(chunk.clone());
    let _ = event_in(&chunk, 2);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_rows_is_replayed() {
        replay("rows", rows);
    }
}
