//! What a run knows of resets: of the one that created it, and of those that took its place.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resets {
    /// The latest run that a reset made of this one.
    pub run_id: Option<Uuid>,
    /// Of the request that created this run by a reset.
    pub request_id: Option<Arc<str>>,
    /// The last event that this run has in common with the one that was reset.
    pub kept_to: i64,
    /// When this run was created by a reset.
    pub at: Option<Timestamp>,
    /// Start of the run that was reset first.
    pub original_started_at: Option<Timestamp>,
}
