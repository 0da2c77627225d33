//! The resets that a run knows: the one that created it, and those that replaced it.

use crate::{codec::field, time::Timestamp};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use uuid::Uuid;

/// The resets that a run knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Resets {
    /// The latest run that a reset made of this one.
    #[cbor(n(0), with = "field")]
    pub run_id: Option<Uuid>,
    /// The id of the request that created this run by a reset.
    #[cbor(n(1), with = "field")]
    pub request_id: Option<Arc<str>>,
    /// The last event that this run has in common with the one that was reset.
    #[n(2)]
    pub kept_to: i64,
    /// The time when this run was created by a reset.
    #[n(3)]
    pub at: Option<Timestamp>,
    /// The start of the run that was reset first.
    #[n(4)]
    pub original_started_at: Option<Timestamp>,
}
