//! Matching of tasks and polls for one task queue. Pure: time is an argument, nothing here waits or sends.
//!
//! The crate knows neither what a task nor what a poll is; `shard` fills both in and acts on the matches.

mod limit;
mod matcher;
mod pollers;
mod rate;

pub use limit::{LimitSource, RateLimit};
pub use matcher::{Match, Matcher, Next, PollId};
pub use pollers::{Poller, Pollers};
pub use rate::Rate;
