//! A compiled spec.

use crate::{
    calendar::{Calendar, merged},
    canonical::canonical,
    duration,
    error::SpecError,
    exclusions::Exclusions,
    interval::Interval,
    search::{Firing, Matching, Search, Times},
    source::Source,
    values::YEARS,
    words,
    zone::Zone,
};
use jiff::{Timestamp, civil, tz::Offset};
use tenure_api::schedule::v1::ScheduleSpec;

/// What a schedule's spec stands for: a set of times, of one second's resolution, up to the year 2100.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    canonical: ScheduleSpec,
    times: Times,
}

impl Spec {
    /// Compiles a spec, or refuses it with INVALID_ARGUMENT. One that never fires is compiled, too: [`Spec::next`] tells.
    pub fn compile(spec: &ScheduleSpec) -> Result<Spec, SpecError> {
        let canonical = canonical(spec)?;
        let zone = Zone::load(&canonical.timezone_name, &canonical.timezone_data)?;
        let calendars = merged(canonical.structured_calendar.iter().map(Calendar::of));
        let intervals = canonical.interval.iter().map(|interval| Source::Interval(Interval::of(interval)));
        let mut sources: Vec<Source> = calendars.into_iter().map(Source::Calendar).chain(intervals).collect();
        sources.sort_unstable();
        sources.dedup();
        let end_of_years = civil::date(YEARS.1 as i16 + 1, 1, 1).at(0, 0, 0, 0);
        let end_of_years = Offset::UTC.to_timestamp(end_of_years).expect("within the years of timestamps");
        let times = Times {
            zone,
            sources,
            exclusions: Exclusions::new(canonical.exclude_structured_calendar.iter().map(Calendar::of)),
            before_first: canonical.start_time.as_ref().map_or(0, seconds).saturating_sub(1),
            last: canonical.end_time.as_ref().map_or(i64::MAX, seconds).min(end_of_years.as_second() - 1),
            jitter: duration::nanos(canonical.jitter.as_ref()),
        };
        Ok(Spec { canonical, times })
    }

    /// The spec as DescribeSchedule has it: calendars and cron strings as structured calendars and intervals, with all
    /// defaults of ranges, and the time zone of the cron strings. It compiles to the same.
    pub fn canonical(&self) -> &ScheduleSpec {
        &self.canonical
    }

    /// The first firing whose nominal time is after `after`, in whole seconds; `None` if there is no more. The seed makes
    /// the jitter of one schedule differ from that of others: the reference server's is the namespace's id, a dash, and
    /// the schedule's id.
    pub fn next(&self, after: Timestamp, jitter_seed: &str) -> Result<Option<Firing>, SpecError> {
        Search::new(&self.times).next(after, jitter_seed)
    }

    /// The firings after `after`, up to `to` by their jittered times and to `MATCHING_TIMES` of them, as
    /// ListScheduleMatchingTimes has them: each is the first one that is after the jittered time of the one before it.
    pub fn matching<'a>(&'a self, after: Timestamp, to: Timestamp, jitter_seed: &'a str) -> Matching<'a> {
        Matching::new(&self.times, after, to, jitter_seed)
    }

    /// What the spec means, in a sentence of English without its full stop.
    pub fn explain(&self) -> String {
        words::explain(&self.canonical)
    }
}

/// Whole seconds of a time of the API, whatever its nanoseconds are.
fn seconds(time: &prost_types::Timestamp) -> i64 {
    time.seconds.saturating_add(i64::from(time.nanos).div_euclid(1_000_000_000))
}
