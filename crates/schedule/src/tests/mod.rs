//! Tests of all that a spec says at once.

mod limits;
mod properties;
mod times;
mod words;

use crate::{Spec, SpecError};
use jiff::Timestamp;
use tenure_api::schedule::v1::{CalendarSpec, ScheduleSpec};

fn crons(strings: &[&str]) -> ScheduleSpec {
    ScheduleSpec { cron_string: strings.iter().map(|text| (*text).to_owned()).collect(), ..Default::default() }
}

/// A calendar of all seconds.
fn always() -> CalendarSpec {
    let all = || "*".to_owned();
    CalendarSpec { second: all(), minute: all(), hour: all(), ..Default::default() }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn matching(spec: &ScheduleSpec, from: &str, to: &str) -> Result<Vec<String>, SpecError> {
    let spec = Spec::compile(spec)?;
    spec.matching(time(from), time(to), "seed").map(|at| at.map(|at| at.to_string())).collect()
}
