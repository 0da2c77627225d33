//! When a schedule fires, as options.

use super::moment::{self, Unset};
use crate::Usage;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use tenure_api::{
    schedule::v1::{CalendarSpec, IntervalSpec, ScheduleSpec},
    time::duration_to_proto,
};

const HEADING: &str = "Times";

/// When it fires; all that is said counts together.
#[derive(clap::Args, Default)]
pub(super) struct Times {
    /// A cron string: '30 2 * * MON-FRI', '@daily', '@every 10m'; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "CRON")]
    cron: Vec<String>,
    /// Every so often, for example 15m; with an offset behind a slash: 1h/20m. May be given several times.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", alias = "interval", value_parser = interval)]
    every: Vec<IntervalSpec>,
    /// A calendar in JSON, for example '{"hour": "9-17", "dayOfWeek": "MON-FRI"}'; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "JSON", value_parser = calendar)]
    calendar: Vec<CalendarSpec>,
    /// Not at the times of a calendar: '{"dayOfWeek": "SAT,SUN"}' for whole days. May be given several times; none takes
    /// all of them back.
    #[arg(help_heading = HEADING, long, value_name = "JSON", value_parser = exclusion)]
    except: Vec<Unset<CalendarSpec>>,
    /// The time zone of cron strings and calendars, for example Europe/Berlin; by default UTC.
    #[arg(help_heading = HEADING, long, value_name = "NAME")]
    time_zone: Option<String>,
    /// Not before this time; none takes it back.
    #[arg(help_heading = HEADING, long, value_name = "TIME", alias = "start-time", allow_hyphen_values = true, value_parser = moment::time_or_none)]
    from: Option<Unset<Timestamp>>,
    /// Not after this time; none takes it back.
    #[arg(help_heading = HEADING, long, value_name = "TIME", alias = "end-time", allow_hyphen_values = true, value_parser = moment::time_or_none)]
    until: Option<Unset<Timestamp>>,
    /// Delay each time by up to so much, so that not all schedules act in the same second.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = moment::duration_or_none)]
    jitter: Option<Unset<Duration>>,
}

/// What the help of commands with these options says below.
pub(super) const CALENDARS: &str = "\
Cron strings have five fields (minute, hour, day of month, month, day of week), with a sixth for the year and, with seven,
a first one for the second. Calendars have second, minute, hour, dayOfMonth, month, dayOfWeek, year and comment; a field is
'*', a value, a range '9-17', a step '*/15', or several of these with commas. What is not said of the clock is 0, and of
days is all.";

fn interval(text: &str) -> Result<IntervalSpec, String> {
    let (every, offset) = text.split_once('/').unwrap_or((text, ""));
    let duration =
        |text: &str| humantime::parse_duration(text).map(duration_to_proto).map_err(|error| error.to_string());
    let phase = (!offset.is_empty()).then(|| duration(offset)).transpose()?;
    Ok(IntervalSpec { interval: Some(duration(every)?), phase })
}

/// A calendar as it is written: each field a text, or a number.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    second: Field,
    minute: Field,
    hour: Field,
    day_of_month: Field,
    month: Field,
    year: Field,
    day_of_week: Field,
    comment: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Number(i32),
}

impl Default for Field {
    fn default() -> Self {
        Field::Text(String::new())
    }
}

impl Field {
    fn text(self) -> String {
        match self {
            Field::Text(text) => text,
            Field::Number(number) => number.to_string(),
        }
    }
}

fn calendar(json: &str) -> Result<CalendarSpec, String> {
    let written: Written = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(CalendarSpec {
        second: written.second.text(),
        minute: written.minute.text(),
        hour: written.hour.text(),
        day_of_month: written.day_of_month.text(),
        month: written.month.text(),
        year: written.year.text(),
        day_of_week: written.day_of_week.text(),
        comment: written.comment,
    })
}

/// An exclusion that says nothing of the clock is of whole days.
fn exclusion(json: &str) -> Result<Unset<CalendarSpec>, String> {
    moment::or_none(json, |json| {
        let mut excluded = calendar(json)?;
        let CalendarSpec { second, minute, hour, .. } = &mut excluded;
        if second.is_empty() && minute.is_empty() && hour.is_empty() {
            [second, minute, hour].into_iter().for_each(|field| "*".clone_into(field));
        } else if second.is_empty() {
            "*".clone_into(second);
        }
        Ok(excluded)
    })
}

