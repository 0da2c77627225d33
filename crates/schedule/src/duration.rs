//! Durations: as `@every` has them (Go's notation, and `d` for days), and those of the API.

use prost_types::Duration;

const NANOS: i128 = 1_000_000_000;
/// The seconds that a duration of the API may have, in either direction.
const MAX_SECONDS: i64 = 315_576_000_000;

/// Nanoseconds of a duration, up to what Go's durations can say (292 years).
pub(crate) fn nanos(duration: Option<&Duration>) -> i64 {
    let Some(duration) = duration else { return 0 };
    let nanos = i128::from(duration.seconds) * NANOS + i128::from(duration.nanos);
    nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Refuses what is no duration of the API, with the reason.
pub(crate) fn check(duration: &Duration) -> Result<(), String> {
    let Duration { seconds, nanos } = *duration;
    let reason = if seconds < -MAX_SECONDS {
        "exceeds -10000 years"
    } else if seconds > MAX_SECONDS {
        "exceeds +10000 years"
    } else if nanos.unsigned_abs() >= NANOS as u32 {
        "has out-of-range nanos"
    } else if seconds.signum() * i64::from(nanos.signum()) < 0 {
        "has seconds and nanos with different signs"
    } else {
        return Ok(());
    };
    let parts = [("seconds", seconds), ("nanos", i64::from(nanos))];
    let parts: Vec<String> =
        parts.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}:{value}")).collect();
    Err(format!("proto: duration ({}) {reason}", parts.join(" ")))
}

/// Reads a sum of numbers with units, such as `1d12h` or `-1.5h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = days_as_hours(text);
    let nanos = parse_go(&text)?;
    Ok(Duration { seconds: nanos / NANOS as i64, nanos: (nanos % NANOS as i64) as i32 })
}

/// The text with each number of days as a number of hours; messages repeat that one.
fn days_as_hours(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(end) = rest.find('d') {
        let bytes = &rest.as_bytes()[..end];
        let digits = |until: usize| bytes[..until].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let mut start = end - digits(end);
        if start > 0 && bytes[start - 1] == b'.' && (start < end || digits(start - 1) > 0) {
            start -= 1 + digits(start - 1);
        }
        let days = rest[start..end].parse::<f64>().ok().filter(|days| days.is_finite());
        result.push_str(&rest[..start]);
        match days {
            Some(days) => result.push_str(&format!("{:.6}h", 24.0 * days)),
            None => result.push_str(&rest[start..=end]),
        }
        rest = &rest[end + 1..];
    }
    result + rest
}

/// Nanoseconds of a duration in Go's notation.
fn parse_go(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    // One more than the greatest, which only a negative one may be.
    let most = 1_u64 << 63;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let whole = take(&mut rest, |c| c.is_ascii_digit());
        let fraction = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                take(&mut rest, |c| c.is_ascii_digit())
            }
            None => "",
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit = take(&mut rest, |c| c != '.' && !c.is_ascii_digit());
        let nanos = match unit {
            "" => return Err(format!("time: missing unit in duration {}", quoted(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text))),
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let value = whole.checked_mul(nanos).and_then(|value| value.checked_add(fraction_of(fraction, nanos)));
        sum = value.and_then(|value| sum.checked_add(value)).filter(|sum| *sum <= most).ok_or_else(invalid)?;
    }
    match (negative, i64::try_from(sum)) {
        (false, Ok(nanos)) => Ok(nanos),
        (true, Ok(nanos)) => Ok(-nanos),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

/// The nanoseconds of the digits behind a point; digits beyond those that a number can hold say nothing.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes().take(18) {
        value = value * 10 + u64::from(digit - b'0');
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

fn take<'a>(rest: &mut &'a str, belongs: impl Fn(char) -> bool) -> &'a str {
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken
}

/// The text in quotes as Go has it in messages about times: what is not plain ASCII is escaped, byte by byte.
fn quoted(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..0x80 => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
