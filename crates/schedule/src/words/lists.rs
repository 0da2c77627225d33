//! Lists, numbers and lengths of time.

/// Elements of a list of values that are told; of more of them, their number is.
const TOLD: usize = 10;

/// `a`, `a and b`, `a, b and c`, with another separator than the comma if one is given.
pub(super) fn joined(phrases: &[String], separator: &str) -> String {
    match phrases {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if separator == ", " => format!("{} and {last}", first.join(separator)),
        [first @ .., last] => format!("{}{separator}and {last}", first.join(separator)),
    }
}

pub(super) fn listed(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<String> = values.collect();
    if values.len() > TOLD {
        let more = values.len() - TOLD;
        values.truncate(TOLD);
        values.push(format!("{more} more"));
    }
    joined(&values, ", ")
}

pub(super) fn ordinal(number: i32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A number of seconds in days, hours, minutes and seconds.
pub(super) fn span(seconds: i64) -> String {
    let parts = [(86_400, i64::MAX, "day"), (3600, 24, "hour"), (60, 60, "minute"), (1, 60, "second")];
    let parts = parts.iter().map(|(unit, most, name)| (seconds / unit % most, name)).filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, name)| plural(number, name)).collect();
    joined(&parts, ", ")
}

fn plural(number: i64, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}
