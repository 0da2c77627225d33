//! How far the search for one time goes.

use crate::error::SpecError;
use tenure_limits::SCHEDULE_SEARCH;

/// What is left of the steps that the search for one time may take.
pub(crate) struct Work(usize);

impl Work {
    pub(crate) fn new() -> Work {
        Work(SCHEDULE_SEARCH)
    }

    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), SpecError> {
        self.0 = self.0.checked_sub(steps).ok_or(SpecError::TooManyExclusions)?;
        Ok(())
    }
}
