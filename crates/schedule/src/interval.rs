//! Intervals: times that are a phase and a whole number of intervals after the epoch.

use crate::{duration, error::SpecError};
use tenure_api::schedule::v1::IntervalSpec;

const SECOND: i64 = 1_000_000_000;

/// A compiled interval, in whole seconds: at least one, with a phase that is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    pub(crate) every: i64,
    pub(crate) phase: i64,
}

impl Interval {
    /// The interval of a checked spec; parts of a second say nothing.
    pub(crate) fn of(spec: &IntervalSpec) -> Interval {
        let every = duration::nanos(spec.interval.as_ref()) / SECOND;
        Interval { every: every.max(1), phase: (duration::nanos(spec.phase.as_ref()) / SECOND).max(0) }
    }

    /// The first time after `after`, in seconds since the epoch. Within the first interval after the epoch, the phase
    /// alone is no time: the reference server counts from zero in both directions.
    pub(crate) fn next(&self, after: i64) -> i64 {
        ((after - self.phase) / self.every + 1) * self.every + self.phase
    }
}

pub(crate) fn check(spec: &IntervalSpec) -> Result<(), SpecError> {
    for (name, part) in [("interval", &spec.interval), ("phase", &spec.phase)] {
        if let Some(part) = part {
            duration::check(part)
                .map_err(|reason| SpecError::invalid(format!("{name} is not a valid duration: {reason}")))?;
        }
    }
    let (interval, phase) = (duration::nanos(spec.interval.as_ref()), duration::nanos(spec.phase.as_ref()));
    if interval < SECOND {
        Err(SpecError::invalid("interval is too small"))
    } else if phase < 0 {
        Err(SpecError::invalid("phase is negative"))
    } else if phase >= interval {
        Err(SpecError::invalid("phase cannot be greater than Interval"))
    } else {
        Ok(())
    }
}
