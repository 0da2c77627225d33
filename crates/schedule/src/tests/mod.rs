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

/// A TZif file with a rule and nothing else.
fn tzif(rule: &str) -> Vec<u8> {
    let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    let block = [&b"TZif2"[..], &[0; 15], &counts, &3600_i32.to_be_bytes(), &[0, 0], b"CET\0"].concat();
    [&block[..], &block, b"\n", rule.as_bytes(), b"\n"].concat()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn matching(spec: &ScheduleSpec, from: &str, to: &str) -> Result<Vec<String>, SpecError> {
    let spec = Spec::compile(spec)?;
    spec.matching(time(from), time(to), "seed").map(|firing| Ok(firing?.jittered.to_string())).collect()
}
