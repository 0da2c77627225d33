//! Times on the command line.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::time::Duration;

/// How times are written, for the help of each option that takes one.
pub(super) const FORMS: &str = "\
Times: 2026-11-30T02:30:00Z, with any offset, 2026-11-30 (its beginning in UTC), now, or a distance
from now: -2d, +90m.";

/// Reads a time.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return now.checked_sub(distance(ago)?).map_err(|error| error.to_string());
    }
    if let Some(ahead) = text.strip_prefix('+') {
        return now.checked_add(distance(ahead)?).map_err(|error| error.to_string());
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == "2026-11-30".len()
    {
        return date.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| "must be a time as 2026-11-30T02:30:00Z, 2026-11-30, now, -2d or +90m".to_owned())
}

fn distance(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A time in the API's form.
pub(super) fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// Reads a value, or the word `none`, which takes back what there was.
pub(super) fn or_none<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Unset<T>, String> {
    if text == "none" { Ok(Unset(None)) } else { parse(text).map(|value| Unset(Some(value))) }
}

/// A value, or none of it any more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unset<T>(pub(super) Option<T>);

pub(super) fn time_or_none(text: &str) -> Result<Unset<Timestamp>, String> {
    or_none(text, parse)
}

pub(super) fn duration_or_none(text: &str) -> Result<Unset<Duration>, String> {
    or_none(text, |text| humantime::parse_duration(text).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_days_or_distances() {
        let at = |text: &str| parse(text).unwrap().to_string();
        assert_eq!(at("2026-11-30T02:30:00+01:00"), "2026-11-30T01:30:00Z");
        assert_eq!(at("2026-11-30"), "2026-11-30T00:00:00Z");
        let ago = parse("now").unwrap().as_second() - parse("-2d").unwrap().as_second();
        let ahead = parse("+90m").unwrap().as_second() - parse("now").unwrap().as_second();
        assert!((2 * 86_400..2 * 86_400 + 5).contains(&ago) && (5400..5405).contains(&ahead), "{ago} {ahead}");
        for wrong in ["tomorrow", "12:00", "+", "-x", "2026-13-01", "2026-11-30T02:30:00"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time_or_none("none"), Ok(Unset(None)));
    }
}
