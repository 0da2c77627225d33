//! The canonical form of a spec: one way to say a thing, with all that may be wrong found out.

use crate::{
    cron::{self, Cron},
    error::{Problems, SpecError},
    expression, interval,
    values::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, SECOND, YEAR},
};
use tenure_api::schedule::v1::{Range, ScheduleSpec, StructuredCalendarSpec};
use tenure_limits::SCHEDULE_PARTS;

/// Bytes of a calendar's comment; exclusions may have longer ones.
const LONGEST_COMMENT: usize = 200;

#[expect(deprecated, reason = "excluded calendars are still taken")]
pub(crate) fn canonical(spec: &ScheduleSpec) -> Result<ScheduleSpec, SpecError> {
    check_size(spec)?;
    let mut spec = spec.clone();
    for calendar in std::mem::take(&mut spec.calendar) {
        spec.structured_calendar.push(expression::structured(&calendar)?);
    }
    for calendar in std::mem::take(&mut spec.exclude_calendar) {
        spec.exclude_structured_calendar.push(expression::structured(&calendar)?);
    }
    take_cron_strings(&mut spec)?;
    for calendar in &mut spec.structured_calendar {
        check(calendar)?;
        fill_in(calendar);
    }
    for calendar in &mut spec.exclude_structured_calendar {
        check_exclusion(calendar)?;
        fill_in(calendar);
    }
    spec.interval.iter().try_for_each(interval::check)?;
    Ok(spec)
}

#[expect(deprecated, reason = "excluded calendars are still taken")]
fn check_size(spec: &ScheduleSpec) -> Result<(), SpecError> {
    let sources = spec.structured_calendar.len() + spec.calendar.len() + spec.cron_string.len() + spec.interval.len();
    if sources + spec.exclude_calendar.len() + spec.exclude_structured_calendar.len() > SCHEDULE_PARTS {
        let reason = format!("more than {SCHEDULE_PARTS} calendars, cron strings, intervals and exclusions");
        return Err(SpecError::invalid(reason));
    }
    Ok(())
}

/// Replaces cron strings by what they stand for. All of them have to have the same time zone, or none, which is the
/// spec's.
fn take_cron_strings(spec: &mut ScheduleSpec) -> Result<(), SpecError> {
    let conflict = || SpecError::invalid("conflicting timezone names");
    let strings = std::mem::take(&mut spec.cron_string);
    let mut zone: Option<&str> = None;
    for text in &strings {
        let (cron, its_zone) = cron::parse(text)?;
        if zone.replace(its_zone).is_some_and(|zone| zone != its_zone) {
            return Err(conflict());
        }
        match cron {
            Cron::Calendar(calendar) => spec.structured_calendar.push(calendar),
            Cron::Interval(interval) => spec.interval.push(interval),
        }
    }
    if let Some(zone) = zone.filter(|zone| !zone.is_empty()) {
        if !spec.timezone_data.is_empty() || !["", zone].contains(&spec.timezone_name.as_str()) {
            return Err(conflict());
        }
        spec.timezone_name = zone.to_owned();
    }
    Ok(())
}

fn fields(calendar: &mut StructuredCalendarSpec) -> [(Field, &mut Vec<Range>); 7] {
    [
        (SECOND, &mut calendar.second),
        (MINUTE, &mut calendar.minute),
        (HOUR, &mut calendar.hour),
        (DAY_OF_MONTH, &mut calendar.day_of_month),
        (MONTH, &mut calendar.month),
        (YEAR, &mut calendar.year),
        (DAY_OF_WEEK, &mut calendar.day_of_week),
    ]
}

fn check(calendar: &mut StructuredCalendarSpec) -> Result<(), SpecError> {
    let mut problems = Problems::default();
    let comment_is_long = calendar.comment.len() > LONGEST_COMMENT;
    for (Field { name, least, most }, ranges) in fields(calendar) {
        for range in ranges {
            if !(least..=most).contains(&range.start) {
                problems.add(&format!("{name} Start is not in range [{least}-{most}]"));
            }
            if range.end != 0 && !(range.start..=most).contains(&range.end) {
                problems.add(&format!("{name} End is before Start or not in range [{least}-{most}]"));
            }
            if range.step < 0 {
                problems.add(&format!("{name} has invalid Step"));
            }
        }
    }
    if comment_is_long {
        problems.add("comment is too long");
    }
    problems.refuse("invalid calendar spec: ")
}

/// Exclusions may have values that no time has; a step backwards, on which the reference server would hang, is refused.
fn check_exclusion(calendar: &mut StructuredCalendarSpec) -> Result<(), SpecError> {
    let mut problems = Problems::default();
    for (Field { name, .. }, ranges) in fields(calendar) {
        if ranges.iter().any(|range| range.step < 0) {
            problems.add(&format!("{name} has invalid Step"));
        }
    }
    problems.refuse("invalid calendar spec: ")
}

/// Writes out what ranges leave to defaults.
fn fill_in(calendar: &mut StructuredCalendarSpec) {
    for range in fields(calendar).into_iter().flat_map(|(_, ranges)| ranges) {
        range.end = range.end.max(range.start);
        if range.step == 0 {
            range.step = 1;
        }
    }
}
