//! What a spec means, in English. Which times those are is not known here.

mod calendar;
mod lists;

use crate::{calendar::Calendar, interval::Interval, values::Values};
use lists::{joined, span};
use tenure_api::schedule::v1::{ScheduleSpec, StructuredCalendarSpec};

/// Calendars, intervals or exclusions that are told of; of more of them, their number is.
const TOLD: usize = 5;

const SECONDS_IN_NANOS: i64 = 1_000_000_000;

/// What a canonical spec means: when it fires, in which time zone, except when, between which times, and how much later.
pub(crate) fn explain(spec: &ScheduleSpec) -> String {
    let calendars = compiled(&spec.structured_calendar);
    let mut text = some_of(calendars.iter().map(calendar::times).chain(spec.interval.iter().map(interval)));
    if text.is_empty() {
        return "never".to_owned();
    }
    let exclusions = compiled(&spec.exclude_structured_calendar);
    if !calendars.is_empty() || !exclusions.is_empty() {
        text.push_str(&zone(spec));
    }
    if !exclusions.is_empty() {
        text.push_str(&format!(", except {}", some_of(exclusions.iter().map(calendar::exclusion))));
    }
    for (word, time) in [("from", &spec.start_time), ("until", &spec.end_time)] {
        if let Some(time) = time {
            let shown = jiff::Timestamp::new(time.seconds, time.nanos);
            let shown = shown.map_or_else(|_| format!("second {}", time.seconds), |time| time.to_string());
            text.push_str(&format!(", {word} {shown}"));
        }
    }
    let jitter = crate::duration::nanos(spec.jitter.as_ref());
    if jitter >= SECONDS_IN_NANOS {
        text.push_str(&format!(", each delayed by up to {}", span(jitter / SECONDS_IN_NANOS)));
    } else if jitter >= SECONDS_IN_NANOS / 1_000 {
        text.push_str(&format!(", each delayed by up to {} ms", jitter / (SECONDS_IN_NANOS / 1_000)));
    }
    text
}

fn compiled(calendars: &[StructuredCalendarSpec]) -> Vec<Calendar> {
    calendars.iter().map(Calendar::of).filter(Calendar::matches_any).collect()
}

fn some_of(phrases: impl Iterator<Item = String>) -> String {
    let phrases: Vec<String> = phrases.collect();
    match phrases.len().checked_sub(TOLD) {
        Some(more @ 1..) => format!("{}, and {more} more", phrases[..TOLD].join("; ")),
        _ => joined(&phrases, "; "),
    }
}

fn zone(spec: &ScheduleSpec) -> String {
    match (spec.timezone_name.as_str(), spec.timezone_data.is_empty()) {
        ("" | "Local", true) => " in UTC".to_owned(),
        ("", false) => " in the time zone that it brings along".to_owned(),
        (name, true) => format!(" in {name}"),
        (name, false) => format!(" in {name} as it brings it along"),
    }
}

fn interval(spec: &tenure_api::schedule::v1::IntervalSpec) -> String {
    let Interval { every, phase } = Interval::of(spec);
    let every = span(every);
    // A single unit goes without its number.
    let every = every.strip_prefix("1 ").filter(|unit| !unit.contains(' ')).unwrap_or(&every);
    match phase {
        0 => format!("every {every}"),
        phase => format!("every {every} with an offset of {}", span(phase)),
    }
}

/// What a set of values looks like.
enum Shape {
    All,
    One(i32),
    /// Three or more in a row.
    Row(i32, i32),
    /// Each so many from the least value on, up to the greatest: the step.
    Every(i32),
    Some,
}

fn shape(values: &Values) -> Shape {
    let members: Vec<i32> = values.iter().collect();
    let (first, last) = (members[0], members[members.len() - 1]);
    if values.is_full() {
        return Shape::All;
    }
    if members.len() == 1 {
        return Shape::One(first);
    }
    let step = members[1] - first;
    let is_even = members.windows(2).all(|pair| pair[1] - pair[0] == step);
    match (is_even, step) {
        (true, 1) if members.len() > 2 => Shape::Row(first, last),
        (true, _) if first == 0 && members.len() > 2 && values.missing_at_or_after(last + step).is_none() => {
            Shape::Every(step)
        }
        _ => Shape::Some,
    }
}
