//! What a calendar means.

use super::{
    Shape,
    lists::{listed, ordinal},
    shape,
};
use crate::{calendar::Calendar, values::Values};

/// Times of a day that are told one by one.
const TIMES: usize = 4;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// When a calendar fires.
pub(super) fn times(calendar: &Calendar) -> String {
    let days = days(calendar);
    match (times_of_day(calendar), days.as_str()) {
        (Some(times), "") => format!("every day at {times}"),
        (Some(times), days) => format!("at {times} {days}"),
        (None, "") => how_often(calendar),
        (None, days) => format!("{} {days}", how_often(calendar)),
    }
}

/// What an excluded calendar leaves out: whole days, or times.
pub(super) fn exclusion(calendar: &Calendar) -> String {
    let is_whole = [calendar.hours, calendar.minutes, calendar.seconds].iter().all(Values::is_full);
    match (is_whole, days(calendar)) {
        (true, days) if days.is_empty() => "at all times".to_owned(),
        (true, days) => days,
        (false, _) => times(calendar),
    }
}

/// The times of a day one by one, if they are few.
fn times_of_day(calendar: &Calendar) -> Option<String> {
    let Calendar { hours, minutes, seconds, .. } = calendar;
    if hours.len() * minutes.len() * seconds.len() > TIMES {
        return None;
    }
    let with_seconds = seconds.iter().any(|second| second != 0);
    let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (hour, minute)));
    let times = times.flat_map(|(hour, minute)| seconds.iter().map(move |second| (hour, minute, second)));
    Some(listed(times.map(|(hour, minute, second)| match with_seconds {
        true => format!("{hour:02}:{minute:02}:{second:02}"),
        false => format!("{hour:02}:{minute:02}"),
    })))
}

fn how_often(calendar: &Calendar) -> String {
    let Calendar { hours, minutes, seconds, .. } = calendar;
    let only_zero = |values: &Values| matches!(shape(values), Shape::One(0));
    let mut text = match (only_zero(seconds), only_zero(minutes)) {
        (true, true) => match shape(hours) {
            Shape::All => return "every hour".to_owned(),
            Shape::Every(step) => return format!("every {step} hours"),
            _ => "on the hour".to_owned(),
        },
        (true, false) => every(minutes, "minute"),
        (false, _) if minutes.is_full() => every(seconds, "second"),
        (false, _) => format!("{} {}", every(seconds, "second"), of(minutes, "minute")),
    };
    // What comes every so many minutes needs no hour, but what comes at one of them does.
    if !hours.is_full() {
        text = format!("{text} {}", of(hours, "hour"));
    } else if text.starts_with("at minute") {
        text.push_str(" of every hour");
    } else if text.starts_with("at second") && minutes.is_full() {
        text.push_str(" of every minute");
    }
    text
}

fn every(values: &Values, unit: &str) -> String {
    match shape(values) {
        Shape::All => format!("every {unit}"),
        Shape::Every(step) => format!("every {step} {unit}s"),
        Shape::One(value) => format!("at {unit} {value}"),
        Shape::Row(first, last) => format!("at {unit}s {first} to {last}"),
        Shape::Some => format!("at {unit}s {}", numbers(values)),
    }
}

fn of(values: &Values, unit: &str) -> String {
    match shape(values) {
        Shape::All => format!("of every {unit}"),
        Shape::Every(step) => format!("of every {} {unit}", ordinal(step)),
        Shape::One(value) => format!("of {unit} {value}"),
        Shape::Row(first, last) => format!("of {unit}s {first} to {last}"),
        Shape::Some => format!("of {unit}s {}", numbers(values)),
    }
}

fn numbers(values: &Values) -> String {
    listed(values.iter().map(|value| value.to_string()))
}

/// On which days: nothing for all.
fn days(calendar: &Calendar) -> String {
    let Calendar { days, weekdays, months, years, .. } = calendar;
    let mut parts = Vec::new();
    if !weekdays.is_full() {
        parts.push(match shape(weekdays) {
            Shape::Row(first, last) => format!("from {} to {}", WEEKDAYS[first as usize], WEEKDAYS[last as usize]),
            _ => format!("on {}", listed(weekdays.iter().map(|day| format!("{}s", WEEKDAYS[day as usize])))),
        });
    }
    let month = |month: i32| MONTHS[month as usize - 1].to_owned();
    let named_months = match shape(months) {
        Shape::All => String::new(),
        Shape::Row(first, last) => format!("{} to {}", month(first), month(last)),
        _ => listed(months.iter().map(month)),
    };
    match (days.is_full(), named_months.as_str()) {
        (true, "") => {}
        (true, months) => parts.push(format!("in {months}")),
        (false, months) => {
            let dates = match shape(days) {
                Shape::Row(first, last) => format!("the {} to the {}", ordinal(first), ordinal(last)),
                _ => format!("the {}", listed(days.iter().map(ordinal))),
            };
            let joint = if weekdays.is_full() { "on" } else { "that are" };
            let months = if months.is_empty() { "every month" } else { months };
            parts.push(format!("{joint} {dates} of {months}"));
        }
    }
    if !years.is_full() {
        parts.push(match shape(years) {
            Shape::Row(first, last) => format!("from {first} to {last}"),
            _ => format!("in {}", numbers(years)),
        });
    }
    parts.join(" ")
}
