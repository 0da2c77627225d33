//! Calendars: sets of local times, each field of which has to match. What is searched for is found field by field, from
//! the year inwards, and never second by second.

use crate::{
    error::SpecError,
    values::{BEFORE, DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND, Values, YEARS},
    work::Work,
    zone::Zone,
};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
};
use tenure_api::schedule::v1::StructuredCalendarSpec;

/// A compiled calendar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Calendar {
    pub(crate) months: Values,
    pub(crate) days: Values,
    pub(crate) weekdays: Values,
    /// See [`Values::of_years`].
    pub(crate) years: Values,
    pub(crate) hours: Values,
    pub(crate) minutes: Values,
    pub(crate) seconds: Values,
}

/// A time of day: hour, minute, second.
type Time = (i32, i32, i32);

/// The fields of a calendar, each of which may be all that two calendars differ in.
const FIELDS: [fn(&mut Calendar) -> &mut Values; 7] = [
    |calendar| &mut calendar.years,
    |calendar| &mut calendar.days,
    |calendar| &mut calendar.months,
    |calendar| &mut calendar.weekdays,
    |calendar| &mut calendar.seconds,
    |calendar| &mut calendar.minutes,
    |calendar| &mut calendar.hours,
];

/// Days that [`Calendar::end_of_run`] looks at at once.
const RUN_DAYS: usize = 366;

/// The same times with fewer calendars, each of which has some: those that differ in one field only become one. Thousands
/// of single days are a few sets of days then, and half a minute and the other half a whole one.
pub(crate) fn merged(calendars: impl Iterator<Item = Calendar>) -> Vec<Calendar> {
    let mut calendars: Vec<Calendar> = calendars.filter(Calendar::matches_any).collect();
    for field in FIELDS {
        let without = |calendar: &Calendar| {
            let mut calendar = calendar.clone();
            *field(&mut calendar) = field(&mut calendar).none();
            calendar
        };
        calendars.sort_by_cached_key(without);
        calendars.dedup_by(|next, first| {
            let is_alike = without(next) == without(first);
            if is_alike {
                *field(first) = field(first).or(*field(next));
            }
            is_alike
        });
    }
    calendars
}

impl Calendar {
    pub(crate) fn of(spec: &StructuredCalendarSpec) -> Calendar {
        Calendar {
            months: Values::of(MONTH, &spec.month),
            days: Values::of(DAY_OF_MONTH, &spec.day_of_month),
            weekdays: Values::of(DAY_OF_WEEK, &spec.day_of_week),
            years: Values::of_years(&spec.year),
            hours: Values::of(HOUR, &spec.hour),
            minutes: Values::of(MINUTE, &spec.minute),
            seconds: Values::of(SECOND, &spec.second),
        }
    }

    /// Whether any local time matches.
    pub(crate) fn matches_any(&self) -> bool {
        let times = [self.hours, self.minutes, self.seconds];
        times.iter().all(|values| !values.is_empty()) && self.day_at_or_after(Date::constant(1970, 1, 1)).is_some()
    }

    pub(crate) fn matches(&self, local: DateTime) -> bool {
        self.matches_day(local.date())
            && self.hours.contains(local.hour().into())
            && self.minutes.contains(local.minute().into())
            && self.seconds.contains(local.second().into())
    }

    /// The first time from `from` on whose local time in `zone` matches. A local time that the clocks skip is none, and
    /// one that they repeat is two.
    pub(crate) fn first(&self, zone: &Zone, from: Timestamp, work: &mut Work) -> Result<Option<Timestamp>, SpecError> {
        // No clock is further from UTC than this, so what is further ahead on one is ahead in time.
        const FURTHEST: i64 = 26 * 3600;
        let mut at = from;
        loop {
            work.spend(1)?;
            let stretch = zone.stretch(at);
            let ends_before = |time: Timestamp| stretch.end.is_some_and(|end| end <= time);
            let found = self.at_or_after(stretch.offset.to_datetime(at));
            let found = found.and_then(|local| stretch.offset.to_timestamp(local).ok());
            if let Some(found) = found.filter(|found| !ends_before(*found)) {
                return Ok(Some(found));
            }
            let Some(end) = stretch.end else { return Ok(None) };
            let Some(least) = later(end, -FURTHEST).and_then(|at| self.at_or_after(utc(at))) else { return Ok(None) };
            let least = jiff::tz::Offset::UTC.to_timestamp(least).ok().and_then(|at| later(at, -FURTHEST));
            at = least.map_or(end, |least| least.max(end));
        }
    }

