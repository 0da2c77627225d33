//! What became of the load, counted as it comes.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tonic::Code;

/// Of the whole load, and of what came since it was last asked.
pub struct Measure {
    both: Mutex<[Counts; 2]>,
    /// What this process had spent before.
    spent_before: f64,
}

struct Counts {
    since: Instant,
    offered: u64,
    failed: BTreeMap<String, u64>,
    /// Microseconds of each unit that came to a good end.
    times: Histogram<u64>,
}

/// As it is printed.
#[derive(Serialize)]
pub struct Summary {
    /// Of all, not of a part on the way.
    pub whole: bool,
    pub seconds: f64,
    pub offered: u64,
    pub done: u64,
    pub per_second: f64,
    /// Units by the code with which they failed.
    pub failed: BTreeMap<String, u64>,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// CPU time of this process so far.
    pub cpu_seconds: f64,
}

impl Counts {
    fn new() -> Counts {
        // Three digits, whatever the range.
        let times = Histogram::new(3).unwrap_or_else(|_| unreachable!("three is a number of digits"));
        Counts { since: Instant::now(), offered: 0, failed: BTreeMap::new(), times }
    }

    fn summary(&self, whole: bool, cpu_seconds: f64) -> Summary {
        let seconds = self.since.elapsed().as_secs_f64();
        let ms = |quantile| self.times.value_at_quantile(quantile) as f64 / 1000.0;
        Summary {
            whole,
            seconds,
            offered: self.offered,
            done: self.times.len(),
            per_second: self.times.len() as f64 / seconds,
            failed: self.failed.clone(),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            max_ms: self.times.max() as f64 / 1000.0,
            cpu_seconds,
        }
    }
}

impl Measure {
    pub fn begin() -> Measure {
        Measure { both: Mutex::new([Counts::new(), Counts::new()]), spent_before: cpu_seconds() }
    }

    fn each(&self, mut count: impl FnMut(&mut Counts)) {
        self.both.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(&mut count);
    }

    pub fn offered(&self) {
        self.each(|counts| counts.offered += 1);
    }

    pub fn ended(&self, took: Duration, outcome: Result<(), Code>) {
        self.each(|counts| match outcome {
            Ok(()) => drop(counts.times.record(took.as_micros() as u64)),
            Err(code) => *counts.failed.entry(format!("{code:?}")).or_default() += 1,
        });
    }

    /// The whole load.
    pub fn all(&self) -> Summary {
        self.both.lock().unwrap_or_else(PoisonError::into_inner)[0].summary(true, self.spent())
    }

    pub fn since_last(&self) -> Summary {
        let mut both = self.both.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut both[1], Counts::new()).summary(false, self.spent())
    }

    fn spent(&self) -> f64 {
        cpu_seconds() - self.spent_before
    }
}

/// CPU time of this process, as Linux counts it: in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
