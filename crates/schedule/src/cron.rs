//! Cron strings: five to seven fields, or one of the `@` words, in a time zone, with a comment.

use crate::{duration, error::SpecError, expression};
use tenure_api::schedule::v1::{CalendarSpec, IntervalSpec, StructuredCalendarSpec};

/// What one cron string stands for.
pub(crate) enum Cron {
    Calendar(StructuredCalendarSpec),
    Interval(IntervalSpec),
}

/// Reads a cron string; also the name of its time zone, which is empty if it has none or is an interval.
pub(crate) fn parse(text: &str) -> Result<(Cron, &str), SpecError> {
    let mut text = text.trim();
    let mut zone = "";
    if let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
        let missing = || SpecError::invalid("CronString has time zone but missing fields");
        (zone, text) = rest.split_once(' ').ok_or_else(missing)?;
    }
    let (fields, comment) = text.split_once('#').unwrap_or((text, ""));
    let fields = fields.trim();
    if fields.starts_with("@every") {
        return Ok((Cron::Interval(interval(fields)?), ""));
    }
    let fields: Vec<&str> = shorthand(fields).split_whitespace().take(8).collect();
    let (second, minutes_on, year) = match fields.len() {
        5 => ("", &fields[..], ""),
        6 => ("", &fields[..5], fields[5]),
        7 => (fields[0], &fields[1..6], fields[6]),
        _ => return Err(SpecError::invalid("CronString does not have 5-7 fields")),
    };
    let calendar = CalendarSpec {
        second: second.to_owned(),
        minute: minutes_on[0].to_owned(),
        hour: minutes_on[1].to_owned(),
        day_of_month: minutes_on[2].to_owned(),
        month: minutes_on[3].to_owned(),
        day_of_week: minutes_on[4].to_owned(),
        year: year.to_owned(),
        comment: comment.trim().to_owned(),
    };
    Ok((Cron::Calendar(expression::structured(&calendar)?), zone))
}

/// `@every INTERVAL`, or `@every INTERVAL/PHASE`.
fn interval(text: &str) -> Result<IntervalSpec, SpecError> {
    let missing = || SpecError::invalid("CronString does not have interval after @every");
    let (_, text) = text.split_once(' ').ok_or_else(missing)?;
    let (interval, phase) = text.split_once('/').unwrap_or((text, ""));
    let interval = duration::parse(interval).map_err(SpecError::invalid)?;
    let phase = if phase.is_empty() { None } else { Some(duration::parse(phase).map_err(SpecError::invalid)?) };
    Ok(IntervalSpec { interval: Some(interval), phase })
}

fn shorthand(text: &str) -> &str {
    match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    }
}
