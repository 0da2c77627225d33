//! Times and durations for people.

use prost_types::{Duration as ProtoDuration, Timestamp};
use std::time::{Duration, SystemTime};
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

/// A duration in its two largest units.
pub(crate) fn span(duration: Duration) -> String {
    let (seconds, ms) = (duration.as_secs(), duration.subsec_millis());
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, unit: &str, small: u64, less: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit} {small}{less}"),
    };
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{ms}ms"),
        (0, 0, 0, 1..10) => {
            format!("{:.1}s", f64::from(u32::try_from(duration.as_millis()).unwrap_or_default() / 100) / 10.0)
        }
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => two(minutes, "m", seconds % 60, "s"),
        (0, hours, minutes, _) => two(hours, "h", minutes, "m"),
        (days, hours, ..) => two(days, "d", hours, "h"),
    }
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
    fn spans_have_two_units_at_most() {
        let shown = [0, 7, 999, 1000, 1250, 59_900, 61_000, 3_600_000, 3_723_000, 90_061_000, 31_536_000_000];
        let shown = shown.map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(shown, ["0ms", "7ms", "999ms", "1.0s", "1.2s", "59s", "1m 1s", "1h", "1h 2m", "1d 1h", "365d"]);
    }

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
