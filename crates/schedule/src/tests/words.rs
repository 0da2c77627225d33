//! What specs are said to mean.

use super::{always, crons};
use crate::Spec;
use prost_types::Duration;
use tenure_api::schedule::v1::{CalendarSpec, IntervalSpec, ScheduleSpec};

#[track_caller]
fn means(spec: ScheduleSpec, words: &str) {
    assert_eq!(Spec::compile(&spec).unwrap().explain(), words);
}

#[test]
fn calendars_have_words() {
    for (cron, words) in [
        ("30 9 * * *", "every day at 09:30 in UTC"),
        ("0 0 9 * * * *", "every day at 09:00 in UTC"),
        ("15 30 9 * * * *", "every day at 09:30:15 in UTC"),
        ("30 9,17 * * *", "every day at 09:30 and 17:30 in UTC"),
        ("TZ=Europe/Berlin 30 9 * * mon-fri", "at 09:30 from Monday to Friday in Europe/Berlin"),
        ("0 0 * * 0", "at 00:00 on Sundays in UTC"),
        ("0 0 * * 1,4", "at 00:00 on Mondays and Thursdays in UTC"),
        ("0 0 1,15 * *", "at 00:00 on the 1st and 15th of every month in UTC"),
        ("0 0 25 12 *", "at 00:00 on the 25th of December in UTC"),
        ("0 0 1-7 * 1", "at 00:00 on Mondays that are the 1st to the 7th of every month in UTC"),
        ("0 0 * 5-8 *", "at 00:00 in May to August in UTC"),
        ("0 0 1 1 * 2030,2032", "at 00:00 on the 1st of January in 2030 and 2032 in UTC"),
        ("* * * * *", "every minute in UTC"),
        ("*/15 * * * *", "every 15 minutes in UTC"),
        ("*/15 9-17 * * *", "every 15 minutes of hours 9 to 17 in UTC"),
        ("@hourly", "every hour in UTC"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00 in UTC"),
        ("0 */2 * * *", "every 2 hours in UTC"),
        ("0 8-18 * * *", "on the hour of hours 8 to 18 in UTC"),
        ("5 * * * *", "at minute 5 of every hour in UTC"),
        ("5,35 * * * *", "at minutes 5 and 35 of every hour in UTC"),
        ("* * * * * * *", "every second in UTC"),
        ("*/10 * * * * * *", "every 10 seconds in UTC"),
        ("5 * * * * * *", "at second 5 of every minute in UTC"),
        ("*/10 0-9 * * * * *", "every 10 seconds of minutes 0 to 9 in UTC"),
        ("0 0 31 2 *", "never"),
    ] {
        means(crons(&[cron]), words);
    }
}

#[test]
fn everything_else_has_words_too() {
    let every = |seconds, phase| IntervalSpec {
        interval: Some(Duration { seconds, nanos: 0 }),
        phase: Some(Duration { seconds: phase, nanos: 0 }),
    };
    let intervals = |interval: &[IntervalSpec]| ScheduleSpec { interval: interval.to_vec(), ..Default::default() };
    means(ScheduleSpec::default(), "never");
    means(intervals(&[every(3600, 0)]), "every hour");
    means(intervals(&[every(5400, 0)]), "every 1 hour and 30 minutes");
    means(intervals(&[every(86_400, 1200)]), "every day with an offset of 20 minutes");
    means(intervals(&[every(60, 0), every(90, 0)]), "every minute; and every 1 minute and 30 seconds");
    let sundays = CalendarSpec { day_of_week: "sun".to_owned(), ..always() };
    let nights = CalendarSpec { hour: "22-23,0-5".to_owned(), ..always() };
    #[expect(deprecated, reason = "excluded calendars are still taken")]
    let except = |excluded: &[CalendarSpec], spec| ScheduleSpec { exclude_calendar: excluded.to_vec(), ..spec };
    let berlin = crons(&["TZ=Europe/Berlin 30 9 * * *"]);
    means(
        except(std::slice::from_ref(&sundays), berlin.clone()),
        "every day at 09:30 in Europe/Berlin, except on Sundays",
    );
    means(
        except(&[sundays, nights], berlin),
        "every day at 09:30 in Europe/Berlin, except on Sundays; and every second of hours 0, 1, 2, 3, 4, 5, 22 and 23",
    );
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let jitter = Some(Duration { seconds: 30, nanos: 0 });
    let within =
        ScheduleSpec { start_time: at(1_800_000_000), end_time: at(1_900_000_000), jitter, ..crons(&["@daily"]) };
    means(
        within,
        "every day at 00:00 in UTC, from 2027-01-15T08:00:00Z, until 2030-03-17T17:46:40Z, each delayed by up to 30 seconds",
    );
    let many: Vec<String> = (0..8).map(|hour| format!("{hour} {hour} * * *")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    means(
        crons(&many),
        "every day at 00:00; every day at 01:01; every day at 02:02; every day at 03:03; every day at 04:04, and 3 more in UTC",
    );
}
