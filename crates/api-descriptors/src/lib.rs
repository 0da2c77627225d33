//! The descriptor set of the Temporal API, as `temporalio-protos` publishes it.
//!
//! A crate of its own because cargo tells that path only to crates that depend on `temporalio-protos` at run
//! time, and that crate has tokio below it: `tenure-api` depends on this one at build time only, so that the
//! engine stays free of it.

/// An encoded `google.protobuf.FileDescriptorSet` with all imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
