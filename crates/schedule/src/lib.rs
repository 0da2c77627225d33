//! When a schedule fires: what a `ScheduleSpec` says, and which times it stands for. Nothing here reads or writes, knows
//! the clock or draws a random number; time zones are those that are compiled in, or that the spec brings along.
//!
//! ```
//! use tenure_api::schedule::v1::ScheduleSpec;
//! use tenure_schedule::Spec;
//!
//! let spec = ScheduleSpec { cron_string: vec!["CRON_TZ=Europe/Berlin 30 9 * * *".to_owned()], ..Default::default() };
//! let spec = Spec::compile(&spec).unwrap();
//! assert_eq!(spec.explain(), "every day at 09:30 in Europe/Berlin");
//!
//! let firing = spec.next("2026-03-28T12:00:00Z".parse().unwrap(), "namespace id-schedule id").unwrap().unwrap();
//! assert_eq!(firing.nominal.to_string(), "2026-03-29T07:30:00Z");
//! ```
//!
//! What is accepted, what it becomes ([`Spec::canonical`]) and when it fires follows the reference server; where clocks
//! change, it follows what the API says of `timezone_name`, which the reference server does in some zones only
//! (`docs/decisions/2026-11-29-schedules-where-clocks-change.md`).

mod calendar;
mod canonical;
mod cron;
mod duration;
mod error;
mod exclusions;
mod expression;
mod fingerprint;
mod interval;
mod jitter;
mod search;
mod source;
mod spec;
mod values;
mod words;
mod work;
mod zone;

#[cfg(test)]
mod tests;

pub use error::SpecError;
pub use search::{Firing, Matching};
pub use spec::Spec;
