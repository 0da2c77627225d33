//! Runs of one workflow id that follow each other: how a run is created, and how it ends, with or without a
//! successor.

mod continue_as_new;
pub mod cron;
mod end;
mod new_run;
mod scheduled;
pub mod start;
pub(crate) mod state;
mod successor;
pub(crate) mod timeouts;

pub(crate) use continue_as_new::continue_as_new;
pub(crate) use end::{close, close_replaced, end_task_by_force, terminate, terminated};
pub use new_run::NewRun;
pub(crate) use new_run::{begin, start_next};
pub use start::{IdPolicies, Start, StartOptions};
pub use state::Chain;
pub(crate) use successor::{Ended, after_completion, after_failure, after_timeout};
pub use timeouts::Timeouts;
