//! Fields of calendars that are written as text: `*`, values, names, ranges, steps, and lists of these.

use crate::{
    error::{Problems, SpecError},
    values::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, SECOND, YEAR},
};
use tenure_api::schedule::v1::{CalendarSpec, Range, StructuredCalendarSpec};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Days of the week as they are written: Sunday may be 7, too.
const WRITTEN_DAY_OF_WEEK: Field = Field { name: "DayOfWeek", least: 0, most: 7 };

/// The same calendar with ranges; all problems of its fields are told at once.
pub(crate) fn structured(calendar: &CalendarSpec) -> Result<StructuredCalendarSpec, SpecError> {
    let mut problems = Problems::default();
    let mut parse = |text: &str, default: &str, field: Field| {
        let text = text.trim();
        ranges(if text.is_empty() { default } else { text }, field).unwrap_or_else(|problem| {
            problems.add(&problem);
            Vec::new()
        })
    };
    let structured = StructuredCalendarSpec {
        second: parse(&calendar.second, "0", SECOND),
        minute: parse(&calendar.minute, "0", MINUTE),
        hour: parse(&calendar.hour, "0", HOUR),
        day_of_week: parse(&calendar.day_of_week, "*", WRITTEN_DAY_OF_WEEK),
        day_of_month: parse(&calendar.day_of_month, "*", DAY_OF_MONTH),
        month: parse(&calendar.month, "*", MONTH),
        // All years are no range, and not a long one.
        year: match calendar.year.trim() {
            "" | "*" => Vec::new(),
            text => parse(text, "*", YEAR),
        },
        comment: calendar.comment.clone(),
    };
    problems.refuse("")?;
    Ok(structured)
}

/// The ranges of a field, one for each element of the list; for some of the days of a week, two.
fn ranges(text: &str, field: Field) -> Result<Vec<Range>, String> {
    let mut ranges = Vec::new();
    for element in text.split(',') {
        let (values, step) = match element.split_once('/') {
            Some((_, step)) if step.contains('/') => return Err(format!("{} has too many slashes", field.name)),
            Some((values, step)) => (values, Some(parse_step(step, field)?)),
            None => (element, None),
        };
        let (start, end) = bounds(values, step.is_some(), field)?;
        push(&mut ranges, (start, end), step.unwrap_or(1), field);
    }
    Ok(ranges)
}

fn parse_step(text: &str, field: Field) -> Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    if text.is_empty() {
        return Err(format!("{} missing step value", field.name));
    }
    let step: i64 = text.parse().map_err(|error: std::num::ParseIntError| {
        let reason =
            if matches!(error.kind(), PosOverflow | NegOverflow) { "value out of range" } else { "invalid syntax" };
        format!("strconv.Atoi: parsing {text:?}: {reason}")
    })?;
    if step < 1 { Err(format!("{} has invalid Step", field.name)) } else { Ok(step) }
}

/// First and last value of an element; a single one with a step goes on to the field's last.
fn bounds(text: &str, has_step: bool, field: Field) -> Result<(i32, i32), String> {
    let Field { name, least, most } = field;
    if text == "*" {
        return Ok((least, most));
    }
    let Some((start, end)) = text.split_once('-') else {
        let start = value(text, least, field).ok_or_else(|| format!("{name} is not in range [{least}-{most}]"))?;
        return Ok((start, if has_step { most } else { start }));
    };
    if end.contains('-') {
        return Err(format!("{name} has too many dashes"));
    }
    let start = value(start, least, field).ok_or_else(|| format!("{name} Start is not in range [{least}-{most}]"))?;
    let end = value(end, start, field)
        .ok_or_else(|| format!("{name} End is before Start or not in range [{least}-{most}]"))?;
    Ok((start, end))
}

/// A value as a number or a name; names may be cut to three letters, those of days to two.
fn value(text: &str, least: i32, field: Field) -> Option<i32> {
    let (names, shortest, first): (&[&str], _, _) = match field.name {
        "Month" => (&MONTHS, 3, 1),
        "DayOfWeek" => (&WEEKDAYS, 2, 0),
        _ => (&[], 0, 0),
    };
    let lower = text.to_lowercase();
    let named = names.iter().position(|name| text.len() >= shortest && name.starts_with(&lower));
    let value = named.map_or_else(|| text.parse().ok(), |place| Some(place as i32 + first))?;
    (least..=field.most).contains(&value).then_some(value)
}

/// Adds a range. Sunday as 7 becomes 0: in a range of its own, unless the range has that already.
fn push(ranges: &mut Vec<Range>, (start, mut end): (i32, i32), step: i64, field: Field) {
    if field.name == WRITTEN_DAY_OF_WEEK.name && end == WRITTEN_DAY_OF_WEEK.most {
        let reaches_sunday = i64::from(end - start) % step == 0;
        if reaches_sunday && (step > 1 || start > 1) {
            ranges.push(single(DAY_OF_WEEK.least));
            if start == end {
                return;
            }
        }
        end = DAY_OF_WEEK.most;
    }
    // As the reference server cuts it.
    ranges.push(Range { start, end, step: step as i32 });
}

fn single(value: i32) -> Range {
    Range { start: value, end: value, step: 1 }
}
