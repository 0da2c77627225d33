//! FarmHash's `Fingerprint32`, a hash of bytes that is the same everywhere and forever. The one crate that has it is of
//! 2016, and overflows.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// The fingerprint of 13 bytes or more.
pub(crate) fn fingerprint32(bytes: &[u8]) -> u32 {
    assert!(bytes.len() >= 13, "shorter ones have a fingerprint of another form");
    if bytes.len() <= 24 { short(bytes) } else { long(bytes) }
}

fn short(bytes: &[u8]) -> u32 {
    let (len, half) = (bytes.len(), bytes.len() / 2);
    let end = word(bytes, len - 4);
    let mut sum = word(bytes, half - 4).rotate_right(12).wrapping_add(end);
    let mut hash = word(bytes, half).wrapping_mul(C1).wrapping_add(len as u32);
    hash = mix(word(bytes, len - 8), hash).wrapping_add(sum);
    sum = sum.rotate_right(3).wrapping_add(word(bytes, len - 8));
    hash = mix(word(bytes, 0), hash).wrapping_add(sum);
    sum = sum.wrapping_add(end).rotate_right(12).wrapping_add(word(bytes, half));
    finish(mix(word(bytes, 4), hash).wrapping_add(sum))
}

fn long(bytes: &[u8]) -> u32 {
    let len = bytes.len();
    let from_end = |offset: usize| scramble(word(bytes, len - offset));
    let mut h = stir(stir(len as u32 ^ from_end(4)) ^ from_end(16));
    let mut g = (len as u32).wrapping_mul(C1);
    let mut f = g.wrapping_add(from_end(20)).rotate_right(19).wrapping_add(113);
    g = stir(stir(g ^ from_end(8)) ^ from_end(12));
    // The last bytes are in the hash already: the rest of a block of twenty is left out, and of full blocks the last.
    for block in bytes[..(len - 1) / 20 * 20].chunks_exact(20) {
        let [a, b, c, d, e] = [0, 4, 8, 12, 16].map(|at| word(block, at));
        h = mix(d, h.wrapping_add(a)).wrapping_add(e);
        g = mix(c, g.wrapping_add(b)).wrapping_add(a);
        f = mix(b.wrapping_add(e.wrapping_mul(C1)), f.wrapping_add(c)).wrapping_add(d).wrapping_add(g);
        g = g.wrapping_add(f);
    }
    let spread = |value: u32| value.rotate_right(11).wrapping_mul(C1).rotate_right(17).wrapping_mul(C1);
    for other in [spread(g), spread(f)] {
        h = stir(h.wrapping_add(other)).rotate_right(17).wrapping_mul(C1);
    }
    h
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn scramble(value: u32) -> u32 {
    value.wrapping_mul(C1).rotate_right(17).wrapping_mul(C2)
}

fn stir(hash: u32) -> u32 {
    hash.rotate_right(19).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn mix(value: u32, hash: u32) -> u32 {
    stir(hash ^ scramble(value))
}

fn finish(mut hash: u32) -> u32 {
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
