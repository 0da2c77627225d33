//! Times and durations as queries write them.

use jiff::{Timestamp, civil};

const SECOND: i128 = 1_000_000_000;

/// Nanoseconds since 1970 of a time in RFC 3339, as strict as the reference server is; what is too far away for them is
/// the nearest that there is.
pub(crate) fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let fixed = bytes.get(..19)?;
    if [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')].iter().any(|(at, byte)| fixed[*at] != *byte) {
        return None;
    }
    let small = |from: usize, to: usize| number(&bytes[from..to]).and_then(|n| i8::try_from(n).ok());
    let year = i16::try_from(number(&bytes[..4])?).ok()?;
    let date = civil::Date::new(year, small(5, 7)?, small(8, 10)?).ok()?;
    let clock = civil::Time::new(small(11, 13)?, small(14, 16)?, small(17, 19)?, 0).ok()?;
    let (fraction, zone) = fraction(&bytes[19..])?;
    let days = date.since(civil::date(1970, 1, 1)).ok()?.get_days();
    let of_day = i128::from(clock.hour()) * 3600 + i128::from(clock.minute()) * 60 + i128::from(clock.second());
    let seconds = i128::from(days) * 86_400 + of_day - offset(zone)?;
    let nanoseconds = seconds * SECOND + fraction;
    i64::try_from(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into())).ok()
}

/// As queries write it, and as [`time`] reads it.
pub(crate) fn show_time(nanoseconds: i64) -> String {
    match Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => time.to_string(),
        Err(_) => nanoseconds.to_string(),
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.len() < 19 && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// Nanoseconds of a fraction of a second, if there is one, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i128, &[u8])> {
    let Some(b'.' | b',') = bytes.first() else { return Some((0, bytes)) };
    let count = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes[1..].split_at(count);
    let kept = number(digits.get(..count.min(9))?)?;
    let scale = 10_i128.pow(9 - u32::try_from(count.min(9)).ok()?);
    Some((i128::from(kept) * scale, rest))
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i128> {
    let sign = match zone.first()? {
        b'Z' if zone.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if zone.len() != 6 || zone[3] != b':' {
        return None;
    }
    let (hours, minutes) = (number(&zone[1..3])?, number(&zone[4..6])?);
    let fits = hours <= 24 && minutes <= 60;
    fits.then(|| sign * i128::from(hours * 3600 + minutes * 60))
}

/// Nanoseconds of a duration: a number of them, `1h30m`, `1.5d`, or `hh:mm:ss`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| of_units(text)).or_else(|| of_clock(text))
}

fn of_units(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let (amount, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        sum = sum.checked_add(times(amount, nanoseconds(unit)?)?)?;
        rest = tail;
    }
    i64::try_from(sign * sum).ok()
}

/// A decimal number of units.
fn times(amount: &str, unit: i128) -> Option<i128> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { number(whole.as_bytes())? };
    let digits = &part.as_bytes()[..part.len().min(17)];
    let part = if digits.is_empty() { 0 } else { number(digits)? };
    let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some(i128::from(whole) * unit + i128::from(part) * unit / scale)
}

fn nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    })
}

fn of_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| number(part.as_bytes()));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = parts.next().is_none() && minutes <= 59 && seconds <= 59;
    let seconds = i128::from(hours) * 3600 + i128::from(minutes * 60 + seconds);
    fits.then(|| i64::try_from(seconds * SECOND).ok()).flatten()
}
