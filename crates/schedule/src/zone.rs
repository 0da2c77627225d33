//! Time zones: by their names, from the bundled data, or as the data that a spec brings along.

use crate::error::SpecError;
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

/// The time zone in which calendars are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone(TimeZone);

/// A stretch of time in which the clocks of a zone are not changed.
pub(crate) struct Stretch {
    pub(crate) offset: Offset,
    /// When the clocks are changed next.
    pub(crate) end: Option<Timestamp>,
}

impl Zone {
    /// The zone of the data, if there is any, and else the one of that name; UTC if there is no name. Names are told from
    /// each other by their case, as in a directory of zones.
    pub(crate) fn load(name: &str, data: &[u8]) -> Result<Zone, SpecError> {
        if !data.is_empty() {
            let zone = TimeZone::tzif(name, data);
            return zone.map(Zone).map_err(|_| SpecError::invalid("malformed time zone information"));
        }
        // The local time of a server is no property of its machine.
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Zone(TimeZone::UTC));
        }
        if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
            return Err(SpecError::invalid("time: invalid location name"));
        }
        let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name) && !zone.is_unknown());
        zone.map(Zone).ok_or_else(|| SpecError::invalid(format!("unknown time zone {name}")))
    }

    pub(crate) fn offset(&self, at: Timestamp) -> Offset {
        self.0.to_offset(at)
    }

    /// The stretch that `at` is in.
    pub(crate) fn stretch(&self, at: Timestamp) -> Stretch {
        Stretch { offset: self.offset(at), end: self.0.following(at).next().map(|change| change.timestamp()) }
    }
}
