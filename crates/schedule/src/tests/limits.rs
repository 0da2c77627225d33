//! Whatever a spec is made of, it is compiled and searched soon: without the limits, some of these take hours.

use super::{always, crons, matching, time};
use crate::{Spec, SpecError};
use prost_types::Duration;
use tenure_api::schedule::v1::{IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};
use tenure_limits::{MATCHING_TIMES, SCHEDULE_PARTS};

fn range(start: i32, end: i32) -> Vec<Range> {
    vec![Range { start, end, step: 1 }]
}

/// One day of one year.
fn day(number: i32) -> StructuredCalendarSpec {
    StructuredCalendarSpec {
        second: range(0, 59),
        minute: range(0, 59),
        hour: range(0, 23),
        day_of_week: range(0, 6),
        day_of_month: range(number % 28 + 1, 0),
        month: range(number / 28 % 12 + 1, 0),
        year: range(2026 + number / 28 / 12, 0),
        ..Default::default()
    }
}

#[test]
fn a_spec_has_so_many_parts() {
    let of = |parts: usize| Spec::compile(&crons(&vec!["@daily"; parts]));
    assert!(of(SCHEDULE_PARTS).is_ok());
    let refused = of(SCHEDULE_PARTS + 1).unwrap_err().to_string();
    assert_eq!(refused, "Invalid schedule spec: more than 20000 calendars, cron strings, intervals and exclusions");
}

#[test]
fn a_list_has_so_many_times() {
    let times = matching(&crons(&["* * * * *"]), "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z").unwrap();
    assert_eq!(times.len(), MATCHING_TIMES);
    assert_eq!(times[MATCHING_TIMES - 1], "2026-01-01T16:40:00Z");
}

#[test]
fn ten_thousand_exclusions_cost_nothing() {
    let excluded: Vec<_> = (0..10_000).map(day).collect();
    let spec = ScheduleSpec { exclude_structured_calendar: excluded, ..crons(&["* * 1-28 * *"]) };
    let first = Spec::compile(&spec).unwrap().next(time("2026-01-01T00:00:00Z"), "").unwrap();
    assert_eq!(first.unwrap().nominal, time("2055-10-05T00:00:00Z"));
}

#[test]
fn twenty_thousand_calendars_cost_little() {
    // No two of them are alike in all but one field.
    let parts = 0..SCHEDULE_PARTS as i32;
    let calendars = parts.map(|number| StructuredCalendarSpec {
        minute: range(number % 60, 0),
        hour: range(number / 60 % 24, 0),
        second: range((number * 7) % 60, 0),
        ..day(number * 13 % 9000)
    });
    let spec = ScheduleSpec { structured_calendar: calendars.collect(), ..Default::default() };
    let jitter = Some(Duration { seconds: 3600, nanos: 0 });
    for spec in [spec.clone(), ScheduleSpec { jitter, timezone_name: "Europe/Berlin".to_owned(), ..spec }] {
        let times = matching(&spec, "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z").unwrap();
        assert_eq!(times.len(), MATCHING_TIMES);
    }
}

/// Each second is excluded, by calendars that are no single one.
fn without_end() -> ScheduleSpec {
    let thirds = |field: i32| (0..3).map(move |third| Range { start: (field + third) % 3, end: 59, step: 3 });
    let pairs = (0..3).flat_map(|a| (0..3).map(move |b| (a, b)));
    let excluded = pairs.map(|(a, b)| StructuredCalendarSpec {
        second: vec![thirds(0).nth(a).unwrap()],
        minute: vec![thirds(0).nth(b).unwrap()],
        // One more day for each: they cannot be made one.
        day_of_month: (1..=31)
            .filter(|day| *day != 29 + (a + b) as i32 % 2)
            .map(|day| Range { start: day, end: 0, step: 0 })
            .collect(),
        month: range(1, 12),
        year: Vec::new(),
        ..day(0)
    });
    ScheduleSpec { calendar: vec![always()], exclude_structured_calendar: excluded.collect(), ..Default::default() }
}

#[test]
fn a_search_without_end_is_given_up() {
    let spec = Spec::compile(&without_end()).unwrap();
    let (from, to) = (time("2026-01-01T00:00:00Z"), time("2100-01-01T00:00:00Z"));
    assert_eq!(spec.next(from, ""), Err(SpecError::TooManyExclusions));
    let all: Vec<_> = spec.matching(from, to, "").collect();
    assert_eq!(all, [Err(SpecError::TooManyExclusions)]);
}

#[test]
fn extreme_numbers_are_taken_or_refused() {
    let interval = |seconds, nanos| {
        let interval = IntervalSpec { interval: Some(Duration { seconds, nanos }), phase: None };
        ScheduleSpec { interval: vec![interval], ..Default::default() }
    };
    assert_eq!(Spec::compile(&interval(0, 1)).unwrap_err().to_string(), "Invalid schedule spec: interval is too small");
    let refused = Spec::compile(&interval(i64::MAX, i32::MAX)).unwrap_err().to_string();
    assert!(refused.ends_with("exceeds +10000 years"), "{refused}");
    let far = range(i32::MIN, i32::MAX);
    let excluded = StructuredCalendarSpec { second: far.clone(), year: far, ..day(0) };
    let spec = ScheduleSpec { exclude_structured_calendar: vec![excluded], ..crons(&["@hourly"]) };
    assert_eq!(
        matching(&spec, "2026-01-01T00:00:00Z", "2026-01-02T01:00:00Z").unwrap(),
        ["2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z"]
    );
}

#[test]
fn a_message_has_a_largest_size() {
    let many = StructuredCalendarSpec { second: vec![Range { start: 99, end: 0, step: 0 }; 100_000], ..day(0) };
    let spec = ScheduleSpec { structured_calendar: vec![many], ..Default::default() };
    assert!(Spec::compile(&spec).unwrap_err().to_string().len() < 1_100);
    let zone = ScheduleSpec { timezone_name: "ü".repeat(100_000), ..Default::default() };
    assert!(Spec::compile(&zone).unwrap_err().to_string().len() < 1_100);
}
