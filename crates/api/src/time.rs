//! Times and durations between the API's form and Rust's.

use prost_types::{Duration as ProtoDuration, Timestamp as ProtoTimestamp};
use std::time::{Duration, SystemTime};

/// The error for a negative duration, which no option may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("negative duration")]
pub struct NegativeDuration;

/// Reads a duration option of a request or command; zero and absent both mean "not set".
pub fn optional_duration(duration: Option<&ProtoDuration>) -> Result<Option<Duration>, NegativeDuration> {
    let Some(d) = duration else { return Ok(None) };
    let seconds = u64::try_from(d.seconds).map_err(|_| NegativeDuration)?;
    let nanos = u64::try_from(d.nanos).map_err(|_| NegativeDuration)?;
    let duration = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos));
    Ok(Some(duration).filter(|d| !d.is_zero()))
}

/// The API's form of a duration, saturating.
pub fn duration_to_proto(duration: Duration) -> ProtoDuration {
    ProtoDuration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos() as i32,
    }
}

/// Reads a duration of an event or a response, zero if it says so; `None` for one that is absent or negative.
pub fn duration_from_proto(duration: Option<ProtoDuration>) -> Option<Duration> {
    duration.and_then(|duration| duration.try_into().ok())
}

/// Reads a time of an event or a response; `None` for one that is absent or that the system's clock cannot show.
pub fn time_from_proto(time: Option<ProtoTimestamp>) -> Option<SystemTime> {
    time.and_then(|time| time.try_into().ok())
}

/// A duration in its two largest units, for people.
pub fn span(duration: Duration) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back_as_they_went() {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::new(3, 999_999_999)] {
            let proto = duration_to_proto(duration);
            assert_eq!(duration_from_proto(Some(proto)), Some(duration));
            assert_eq!(optional_duration(Some(&proto)), Ok(Some(duration).filter(|d| !d.is_zero())));
        }
        assert_eq!(duration_to_proto(Duration::MAX).seconds, i64::MAX);
    }

    #[test]
    fn what_is_negative_is_no_duration() {
        for negative in [ProtoDuration { seconds: -1, nanos: 0 }, ProtoDuration { seconds: 0, nanos: -1 }] {
            assert_eq!(optional_duration(Some(&negative)), Err(NegativeDuration));
            assert_eq!(duration_from_proto(Some(negative)), None);
        }
        assert_eq!((optional_duration(None), duration_from_proto(None)), (Ok(None), None));
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let shown = [0, 7, 999, 1000, 1250, 59_900, 61_000, 3_600_000, 3_723_000, 90_061_000, 31_536_000_000];
        let shown = shown.map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(shown, ["0ms", "7ms", "999ms", "1.0s", "1.2s", "59s", "1m 1s", "1h", "1h 2m", "1d 1h", "365d"]);
    }
}
