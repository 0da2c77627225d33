//! What a node allows itself, whatever it is asked for. The API's own limits, which operators set, are elsewhere
//! (`tenure_engine::Limits`); these protect the process, and how they relate is asserted here.

mod memory;

pub use memory::{DEFAULT_MEMORY, LEAST_MEMORY, Memory};

/// Bytes of a client's request, and of the answer to one.
pub const MESSAGE: usize = 16 << 20;

/// Bytes of the rows in one Raft entry, encoded. What is larger goes in several entries or is refused.
pub const ENTRY: usize = 32 << 20;

/// Bytes of one message on the peer port: a forwarded request, or a frame with the entries of several groups.
pub const FRAME: usize = 64 << 20;

/// What surrounds the contents of a frame takes less.
pub const FRAMING: usize = 1 << 20;

const _: () = assert!(MESSAGE < ENTRY && ENTRY + FRAMING < FRAME);