    /// The first time after `at`, which matches, from which on others may not match; `None` if all of them do.
    pub(crate) fn end_of_run(
        &self,
        zone: &Zone,
        at: Timestamp,
        work: &mut Work,
    ) -> Result<Option<Timestamp>, SpecError> {
        let stretch = zone.stretch(at);
        let end = self.local_end_of_run(stretch.offset.to_datetime(at), work)?;
        let end = end.and_then(|end| stretch.offset.to_timestamp(end).ok());
        // Beyond the change of the clocks, other local times come.
        Ok([end, stretch.end].into_iter().flatten().min())
    }

    fn local_end_of_run(&self, local: DateTime, work: &mut Work) -> Result<Option<DateTime>, SpecError> {
        let (hour, minute, second) = (local.hour().into(), local.minute().into(), local.second().into());
        let date = local.date();
        let time = if !self.seconds.is_full() {
            (hour, minute, self.seconds.missing_at_or_after(second).unwrap_or(60))
        } else if !self.minutes.is_full() {
            (hour, self.minutes.missing_at_or_after(minute).unwrap_or(60), 0)
        } else if !self.hours.is_full() {
            (self.hours.missing_at_or_after(hour).unwrap_or(24), 0, 0)
        } else {
            let days = date.series(jiff::Span::new().days(1)).take(RUN_DAYS).take_while(|day| self.matches_day(*day));
            let days = days.count();
            work.spend(days / 16)?;
            // In the first place, `date` matches.
            let last = date.checked_add(jiff::Span::new().days(days.max(1) as i64));
            return Ok(last.ok().map(|day| day.at(0, 0, 0, 0)));
        };
        let (hour, minute, second) = time;
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        Ok(date.at(0, 0, 0, 0).checked_add(jiff::SignedDuration::from_secs(seconds)).ok())
    }

    /// The first local time from `from` on that matches, up to the last year.
    fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let time = (from.hour().into(), from.minute().into(), from.second().into());
        let date = self.day_at_or_after(from.date())?;
        let (date, (hour, minute, second)) = match self.time_at_or_after(time) {
            Some(time) if date == from.date() => (date, time),
            _ if date > from.date() => (date, self.time_at_or_after((0, 0, 0))?),
            _ => (self.day_at_or_after(date.tomorrow().ok()?)?, self.time_at_or_after((0, 0, 0))?),
        };
        Some(date.at(hour as i8, minute as i8, second as i8, 0))
    }

    fn time_at_or_after(&self, (hour, minute, second): Time) -> Option<Time> {
        let first_minute = self.minutes.at_or_after(0)?;
        let first_second = self.seconds.at_or_after(0)?;
        if self.hours.contains(hour) {
            if self.minutes.contains(minute)
                && let Some(second) = self.seconds.at_or_after(second)
            {
                return Some((hour, minute, second));
            }
            if let Some(minute) = self.minutes.at_or_after(minute + 1) {
                return Some((hour, minute, first_second));
            }
        }
        Some((self.hours.at_or_after(hour + 1)?, first_minute, first_second))
    }

    fn day_at_or_after(&self, from: Date) -> Option<Date> {
        let (mut year, mut month, mut day) = (i32::from(from.year()), i32::from(from.month()), i32::from(from.day()));
        while year <= YEARS.1 {
            while self.matches_year(year)
                && let Some(next) = self.months.at_or_after(month)
            {
                if next > month {
                    day = 1;
                }
                month = next;
                if let Some(date) = self.day_in_month(year, month, day) {
                    return Some(date);
                }
                (month, day) = (month + 1, 1);
            }
            (year, month, day) = (year + 1, 1, 1);
        }
        None
    }

    fn day_in_month(&self, year: i32, month: i32, mut day: i32) -> Option<Date> {
        while let Some(next) = self.days.at_or_after(day) {
            let date = Date::new(year as i16, month as i8, next as i8).ok()?;
            if self.matches_weekday(date) {
                return Some(date);
            }
            day = next + 1;
        }
        None
    }

    fn matches_day(&self, date: Date) -> bool {
        self.months.contains(date.month().into())
            && self.days.contains(date.day().into())
            && self.matches_weekday(date)
            && self.matches_year(date.year().into())
    }

    fn matches_weekday(&self, date: Date) -> bool {
        self.weekdays.contains(date.weekday().to_sunday_zero_offset().into())
    }

    fn matches_year(&self, year: i32) -> bool {
        self.years.contains(year.max(BEFORE))
    }
}

fn utc(at: Timestamp) -> DateTime {
    jiff::tz::Offset::UTC.to_datetime(at)
}

fn later(at: Timestamp, seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second().checked_add(seconds)?).ok()
}
