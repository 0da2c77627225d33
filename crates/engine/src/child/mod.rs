//! Child workflows: started by workflow commands through the outbox, reported to the parent when the last run of
//! their chain closes, and notified when the parent closes.
//!
//! | pending child | answer to the start | child closed | parent closes |
//! |---|---|---|---|
//! | initiated | started, or failed and gone | started and gone | notified after it started |
//! | started | - | gone | notified |

mod closing;
pub(crate) mod describe;
pub(crate) mod reset;
mod results;
mod start;
pub(crate) mod state;

#[cfg(test)]
mod tests;

pub(crate) use closing::{forget_all, parent_closed, report_close};
pub(crate) use results::{answered, closed};
pub(crate) use start::start;
pub(crate) use state::{Execution, Lineage, PendingChild};
