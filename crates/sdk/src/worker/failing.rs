//! Runs whose workflow tasks fail. The server offers such a task again at once, and would do so for ever: the worker takes
//! its time, more and more of it, and says so now and then.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines of log about the same run.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Runs that are remembered; beyond, those are forgotten that have not failed for [`LOG_INTERVAL`].
const MAX_RUNS: usize = 10_000;
/// The part of a task's time-out that may pass before the code runs.
const LARGEST_SHARE: f64 = 0.6;

#[derive(Default)]
pub(super) struct FailingRuns {
    runs: Mutex<HashMap<String, Failing>>,
}

struct Failing {
    last: Instant,
    logged: Instant,
}

impl FailingRuns {
    fn runs(&self) -> MutexGuard<'_, HashMap<String, Failing>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before another attempt of a run's task.
    pub(super) fn pause(&self, run_id: &str, attempt: i32, task_timeout: Duration) -> Duration {
        if self.runs().contains_key(run_id) { pause(attempt, task_timeout) } else { Duration::ZERO }
    }

    /// Whether a failure of this run would be news.
    pub(super) fn is_news(&self, run_id: &str) -> bool {
        self.runs().get(run_id).is_none_or(|failing| failing.logged.elapsed() >= LOG_INTERVAL)
    }

    /// A task of the run failed, or its answer was refused. `logged`: it was said.
    pub(super) fn failed(&self, run_id: &str, logged: bool) {
        let mut runs = self.runs();
        if runs.len() >= MAX_RUNS {
            runs.retain(|_, failing| failing.last.elapsed() < LOG_INTERVAL);
        }
        let now = Instant::now();
        let failing = runs.entry(run_id.to_owned()).or_insert(Failing { last: now, logged: now });
        failing.last = now;
        if logged {
            failing.logged = now;
        }
    }

    /// A task of the run was answered.
    pub(super) fn recovered(&self, run_id: &str) {
        self.runs().remove(run_id);
    }
}

/// Doubles from one second on, counted by the server's attempts.
fn pause(attempt: i32, task_timeout: Duration) -> Duration {
    match u32::try_from(attempt) {
        Ok(attempt @ 2..) => {
            let doubled = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(attempt - 2));
            doubled.min(task_timeout.mul_f64(LARGEST_SHARE))
        }
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_the_tasks_time() {
        let timeout = Duration::from_secs(10);
        let pauses = [0, 1, 2, 3, 4, 5, 1_000_000].map(|attempt| pause(attempt, timeout).as_secs());
        assert_eq!(pauses, [0, 0, 1, 2, 4, 6, 6]);
    }

    #[test]
    fn a_run_that_fails_on_is_spoken_of_once() {
        let runs = FailingRuns::default();
        let timeout = Duration::from_secs(10);
        assert!(runs.is_news("a") && runs.pause("a", 7, timeout).is_zero());
        runs.failed("a", true);
        assert!(!runs.is_news("a") && runs.is_news("b"));
        assert_eq!(runs.pause("a", 2, timeout), Duration::from_secs(1));
        runs.recovered("a");
        assert!(runs.is_news("a") && runs.pause("a", 2, timeout).is_zero());
    }
}
