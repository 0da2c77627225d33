//! When specs fire: where clocks change, at the ends of time, and with jitter.

use super::{always, crons, matching, time, tzif};
use crate::Spec;
use prost_types::{Duration, Timestamp as ProtoTimestamp};
use tenure_api::schedule::v1::{IntervalSpec, ScheduleSpec};

#[track_caller]
fn fires(cron: &str, from: &str, to: &str, times: &[&str]) {
    assert_eq!(matching(&crons(&[cron]), from, to).unwrap(), times, "{cron}");
}

#[test]
fn a_local_time_that_clocks_skip_is_none() {
    fires(
        "TZ=Europe/Berlin 30 2 * * *",
        "2026-03-28T00:00:00Z",
        "2026-03-30T12:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"],
    );
    fires("TZ=America/New_York 0 2-3 * * *", "2026-03-08T05:00:00Z", "2026-03-08T12:00:00Z", &["2026-03-08T07:00:00Z"]);
    // Half an hour is skipped there, and in the other place midnight.
    fires(
        "TZ=Australia/Lord_Howe 15,45 2 * * *",
        "2026-10-03T12:00:00Z",
        "2026-10-03T20:00:00Z",
        &["2026-10-03T15:45:00Z"],
    );
    fires(
        "TZ=America/Santiago 0,30 0,1 * * 0",
        "2026-09-06T00:00:00Z",
        "2026-09-07T00:00:00Z",
        &["2026-09-06T04:00:00Z", "2026-09-06T04:30:00Z"],
    );
}

#[test]
fn a_local_time_that_clocks_repeat_is_two() {
    fires(
        "TZ=Europe/Berlin 30 2 * * *",
        "2026-10-24T12:00:00Z",
        "2026-10-26T00:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
    );
    fires(
        "TZ=Europe/Berlin 0,30 1-3 * * *",
        "2026-10-24T22:30:00Z",
        "2026-10-25T03:00:00Z",
        &[
            "2026-10-24T23:00:00Z",
            "2026-10-24T23:30:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
            "2026-10-25T02:30:00Z",
        ],
    );
    fires(
        "TZ=America/New_York 30 1 * * *",
        "2026-11-01T00:00:00Z",
        "2026-11-02T00:00:00Z",
        &["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
    );
    fires(
        "TZ=Australia/Lord_Howe 45 1 * * *",
        "2026-04-04T12:00:00Z",
        "2026-04-04T20:00:00Z",
        &["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
    );
}

#[test]
fn a_spec_may_bring_its_time_zone_along() {
    let zone = tzif("CET-1CEST,M3.5.0,M10.5.0/3");
    let spec = ScheduleSpec { timezone_data: zone.into(), ..crons(&["0 12 * * *"]) };
    assert_eq!(
        matching(&spec, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z").unwrap(),
        ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"]
    );
}

#[test]
fn leap_days_come_every_four_years() {
    fires(
        "0 0 29 2 *",
        "2026-01-01T00:00:00Z",
        "2037-01-01T00:00:00Z",
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"],
    );
    fires(
        "0 0 29 2 1",
        "2030-01-01T00:00:00Z",
        "2080-01-01T00:00:00Z",
        &["2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z"],
    );
}

#[test]
fn there_are_no_times_after_the_year_2100() {
    let last = ["2100-12-31T23:00:00Z"];
    fires("@hourly", "2100-12-31T22:00:00Z", "9999-01-01T00:00:00Z", &last);
    // The local year is another one.
    fires("TZ=America/New_York @hourly", "2100-12-31T22:00:00Z", "9999-01-01T00:00:00Z", &last);
    let interval = Duration { seconds: 3600, nanos: 0 };
    let interval = IntervalSpec { interval: Some(interval), phase: None };
    let spec = ScheduleSpec { interval: vec![interval], ..Default::default() };
    assert_eq!(matching(&spec, "2100-12-31T22:00:00Z", "9999-01-01T00:00:00Z").unwrap(), last);
}

#[test]
fn a_spec_that_never_fires_says_so() {
    let excluded = |cron: &str| {
        #[expect(deprecated, reason = "excluded calendars are still taken")]
        let spec = ScheduleSpec { exclude_calendar: vec![always()], ..crons(&[cron]) };
        spec
    };
    for spec in [
        ScheduleSpec::default(),
        crons(&["0 0 31 2 *"]),
        excluded("* * * * * * *"),
        excluded("TZ=Europe/Berlin @daily"),
    ] {
        assert_eq!(Spec::compile(&spec).unwrap().next(time("2026-01-01T00:00:00Z"), ""), Ok(None), "{spec:?}");
    }
}

#[test]
fn start_and_end_are_within() {
    let at = |text: &str| Some(ProtoTimestamp { seconds: time(text).as_second(), nanos: 0 });
    let spec = ScheduleSpec {
        start_time: at("2026-05-01T10:00:00Z"),
        end_time: at("2026-05-01T11:00:00Z"),
        ..crons(&["*/30 * * * *"])
    };
    let times = ["2026-05-01T10:00:00Z", "2026-05-01T10:30:00Z", "2026-05-01T11:00:00Z"];
    assert_eq!(matching(&spec, "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z").unwrap(), times);
}

/// The reference server's own tests have these times.
#[test]
fn jitter_is_that_of_the_reference_server() {
    let interval = IntervalSpec { interval: Some(Duration { seconds: 5400, nanos: 0 }), phase: None };
    let jitter = Some(Duration { seconds: 1, nanos: 0 });
    let spec = Spec::compile(&ScheduleSpec { interval: vec![interval], jitter, ..Default::default() }).unwrap();
    let mut at = time("2022-03-23T08:00:00Z");
    for expected in ["2022-03-23T09:00:00.235Z", "2022-03-23T10:30:00.139Z"] {
        at = spec.next(at, "").unwrap().unwrap().jittered;
        assert_eq!(at.to_string(), expected);
    }
}
