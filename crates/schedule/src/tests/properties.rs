//! Specs made at random are held to what must be true of all, and to a look at each second.

use super::{crons, time, tzif};
use crate::{Spec, calendar::Calendar};
use jiff::{Timestamp, tz::TimeZone};
use proptest::{collection::vec, prelude::*, sample::select};
use prost_types::{Duration, Timestamp as ProtoTimestamp};
use tenure_api::schedule::v1::{IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};

const ZONES: &[&str] = &["", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"];
/// Seconds that are looked at one by one, from an instant near which clocks are changed or months end.
const LOOKED_AT: i64 = 4 * 3600;
const INSTANTS: &[&str] = &[
    "2026-03-28T23:00:00Z",
    "2026-10-24T22:30:00Z",
    "2026-11-01T04:00:00Z",
    "2026-04-04T13:00:00Z",
    "2026-10-03T13:30:00Z",
    "2026-09-06T02:00:00Z",
    "2026-04-05T01:30:00Z",
    "2028-02-28T22:00:00Z",
    "2026-12-31T21:00:00Z",
];

fn ranges(least: i32, most: i32) -> impl Strategy<Value = Vec<Range>> {
    let all = vec![Range { start: least, end: most, step: 1 }];
    let range = (least..=most, least..=most, 0..=7).prop_map(|(start, end, step)| Range { start, end, step });
    // An end before the start is refused; no end is the start.
    let range = range.prop_map(|range| if range.end < range.start { Range { end: 0, ..range } } else { range });
    prop_oneof![2 => Just(all), 1 => vec(range, 1..3)]
}

fn calendar() -> impl Strategy<Value = StructuredCalendarSpec> {
    let years = prop_oneof![4 => Just(Vec::new()), 1 => ranges(2026, 2029)];
    (ranges(0, 59), ranges(0, 59), ranges(0, 23), ranges(1, 31), ranges(1, 12), years, ranges(0, 6)).prop_map(
        |(second, minute, hour, day_of_month, month, year, day_of_week)| StructuredCalendarSpec {
            second,
            minute,
            hour,
            day_of_month,
            month,
            year,
            day_of_week,
            comment: String::new(),
        },
    )
}

fn interval() -> impl Strategy<Value = IntervalSpec> {
    (1..10_000_i64, 0..10_000_i64).prop_map(|(every, phase)| IntervalSpec {
        interval: Some(Duration { seconds: every, nanos: 0 }),
        phase: Some(Duration { seconds: phase % every, nanos: 0 }),
    })
}

fn spec() -> impl Strategy<Value = ScheduleSpec> {
    let jitter = prop_oneof![2 => Just(None), 1 => (0..5000_i64).prop_map(Some)];
    (vec(calendar(), 0..3), vec(interval(), 0..2), vec(calendar(), 0..3), select(ZONES), jitter).prop_map(
        |(structured_calendar, interval, exclude_structured_calendar, zone, jitter)| ScheduleSpec {
            structured_calendar,
            interval,
            exclude_structured_calendar,
            timezone_name: zone.to_owned(),
            jitter: jitter.map(|seconds| Duration { seconds, nanos: 0 }),
            ..Default::default()
        },
    )
}

fn zone(spec: &ScheduleSpec) -> TimeZone {
    if spec.timezone_name.is_empty() { TimeZone::UTC } else { TimeZone::get(&spec.timezone_name).unwrap() }
}

/// Whether a spec names a second, by its fields alone.
fn is_named(spec: &ScheduleSpec, zone: &TimeZone, at: Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let of =
        |calendars: &[StructuredCalendarSpec]| calendars.iter().any(|calendar| Calendar::of(calendar).matches(local));
    let seconds = |duration: &Option<Duration>| duration.as_ref().unwrap().seconds;
    let by_interval = spec.interval.iter().any(|it| (at.as_second() - seconds(&it.phase)) % seconds(&it.interval) == 0);
    (of(&spec.structured_calendar) || by_interval) && !of(&spec.exclude_structured_calendar)
}

/// The nominal times from `from` on, in so many seconds. A search that is given up is one that goes far beyond them.
fn nominal(spec: &Spec, from: Timestamp, seconds: i64) -> Vec<Timestamp> {
    let (mut at, mut times) = (Timestamp::from_second(from.as_second() - 1).unwrap(), Vec::new());
    while let Some(firing) = spec
        .next(at, "seed")
        .unwrap_or_default()
        .filter(|firing| firing.nominal.as_second() < from.as_second() + seconds)
    {
        times.push(firing.nominal);
        at = firing.nominal;
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn times_are_those_that_a_look_at_each_second_finds(spec in spec(), from in select(INSTANTS)) {
        let (from, zone) = (time(from), zone(&spec));
        let seconds = from.as_second()..from.as_second() + LOOKED_AT;
        let looked_at = seconds.map(|second| Timestamp::from_second(second).unwrap());
        let expected: Vec<_> = looked_at.filter(|at| is_named(&spec, &zone, *at)).collect();
        let compiled = Spec::compile(&spec).unwrap();
        prop_assert_eq!(nominal(&compiled, from, LOOKED_AT), expected);
    }

    #[test]
    fn jitter_stays_before_the_next_time(spec in spec(), from in select(INSTANTS)) {
        let compiled = Spec::compile(&spec).unwrap();
        let mut at = time(from);
        for _ in 0..50 {
            let Ok(Some(firing)) = compiled.next(at, "seed") else { break };
            prop_assert!(firing.nominal > at && firing.jittered >= firing.nominal);
            prop_assert_eq!(compiled.next(at, "seed").unwrap(), Some(firing));
            if let Ok(Some(following)) = compiled.next(firing.nominal, "seed") {
                prop_assert!(firing.jittered < following.nominal);
            }
            at = firing.nominal;
        }
    }

    #[test]
    fn a_list_is_one_time_after_the_other(spec in spec(), from in select(INSTANTS)) {
        let compiled = Spec::compile(&spec).unwrap();
        let (mut at, to) = (time(from), time("2090-01-01T00:00:00Z"));
        for listed in compiled.matching(at, to, "seed").take(200) {
            let Ok(listed) = listed else { break };
            let next = compiled.next(at, "seed").unwrap().unwrap().jittered;
            prop_assert_eq!(listed.jittered, next);
            prop_assert!(next > at && next <= to);
            at = next;
        }
    }

    #[test]
    fn the_canonical_form_is_the_same_spec(spec in spec()) {
        let compiled = Spec::compile(&spec).unwrap();
        prop_assert_eq!(Spec::compile(compiled.canonical()).unwrap(), compiled);
    }

    #[test]
    fn no_text_makes_it_panic(cron in "(TZ=[A-Z/.]{0,5} )?(@every )?[-0-9a-z@#*/,. µ\"]{0,24}", fields in vec("[-0-9*/,a-z]{1,5}", 5..8)) {
        for text in [cron, fields.join(" ")] {
            let spec = ScheduleSpec { cron_string: vec![text], ..Default::default() };
            if let Ok(compiled) = Spec::compile(&spec) {
                let _ = (compiled.next(time("2026-01-01T00:00:00Z"), ""), compiled.explain());
            }
        }
    }

    #[test]
    fn no_time_zone_makes_it_panic(changes in vec((0..200_usize, any::<u8>()), 1..5), rule in "[-A-Z0-9,./+<>]{0,20}") {
        for mut zone in [tzif("CET-1CEST,M3.5.0,M10.5.0/3"), tzif(&rule)] {
            for (at, byte) in &changes {
                let at = at % zone.len();
                zone[at] = *byte;
            }
            let spec = ScheduleSpec { timezone_data: zone.into(), ..crons(&["30 2 29 2 *"]) };
            if let Ok(compiled) = Spec::compile(&spec) {
                let _ = (compiled.next(time("2026-01-01T00:00:00Z"), ""), compiled.next(Timestamp::MIN, ""));
            }
        }
    }

    #[test]
    fn no_numbers_make_it_panic(
        ranges in vec((any::<i32>(), any::<i32>(), any::<i32>()), 7),
        seconds in vec(any::<i64>(), 5),
        nanos in vec(any::<i32>(), 5),
    ) {
        let range = |at: usize| vec![Range { start: ranges[at].0, end: ranges[at].1, step: ranges[at].2 & i32::MAX }];
        let excluded = StructuredCalendarSpec {
            second: range(0),
            minute: range(1),
            hour: range(2),
            day_of_month: range(3),
            month: range(4),
            year: range(5),
            day_of_week: range(6),
            comment: String::new(),
        };
        let duration = |at: usize| Some(Duration { seconds: seconds[at], nanos: nanos[at] });
        let instant = |at: usize| Some(ProtoTimestamp { seconds: seconds[at], nanos: nanos[at] });
        let times = ScheduleSpec {
            cron_string: vec!["@hourly".to_owned()],
            exclude_structured_calendar: vec![excluded],
            start_time: instant(0),
            end_time: instant(1),
            jitter: duration(2),
            ..Default::default()
        };
        let interval = vec![IntervalSpec { interval: duration(3), phase: duration(4) }];
        for spec in [times, ScheduleSpec { interval, ..Default::default() }] {
            if let Ok(compiled) = Spec::compile(&spec) {
                let _ = (compiled.next(Timestamp::MIN, ""), compiled.next(Timestamp::MAX, ""), compiled.explain());
            }
        }
    }
}
