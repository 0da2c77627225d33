//! Exclusions: calendars whose times are left out.

use crate::{
    calendar::{Calendar, merged},
    error::SpecError,
    work::Work,
    zone::Zone,
};
use jiff::Timestamp;

/// The calendars whose times are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exclusions(Vec<Calendar>);

/// Whether a time is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excluded {
    No,
    /// It is, and so is all that comes before this time.
    Until(Timestamp),
    /// It is, and so is all that comes after it.
    Forever,
}

impl Exclusions {
    pub(crate) fn new(calendars: impl Iterator<Item = Calendar>) -> Exclusions {
        Exclusions(merged(calendars))
    }

    pub(crate) fn check(&self, zone: &Zone, at: Timestamp, work: &mut Work) -> Result<Excluded, SpecError> {
        // Most of them fail by the month or the day.
        work.spend(self.0.len() / 16)?;
        let local = zone.offset(at).to_datetime(at);
        let mut until = None;
        for calendar in self.0.iter().filter(|calendar| calendar.matches(local)) {
            work.spend(1)?;
            match calendar.end_of_run(zone, at, work)? {
                Some(end) => until = until.max(Some(end)),
                None => return Ok(Excluded::Forever),
            }
        }
        Ok(until.map_or(Excluded::No, Excluded::Until))
    }
}
