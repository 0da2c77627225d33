//! The Temporal API as Rust types, generated from the descriptors that `temporalio-protos` publishes; and Tenure's own.
//!
//! Messages are the prost types themselves, from the wire to the disk. There is no second set of types: what several
//! crates have to know of them is said once, as methods of theirs ([`events`], of commands as well) and conversions
//! ([`time`]). The generated code is checked in: users compile neither generator nor
//! protocol definitions. `scripts/generate` writes it. Only what contains itself is written by hand: see [`nested`].

mod commands;
pub mod decoded;
pub mod error;
pub mod events;
pub mod nested;
pub mod text;
pub mod time;

#[allow(clippy::all, unreachable_pub, rust_2018_idioms, rustdoc::all)]
mod generated {
    include!("generated/mod.rs");
}
/// The responses that carry a history, as a server passes them on: the same on the wire, but history stays the encoded
/// [`history::v1::History`] that storage has.
pub use generated::encoded;
pub use generated::temporal::api::*;
/// Tenure's own API, beside Temporal's: `proto/tenure/api`.
pub use generated::tenure::api as tenure;

/// The encoded descriptor set of the Temporal API.
pub const TEMPORAL_DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

/// The encoded descriptor set of our own API: a file, which imports others of the Temporal API's.
const TENURE_DESCRIPTORS: &[u8] = include_bytes!("tenure.bin");

/// The encoded descriptor set of everything that this crate holds, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = &{
    // Sets of descriptors behind each other are one.
    let mut all = [0; TEMPORAL_DESCRIPTORS.len() + TENURE_DESCRIPTORS.len()];
    let (temporal, tenure) = all.split_at_mut(TEMPORAL_DESCRIPTORS.len());
    temporal.copy_from_slice(TEMPORAL_DESCRIPTORS);
    tenure.copy_from_slice(TENURE_DESCRIPTORS);
    all
};
