//! Jitter: a delay that is a function of the schedule and the time, the reference server's.

use crate::fingerprint::fingerprint32;
use jiff::{SignedDuration, Timestamp};

/// Seconds from the beginning of the year 1 to the epoch.
const EPOCH: i64 = 62_135_596_800;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// The time and a delay of less than `most` nanoseconds, in whole milliseconds. What is less than nothing is nothing, and
/// no delay is longer than 49 days.
pub(crate) fn jittered(nominal: Timestamp, most: i64, seed: &str) -> Timestamp {
    let most = (most.max(0) / NANOS_PER_MILLI).min(u32::MAX.into()) as u64;
    // The time as Go encodes it: a version, seconds, nanoseconds, and minutes from UTC, of which -1 is UTC itself.
    let mut bytes = vec![1];
    bytes.extend((nominal.as_second() + EPOCH).to_be_bytes());
    bytes.extend(nominal.subsec_nanosecond().to_be_bytes());
    bytes.extend((-1_i16).to_be_bytes());
    bytes.extend(seed.as_bytes());
    let delay = (u64::from(fingerprint32(&bytes)) * most) >> 32;
    nominal.checked_add(SignedDuration::from_millis(delay as i64)).unwrap_or(nominal)
}