impl Times {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        let Times { cron, every, calendar, except, time_zone, from, until, jitter } = self;
        let lists = cron.is_empty() && every.is_empty() && calendar.is_empty() && except.is_empty();
        lists && time_zone.is_none() && from.is_none() && until.is_none() && jitter.is_none()
    }

    /// Puts what is said into a specification. Cron strings, intervals and calendars together take the place of those that
    /// there were, and so do exclusions.
    pub(super) fn apply(&self, spec: &mut ScheduleSpec) -> anyhow::Result<()> {
        if !(self.cron.is_empty() && self.every.is_empty() && self.calendar.is_empty()) {
            spec.structured_calendar.clear();
            spec.cron_string.clone_from(&self.cron);
            spec.calendar.clone_from(&self.calendar);
            spec.interval.clone_from(&self.every);
        }
        if !self.except.is_empty() {
            self.exclude(spec)?;
        }
        if let Some(zone) = &self.time_zone {
            spec.timezone_name.clone_from(zone);
            spec.timezone_data.clear();
        }
        if let Some(Unset(from)) = &self.from {
            spec.start_time = from.map(moment::to_proto);
        }
        if let Some(Unset(until)) = &self.until {
            spec.end_time = until.map(moment::to_proto);
        }
        if let Some(Unset(jitter)) = &self.jitter {
            spec.jitter = jitter.map(duration_to_proto);
        }
        Ok(())
    }

    #[allow(deprecated, reason = "the form that has calendars in words; servers turn it into the other")]
    fn exclude(&self, spec: &mut ScheduleSpec) -> anyhow::Result<()> {
        let excluded: Vec<CalendarSpec> = self.except.iter().filter_map(|Unset(calendar)| calendar.clone()).collect();
        if !excluded.is_empty() && excluded.len() < self.except.len() {
            return Err(Usage("--except none stands alone".to_owned()).into());
        }
        spec.exclude_structured_calendar.clear();
        spec.exclude_calendar = excluded;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use tenure_schedule::Spec;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        times: Times,
    }

    #[track_caller]
    fn applied(to: ScheduleSpec, options: &[&str]) -> ScheduleSpec {
        let options = [&["tenure"], options].concat();
        let times = Command::try_parse_from(options).unwrap_or_else(|error| panic!("{error}")).times;
        let mut spec = to;
        times.apply(&mut spec).unwrap();
        Spec::compile(&spec).unwrap().canonical().clone()
    }

    #[track_caller]
    fn means(options: &[&str], words: &str) {
        let spec = applied(ScheduleSpec::default(), options);
        assert_eq!(Spec::compile(&spec).unwrap().explain(), words);
    }

    #[test]
    fn options_say_when() {
        means(&["--every", "15m"], "every 15 minutes");
        means(&["--interval", "1h/20m"], "every hour with an offset of 20 minutes");
        means(
            &["--cron", "0 12 * * MON-FRI", "--time-zone", "Europe/Berlin"],
            "at 12:00 from Monday to Friday in Europe/Berlin",
        );
        means(&["--calendar", r#"{"hour": 9, "dayOfWeek": "MON"}"#], "at 09:00 on Mondays in UTC");
        means(
            &["--cron", "0 9 * * *", "--except", r#"{"dayOfWeek": "SAT,SUN"}"#],
            "every day at 09:00 in UTC, except on Sundays and Saturdays",
        );
        means(
            &["--every", "1h", "--from", "2026-11-30", "--until", "2027-01-01T00:00:00Z", "--jitter", "10s"],
            "every hour, from 2026-11-30T00:00:00Z, until 2027-01-01T00:00:00Z, each delayed by up to 10 seconds",
        );
        means(&[], "never");
    }

    #[test]
    fn what_is_said_anew_takes_the_place_of_what_was() {
        let first = ["--cron", "0 9 * * *", "--every", "1h", "--until", "2027-01-01", "--except", r#"{"month": 12}"#];
        let before = applied(ScheduleSpec::default(), &first);
        let after = applied(before.clone(), &["--every", "5m"]);
        let words = Spec::compile(&after).unwrap().explain();
        assert_eq!(words, "every 5 minutes in UTC, except in December, until 2027-01-01T00:00:00Z");
        let after = applied(before, &["--except", "none", "--until", "none", "--time-zone", "Asia/Tokyo"]);
        let words = Spec::compile(&after).unwrap().explain();
        assert_eq!(words, "every day at 09:00; and every hour in Asia/Tokyo");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in [["--every", "soon"], ["--calendar", r#"{"weekday": 1}"#], ["--calendar", "9"], ["--from", "noon"]]
        {
            assert!(Command::try_parse_from([&["tenure"][..], &wrong].concat()).is_err(), "{wrong:?}");
        }
    }
}
