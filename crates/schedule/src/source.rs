//! Where times come from: a calendar or an interval.

use crate::{calendar::Calendar, error::SpecError, interval::Interval, work::Work, zone::Zone};
use jiff::Timestamp;

/// One of the things whose times a schedule has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Calendar(Calendar),
    Interval(Interval),
}

impl Source {
    /// The first time after `after`, in seconds since the epoch.
    pub(crate) fn next(&self, zone: &Zone, after: i64, work: &mut Work) -> Result<Option<i64>, SpecError> {
        work.spend(1)?;
        match self {
            Source::Interval(interval) => Ok(Some(interval.next(after))),
            Source::Calendar(calendar) => {
                let Ok(from) = Timestamp::from_second(after + 1) else { return Ok(None) };
                Ok(calendar.first(zone, from, work)?.map(Timestamp::as_second))
            }
        }
    }
}
