//! What inputs and results hold: bytes that no server can make smaller.

use tenure_api::common::v1::{Payload, Payloads};

/// So many bytes, other ones for each seed; of none there is no payload.
pub fn payloads(bytes: usize, seed: u64) -> Option<Payloads> {
    if bytes == 0 {
        return None;
    }
    // Xorshift, which stays at zero once it is there.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(bytes);
    let metadata = [("encoding".to_owned(), "binary/plain".into())].into();
    Some(Payloads { payloads: vec![Payload { metadata, data: data.into(), ..Default::default() }] })
}
