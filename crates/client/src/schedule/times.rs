//! When a schedule fires, as the API has it: calendars, intervals, and what bounds them.

use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};
use tenure_api::{
    schedule::v1::{IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec},
    time::{duration_from_proto, duration_to_proto, time_from_proto},
};

/// Times by the calendar: a time is one of them if each field has a range that it is in. A field without ranges has its
/// first value if it is of the clock, and all values if it is of the days.
///
/// ```
/// use tenure_client::{Calendar, CalendarRange, Weekday};
/// let noon_on_working_days = Calendar::at(12, 0).days_of_week(Weekday::Monday..=Weekday::Friday);
/// let quarters_of_an_hour = Calendar::default().hours(9..=17).minutes(CalendarRange::every(15, 0..=59));
/// let christmas = Calendar::at(8, 30).days_of_month([24, 25]).months(12).comment("presents");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "is given to a schedule"]
pub struct Calendar {
    /// Seconds, 0 to 59.
    pub seconds: Vec<CalendarRange>,
    /// Minutes, 0 to 59.
    pub minutes: Vec<CalendarRange>,
    /// Hours, 0 to 23.
    pub hours: Vec<CalendarRange>,
    /// Days of the month, 1 to 31.
    pub days_of_month: Vec<CalendarRange>,
    /// Months, 1 to 12.
    pub months: Vec<CalendarRange>,
    /// Days of the week, 0 to 6: [`Weekday`] has their numbers.
    pub days_of_week: Vec<CalendarRange>,
    /// Years.
    pub years: Vec<CalendarRange>,
    /// What it is for.
    pub comment: String,
}

impl Calendar {
    /// Every day at this hour and minute.
    pub fn at(hour: i32, minute: i32) -> Calendar {
        Calendar::default().hours(hour).minutes(minute)
    }

    /// Whole days, for [exclusions](crate::ScheduleBuilder::except).
    ///
    /// ```
    /// use tenure_client::{Calendar, Weekday};
    /// let weekends = Calendar::all_day().days_of_week([Weekday::Saturday, Weekday::Sunday]);
    /// ```
    pub fn all_day() -> Calendar {
        Calendar::default().hours(0..=23).minutes(0..=59).seconds(0..=59)
    }

    /// Seconds, 0 to 59.
    pub fn seconds(mut self, seconds: impl IntoRanges) -> Self {
        self.seconds = seconds.into_ranges();
        self
    }

    /// Minutes, 0 to 59.
    pub fn minutes(mut self, minutes: impl IntoRanges) -> Self {
        self.minutes = minutes.into_ranges();
        self
    }

    /// Hours, 0 to 23.
    pub fn hours(mut self, hours: impl IntoRanges) -> Self {
        self.hours = hours.into_ranges();
        self
    }

    /// Days of the month, 1 to 31.
    pub fn days_of_month(mut self, days: impl IntoRanges) -> Self {
        self.days_of_month = days.into_ranges();
        self
    }

    /// Months, 1 to 12.
    pub fn months(mut self, months: impl IntoRanges) -> Self {
        self.months = months.into_ranges();
        self
    }

    /// Days of the week: [`Weekday`]s, or their numbers.
    pub fn days_of_week(mut self, days: impl IntoRanges) -> Self {
        self.days_of_week = days.into_ranges();
        self
    }

    /// Years.
    pub fn years(mut self, years: impl IntoRanges) -> Self {
        self.years = years.into_ranges();
        self
    }

    /// What it is for.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    pub(super) fn into_proto(self) -> StructuredCalendarSpec {
        let ranges = |ranges: Vec<CalendarRange>| ranges.into_iter().map(CalendarRange::into_proto).collect();
        // What has no ranges would never fire, but for years.
        let or = |given: Vec<CalendarRange>, otherwise: RangeInclusive<i32>| {
            ranges(if given.is_empty() { otherwise.into_ranges() } else { given })
        };
        StructuredCalendarSpec {
            second: or(self.seconds, 0..=0),
            minute: or(self.minutes, 0..=0),
            hour: or(self.hours, 0..=0),
            day_of_month: or(self.days_of_month, 1..=31),
            month: or(self.months, 1..=12),
            year: ranges(self.years),
            day_of_week: or(self.days_of_week, 0..=6),
            comment: self.comment,
        }
    }

    fn from_proto(calendar: &StructuredCalendarSpec) -> Self {
        let ranges = |ranges: &[Range]| ranges.iter().map(CalendarRange::from_proto).collect();
        Calendar {
            seconds: ranges(&calendar.second),
            minutes: ranges(&calendar.minute),
            hours: ranges(&calendar.hour),
            days_of_month: ranges(&calendar.day_of_month),
            months: ranges(&calendar.month),
            days_of_week: ranges(&calendar.day_of_week),
            years: ranges(&calendar.year),
            comment: calendar.comment.clone(),
        }
    }
}

/// Values of a field of a [`Calendar`]: from `start` up to `end`, each so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarRange {
    /// The first value.
    pub start: i32,
    /// The last value that it may have.
    pub end: i32,
    /// From one to the next; 1 has them all.
    pub step: i32,
}

impl CalendarRange {
    /// Each `step`th of these values, from the first one on.
    pub fn every(step: i32, values: RangeInclusive<i32>) -> CalendarRange {
        CalendarRange { start: *values.start(), end: *values.end(), step }
    }

    fn into_proto(self) -> Range {
        Range { start: self.start, end: self.end, step: self.step }
    }

    /// The API's form leaves out an end that is the start, and a step of 1.
    fn from_proto(range: &Range) -> Self {
        CalendarRange { start: range.start, end: range.end.max(range.start), step: range.step.max(1) }
    }
}

