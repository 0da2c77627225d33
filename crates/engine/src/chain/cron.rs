//! Cron schedules: five fields, or one of the `@` words, in a time zone.
//!
//! Which schedules are accepted and when they are due follows the reference server, which keeps to the conventions of
//! Go's `robfig/cron`: Sunday is 0 only; days are matched by either field where both are restricted; a time that a
//! clock change skips is skipped, and one that it repeats is repeated.

use crate::time::Timestamp;
use jiff::{civil::DateTime, tz::TimeZone};
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
/// Years to search; a calendar without any match in them has none.
const YEARS_SEARCHED: i16 = 5;

/// Why a schedule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    #[error("invalid CronSchedule.")]
    Malformed,
    #[error("invalid CronSchedule, no time can be found to satisfy the schedule")]
    Never,
}

/// A parsed schedule.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// A fixed period, in whole seconds.
    Every(Duration),
    Calendar(Box<Calendar>),
}

/// Times whose local minute, hour, day and month are all in these sets (bit n stands for n).
#[derive(Clone, Debug)]
pub struct Calendar {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether both day fields restrict; a day needs to match one of them only.
    either_day: bool,
    zone: TimeZone,
}

impl Schedule {
    pub fn parse(text: &str) -> Result<Schedule, BadSchedule> {
        parse(text).ok_or(BadSchedule::Malformed)
    }

    /// The first time after `after`; `None` where the schedule brings no other.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(period) => Some(whole_seconds(after).plus(*period)),
            Schedule::Calendar(calendar) => calendar.next(after),
        }
    }

    /// The wait of a run that follows the one that was due at `last`, in whole seconds; `None` where the schedule
    /// brings no other time.
    pub fn backoff(&self, last: Timestamp, now: Timestamp) -> Option<Duration> {
        let wait = self.next_in_row(last, now)?.since(now);
        Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
    }

    /// The first time after `now` in the series of times that follow `last`.
    fn next_in_row(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(period) => {
                let first = whole_seconds(last).plus(*period);
                let missed = now.0.saturating_sub(first.0).div_euclid(period.as_nanos() as i64) + 1;
                Some(Timestamp(first.0 + missed.max(0) * period.as_nanos() as i64))
            }
            Schedule::Calendar(calendar) => calendar.next(last.max(now)),
        }
    }
}

/// The same as [`Schedule::backoff`], for the text of the schedule that a run was started with.
pub fn backoff(schedule: &str, last: Timestamp, now: Timestamp) -> Option<Duration> {
    Schedule::parse(schedule).ok()?.backoff(last, now)
}

/// The schedule that a start asks for; the empty text is none.
pub fn check(text: &str) -> Result<Option<Schedule>, BadSchedule> {
    if text.is_empty() {
        return Ok(None);
    }
    let schedule = Schedule::parse(text)?;
    match schedule.next(Timestamp::default()) {
        Some(_) => Ok(Some(schedule)),
        None => Err(BadSchedule::Never),
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(SECOND) * SECOND)
}

impl Calendar {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut at = jiff::Timestamp::from_second(after.0.div_euclid(SECOND) + 1).ok()?;
        let last_year = self.zone.to_datetime(at).year() + YEARS_SEARCHED;
        loop {
            let local = self.zone.to_datetime(at);
            if local.year() > last_year {
                return None;
            }
            let to_full_minute = 60 - i64::from(local.second());
            at = if !has(self.months, local.month()) {
                self.midnight(local.first_of_month().checked_add(jiff::Span::new().months(1)).ok()?, at)?
            } else if !self.has_day(local) {
                self.midnight(local.tomorrow().ok()?, at)?
            } else if !has(self.hours, local.hour()) {
                later(at, to_full_minute + 60 * (59 - i64::from(local.minute())))?
            } else if !has(self.minutes, local.minute()) || local.second() != 0 {
                later(at, to_full_minute)?
            } else {
                return Some(Timestamp(at.as_second().checked_mul(SECOND)?));
            };
        }
    }

    fn has_day(&self, local: DateTime) -> bool {
        let day = has(self.days, local.day());
        let weekday = has(self.weekdays, local.weekday().to_sunday_zero_offset());
        if self.either_day { day || weekday } else { day && weekday }
    }

    /// The beginning of this day; never before `at`.
    fn midnight(&self, day: DateTime, at: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let begins = day.date().to_zoned(self.zone.clone()).ok()?.timestamp();
        Some(begins.max(later(at, 1)?))
    }
}

fn later(at: jiff::Timestamp, seconds: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(at.as_second() + seconds).ok()
}

fn has(set: u64, value: i8) -> bool {
    set >> value & 1 == 1
}

