//! Times and durations for people.

use prost_types::{Duration as ProtoDuration, Timestamp};
use std::time::{Duration, SystemTime};
pub(crate) use tenure_api::time::span;
use tenure_api::time::{duration_from_proto, time_from_proto};

/// A time in UTC, to the second; empty for none.
pub(crate) fn stamp(time: Option<Timestamp>) -> String {
    format(time, "%Y-%m-%d %H:%M:%S")
}

/// A time in UTC, to the millisecond; empty for none.
pub(crate) fn exact(time: Option<Timestamp>) -> String {
    format(time, "%Y-%m-%d %H:%M:%S%.3f")
}

fn format(time: Option<Timestamp>, form: &str) -> String {
    let time = time.filter(is_set).and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok());
    time.map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

/// Whether it is a time at all: servers also say none with the first moment of their clocks, of 1970 or of the year 1.
fn is_set(time: &Timestamp) -> bool {
    time.seconds > 0
}

/// A duration in its two largest units; empty for none.
pub(crate) fn optional(duration: Option<ProtoDuration>) -> String {
    duration_from_proto(duration).map(span).unwrap_or_default()
}

/// A time-out; the API's zero is none.
pub(crate) fn timeout(duration: Option<ProtoDuration>) -> String {
    duration_from_proto(duration).filter(|it| !it.is_zero()).map(span).unwrap_or_default()
}

/// How far a time is from `now`: `in 5s` or `5s ago`; empty for none.
pub(crate) fn distance(time: Option<Timestamp>, now: SystemTime) -> String {
    let Some(time) = time_from_proto(time.filter(is_set)) else { return String::new() };
    match time.duration_since(now) {
        Ok(ahead) => format!("in {}", span(ahead)),
        Err(behind) => format!("{} ago", span(behind.duration())),
    }
}

/// From one time to another; `None` if one is missing or they are the wrong way round.
pub(crate) fn between(from: Option<Timestamp>, to: SystemTime) -> Option<Duration> {
    to.duration_since(time_from_proto(from)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_absent_ones_are_empty() {
        let time = Some(Timestamp { seconds: 1_764_444_386, nanos: 78_900_000 });
        assert_eq!((stamp(time), exact(time)), ("2025-11-29 19:26:26".into(), "2025-11-29 19:26:26.078".into()));
        assert_eq!((stamp(None), stamp(Some(Timestamp::default()))), (String::new(), String::new()));
        let year_one = Some(Timestamp { seconds: -62_135_596_800, nanos: 0 });
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_444_390);
        assert_eq!((stamp(year_one), distance(year_one, now)), (String::new(), String::new()));
        assert_eq!(distance(time, now), "3.9s ago");
    }
}