/// What a field of a [`Calendar`] may be given: a number or a [`Weekday`], a range of them, a [`CalendarRange`], or several
/// of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a calendar",
    note = "a field is given a number or a `Weekday`, a range of them (`9..=17`), a `CalendarRange`, or an array of these"
)]
pub trait IntoRanges {
    #[doc(hidden)]
    fn into_ranges(self) -> Vec<CalendarRange>;
}

impl IntoRanges for CalendarRange {
    fn into_ranges(self) -> Vec<CalendarRange> {
        vec![self]
    }
}

impl IntoRanges for i32 {
    fn into_ranges(self) -> Vec<CalendarRange> {
        (self..=self).into_ranges()
    }
}

impl IntoRanges for RangeInclusive<i32> {
    fn into_ranges(self) -> Vec<CalendarRange> {
        vec![CalendarRange::every(1, self)]
    }
}

impl IntoRanges for Weekday {
    fn into_ranges(self) -> Vec<CalendarRange> {
        (self as i32).into_ranges()
    }
}

/// A range may go over the end of the week.
impl IntoRanges for RangeInclusive<Weekday> {
    fn into_ranges(self) -> Vec<CalendarRange> {
        let (start, end) = (*self.start() as i32, *self.end() as i32);
        if start <= end {
            return (start..=end).into_ranges();
        }
        [start..=Weekday::Saturday as i32, Weekday::Sunday as i32..=end].into_ranges()
    }
}

impl<T: IntoRanges, const N: usize> IntoRanges for [T; N] {
    fn into_ranges(self) -> Vec<CalendarRange> {
        self.into_iter().flat_map(T::into_ranges).collect()
    }
}

impl<T: IntoRanges> IntoRanges for Vec<T> {
    fn into_ranges(self) -> Vec<CalendarRange> {
        self.into_iter().flat_map(T::into_ranges).collect()
    }
}

/// A day of the week, as [calendars](Calendar) count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Weekday {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
}

/// Times that are `offset` after a multiple of `every`, counted from 1970-01-01T00:00:00Z on; both in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// From one time to the next.
    pub every: Duration,
    /// How much later than the multiples.
    pub offset: Duration,
}

impl Interval {
    pub(super) fn into_proto(self) -> IntervalSpec {
        let Interval { every, offset } = self;
        let phase = (!offset.is_zero()).then(|| duration_to_proto(offset));
        IntervalSpec { interval: Some(duration_to_proto(every)), phase }
    }

    fn from_proto(interval: &IntervalSpec) -> Self {
        Interval {
            every: duration_from_proto(interval.interval).unwrap_or_default(),
            offset: duration_from_proto(interval.phase).unwrap_or_default(),
        }
    }
}

/// When a schedule fires, as the server says it: cron strings have become calendars and intervals. All calendars and
/// intervals count, but for times that are excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleTimes {
    /// By the calendar.
    pub calendars: Vec<Calendar>,
    /// At intervals.
    pub intervals: Vec<Interval>,
    /// When it does not fire.
    pub except: Vec<Calendar>,
    /// The time zone of the calendars; empty for UTC.
    pub time_zone: String,
    /// No time is before this one.
    pub starting: Option<SystemTime>,
    /// No time is after this one.
    pub ending: Option<SystemTime>,
    /// By how much each time is delayed, at most.
    pub jitter: Duration,
}

impl ScheduleTimes {
    pub(super) fn from_proto(spec: &ScheduleSpec) -> Self {
        ScheduleTimes {
            calendars: spec.structured_calendar.iter().map(Calendar::from_proto).collect(),
            intervals: spec.interval.iter().map(Interval::from_proto).collect(),
            except: spec.exclude_structured_calendar.iter().map(Calendar::from_proto).collect(),
            time_zone: spec.timezone_name.clone(),
            starting: time_from_proto(spec.start_time),
            ending: time_from_proto(spec.end_time),
            jitter: duration_from_proto(spec.jitter).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_ranges() {
        let range = |start, end, step| CalendarRange { start, end, step };
        let calendar = Calendar::at(12, 30)
            .days_of_week([Weekday::Saturday..=Weekday::Monday, Weekday::Thursday..=Weekday::Thursday])
            .days_of_month([CalendarRange::every(7, 1..=31)])
            .months(vec![1, 6]);
        assert_eq!(calendar.days_of_week, [range(6, 6, 1), range(0, 1, 1), range(4, 4, 1)]);
        assert_eq!(calendar.days_of_month, [range(1, 31, 7)]);
        assert_eq!(
            (calendar.hours.as_slice(), calendar.minutes.as_slice()),
            (&[range(12, 12, 1)][..], &[range(30, 30, 1)][..])
        );
        assert_eq!(calendar.months, [range(1, 1, 1), range(6, 6, 1)]);
        let filled_in = calendar.clone().seconds(0);
        assert_eq!(Calendar::from_proto(&calendar.into_proto()), filled_in);
        let daily = Calendar::at(0, 0).seconds(0).days_of_month(1..=31).months(1..=12).days_of_week(0..=6);
        assert_eq!(Calendar::from_proto(&Calendar::default().into_proto()), daily);
    }

    #[test]
    fn what_the_api_leaves_out_is_filled_in() {
        let hour = vec![Range { start: 9, end: 0, step: 0 }];
        let calendar = StructuredCalendarSpec { hour, ..Default::default() };
        assert_eq!(Calendar::from_proto(&calendar).hours, [CalendarRange { start: 9, end: 9, step: 1 }]);
        let interval = Interval { every: Duration::from_secs(60), offset: Duration::ZERO };
        assert_eq!(interval.into_proto().phase, None);
        assert_eq!(Interval::from_proto(&interval.into_proto()), interval);
    }
}