fn parse(text: &str) -> Option<Schedule> {
    let (zone, text) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
        Some(rest) => {
            let (name, rest) = rest.split_once(' ')?;
            (time_zone(name)?, rest.trim())
        }
        None => (TimeZone::UTC, text),
    };
    if let Some(period) = text.strip_prefix("@every ") {
        // Times are whole seconds, and at least one passes.
        return Some(Schedule::Every(Duration::from_secs(go_duration(period)?.as_secs().max(1))));
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        word if word.starts_with('@') => return None,
        fields => fields,
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return None };
    let (days, any_day) = field(day, 1, 31, &[])?;
    let (weekdays, any_weekday) = field(weekday, 0, 6, &WEEKDAYS)?;
    Some(Schedule::Calendar(Box::new(Calendar {
        minutes: field(minute, 0, 59, &[])?.0,
        hours: field(hour, 0, 23, &[])?.0,
        days,
        months: field(month, 1, 12, &MONTHS)?.0,
        weekdays,
        either_day: !any_day && !any_weekday,
        zone,
    })))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn time_zone(name: &str) -> Option<TimeZone> {
    match name {
        // The server's local time is UTC.
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name)),
    }
}

/// The set of values that a field names, and whether it names all of them by a star. `names` stand for the numbers from
/// `min` on.
fn field(text: &str, min: u32, max: u32, names: &[&str]) -> Option<(u64, bool)> {
    let ranges = text.split(',').filter(|range| !range.is_empty());
    ranges.map(|text| range(text, min, max, names)).try_fold((0, false), |(set, star), range| {
        let (more, starred) = range?;
        Some((set | more, star | starred))
    })
}

