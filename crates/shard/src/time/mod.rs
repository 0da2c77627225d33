//! The leader's clock, and the one that skips.

pub(crate) mod clock;
pub(crate) mod virtual_time;
