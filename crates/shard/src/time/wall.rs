//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};
use tenure_engine::Timestamp;

/// What the wall clock shows.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