/// The set that one range names, and whether it is a star: `*`, `n`, `n-m`, each with `/step`; `n/step` goes on to the
/// end.
fn range(text: &str, min: u32, max: u32, names: &[&str]) -> Option<(u64, bool)> {
    let number = |text: &str| {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        named.map_or_else(|| text.parse().ok(), |place| Some(min + place as u32))
    };
    let (bounds, step) = match text.split_once('/') {
        Some((bounds, step)) => (bounds, Some(step.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (low, high) = match bounds.split_once('-') {
        Some((low, high)) => (low, Some(high)),
        None => (bounds, None),
    };
    let star = matches!(low, "*" | "?");
    let (first, last) = match (star, high) {
        (true, _) => (min, max),
        (false, Some(high)) => (number(low)?, number(high)?),
        (false, None) => (number(low)?, if step.is_some() { max } else { number(low)? }),
    };
    let step_by = step.unwrap_or(1);
    if first < min || last > max || first > last || step_by == 0 {
        return None;
    }
    let set = (first..=last).step_by(step_by as usize).fold(0, |set, n| set | 1 << n);
    Some((set, star && step_by == 1))
}

/// Parses a duration in Go's notation: `1h30m`, `1.5s`. A negative one counts as zero.
fn go_duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let nanos = match &unit[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += amount * nanos;
        rest = &unit[end..];
    }
    // As many nanoseconds as 64 bits hold.
    (total <= i64::MAX as f64).then(|| Duration::from_nanos(if negative { 0 } else { total as u64 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64)
    }

    fn show(at: Timestamp) -> String {
        jiff::Timestamp::from_nanosecond(at.0.into()).unwrap().to_string()
    }

    #[test]
    fn schedules_are_accepted_or_refused() {
        let accepted = "* * * * *|? ? ? ? ?|*/5 * * * *|5/10 * * * *|1-5/2 * * * *|* * * jan mon|* * * JAN-MAR \
                        MON-FRI|1,2,3 * * * *|,1 * * * *|1,, * * * *|+1 * * * *|*-5 * * * *|5-5 * * * *|*,5 * * * \
                        *|?/5 * * * *|*/100 * * * *|0 0 29 2 *| 0  0 1 * * |@every 0s|@every 500ms|@every \
                        1h30m|@every -5s|@every 1.5s|@hourly|@daily|@midnight|@weekly|@monthly|@yearly|@annually|\
                        CRON_TZ=Europe/Berlin 0 12 * * *|TZ=America/New_York 0 12 * * *|CRON_TZ=Europe/Berlin @every \
                        5s|CRON_TZ=UTC @daily|CRON_TZ=Local @daily|CRON_TZ= 0 12 * * *||@every 0";
        for schedule in accepted.split('|') {
            assert_eq!(check(schedule).err(), None, "{schedule:?}");
        }
        let malformed = "foo|* * * *|* * * * * *|60 * * * *|* 24 * * *|* * 0 * *|* * * 13 *|* * * * 7|* * * * 0-7|\
                         @every|@every |@every x|@every 1d|@every 5|@reboot|@HOURLY|  |*/0 * * * *|5-1 * * * *|a * * \
                         * *|CRON_TZ=Nowhere/Foo 0 12 * * *|CRON_TZ=Europe/Berlin|CRON_TZ=europe/berlin 0 12 * * *|\
                         1--3 * * * *|1/2/3 * * * *|-1 * * * *|1- * * * *|0 0 L * *|99999999999999999999 * * * *";
        for schedule in malformed.split('|') {
            assert_eq!(check(schedule).err(), Some(BadSchedule::Malformed), "{schedule:?}");
        }
        for schedule in ["0 0 31 2 *", "0 0 30 2 *", ", * * * *"] {
            assert_eq!(check(schedule).err(), Some(BadSchedule::Never), "{schedule:?}");
        }
    }

    #[test]
    fn times_follow_each_other() {
        #[track_caller]
        fn check(schedule: &str, from: &str, expected: &[&str]) {
            let schedule = Schedule::parse(schedule).unwrap();
            let mut last = at(from);
            let next = |_: &&str| {
                last = schedule.next(last).unwrap();
                show(last)
            };
            assert_eq!(expected.iter().map(next).collect::<Vec<_>>(), expected);
        }
        check("*/15 * * * *", "2026-11-22T20:14:59Z", &["2026-11-22T20:15:00Z", "2026-11-22T20:30:00Z"]);
        check("*/15 * * * *", "2026-11-22T20:15:00.5Z", &["2026-11-22T20:30:00Z"]);
        check("5/25 * * * *", "2026-12-31T23:56:00Z", &["2027-01-01T00:05:00Z", "2027-01-01T00:30:00Z"]);
        check("0 0 29 2 *", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
        check("0 0 31 * *", "2026-03-31T00:00:00Z", &["2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"]);
        check("@weekly", "2026-11-22T00:00:00Z", &["2026-11-29T00:00:00Z"]);
        check("@yearly", "2026-11-22T00:00:00Z", &["2027-01-01T00:00:00Z"]);
        check("@every 90s", "2026-11-22T20:00:00.7Z", &["2026-11-22T20:01:30Z", "2026-11-22T20:03:00Z"]);
        // Day of the month or day of the week, where both are given.
        check("0 0 13 * 5", "2026-11-06T00:00:00Z", &["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]);
        check("0 0 13 * 5", "2026-12-11T00:00:00Z", &["2026-12-13T00:00:00Z"]);
        check("0 0 */2 * 5", "2026-11-20T00:00:00Z", &["2026-11-21T00:00:00Z"]);
        check("0 0 * * 5", "2026-11-20T00:00:00Z", &["2026-11-27T00:00:00Z"]);
    }

    #[test]
    fn clock_changes_skip_and_repeat_times() {
        #[track_caller]
        fn check(schedule: &str, from: &str, expected: &[&str]) {
            let schedule = Schedule::parse(schedule).unwrap();
            let mut last = at(from);
            let next = |_: &&str| {
                last = schedule.next(last).unwrap();
                show(last)
            };
            assert_eq!(expected.iter().map(next).collect::<Vec<_>>(), expected);
        }
        let berlin = "CRON_TZ=Europe/Berlin";
        check(
            &format!("{berlin} 0 12 * * *"),
            "2026-03-28T00:00:00Z",
            &["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"],
        );
        // 2:30 does not exist on the 29th of March, and comes twice on the 25th of October.
        check(&format!("{berlin} 30 2 * * *"), "2026-03-28T12:00:00Z", &["2026-03-30T00:30:00Z"]);
        check(
            &format!("{berlin} 30 2 * * *"),
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"],
        );
        // Midnight does not exist on the day when summer time begins in Beirut.
        check(
            "CRON_TZ=Asia/Beirut 30 * 29 3 *",
            "2026-03-28T21:00:00Z",
            &["2026-03-28T22:30:00Z", "2026-03-28T23:30:00Z"],
        );
    }

    #[test]
    fn a_wait_is_in_whole_seconds_and_counts_from_the_last_turn() {
        #[track_caller]
        fn check(schedule: &str, last: &str, now: &str, seconds: u64) {
            assert_eq!(backoff(schedule, at(last), at(now)), Some(Duration::from_secs(seconds)));
        }
        check("@every 2s", "2026-11-22T20:00:14.138Z", "2026-11-22T20:00:14.138Z", 2);
        check("@every 2s", "2026-11-22T20:00:16.138Z", "2026-11-22T20:00:17.140Z", 1);
        check("@every 2s", "2026-11-22T20:00:11.994Z", "2026-11-22T20:00:12.006Z", 1);
        check("@every 1h", "2026-11-22T20:00:00Z", "2026-11-23T20:00:00Z", 3600);
        check("@every 1h", "2026-11-22T20:00:00Z", "2026-11-23T20:59:59Z", 1);
        check("0 * * * *", "2026-11-22T20:00:00Z", "2026-11-22T23:59:00.1Z", 60);
        assert_eq!(backoff("foo", Timestamp(0), Timestamp(0)), None);
        assert_eq!(backoff("0 0 31 2 *", Timestamp(0), Timestamp(0)), None);
    }
}
