//! Time as the engine sees it: an argument, never a clock.

use minicbor::{Decode, Encode};
use std::time::Duration;

/// Nanoseconds since the Unix epoch, by the clock of the shard's leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub i64);

impl Timestamp {
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// This time plus `d`, saturating.
    #[must_use]
    pub fn plus(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this; zero if this is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The time from `earlier` to this; negative if this is before it.
    pub fn signed_since(self, earlier: Timestamp) -> prost_types::Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        prost_types::Duration { seconds: nanos / 1_000_000_000, nanos: (nanos % 1_000_000_000) as i32 }
    }

    /// This time, rounded to the nearest millisecond.
    #[must_use]
    pub fn to_millis(self) -> Timestamp {
        Timestamp(self.0.saturating_add(500_000).div_euclid(1_000_000).saturating_mul(1_000_000))
    }

    pub fn to_proto(self) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: self.0.div_euclid(1_000_000_000),
            nanos: self.0.rem_euclid(1_000_000_000) as i32,
        }
    }

    /// Converts the API's form of a time; saturates outside of the years 1677 to 2262.
    pub fn from_proto(t: &prost_types::Timestamp) -> Timestamp {
        Timestamp(t.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(t.nanos)))
    }
}
