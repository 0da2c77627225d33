//! How fast the tasks of a queue may be handed out.

use std::time::{Duration, Instant};

/// What a queue did not use of its limit is saved up for this long: so many tasks may follow each other at once.
const SAVED: Duration = Duration::from_secs(1);

/// Who set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitSource {
    /// An operator, by `UpdateTaskQueueConfig`; goes before what workers say.
    Api,
    /// The last worker that named one when it polled.
    Worker,
}

/// The limits that a queue was given, and what it has used of the one that holds.
///
/// The allowance is counted as time: it grows with the clock up to `SAVED`, or up to what one task takes, and each
/// task takes the inverse of the rate. A limit that changes therefore finds neither debts nor a hoard.
#[derive(Clone, Debug)]
pub struct RateLimit {
    by_api: Option<f64>,
    by_worker: Option<f64>,
    /// Since then the allowance has grown without being used.
    saved_since: Instant,
}

/// May a task be handed out?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    Now,
    /// Not before then.
    At(Instant),
    /// Not with this limit.
    Never,
}

impl RateLimit {
    /// No limit; the allowance of one that is set grows from `since` on.
    pub fn new(since: Instant) -> Self {
        RateLimit { by_api: None, by_worker: None, saved_since: since }
    }

    /// Tasks a second, as an operator wants it; `None` takes the operator's limit away.
    pub fn set_by_api(&mut self, per_second: Option<f64>) {
        self.by_api = per_second;
    }

    /// Tasks a second, as a worker wants it.
    pub fn set_by_worker(&mut self, per_second: f64) {
        self.by_worker = Some(per_second);
    }

    /// Tasks a second, and who said so; `None`: as many as there are.
    pub fn effective(&self) -> Option<(f64, LimitSource)> {
        let by_api = self.by_api.map(|rate| (rate, LimitSource::Api));
        by_api.or(self.by_worker.map(|rate| (rate, LimitSource::Worker)))
    }

    pub fn allows(&self, now: Instant) -> Allowed {
        let Some((rate, _)) = self.effective() else { return Allowed::Now };
        match interval(rate).and_then(|interval| self.saved_since.checked_add(interval)) {
            Some(at) if at <= now => Allowed::Now,
            Some(at) => Allowed::At(at),
            None => Allowed::Never,
        }
    }

    /// A task was handed out.
    pub fn take(&mut self, now: Instant) {
        let Some((rate, _)) = self.effective() else { return };
        let Some(interval) = interval(rate) else { return };
        let fullest = now.checked_sub(interval.max(SAVED)).unwrap_or(self.saved_since);
        self.saved_since = self.saved_since.max(fullest) + interval;
    }

    /// A task that was handed out came to nothing.
    pub fn give_back(&mut self) {
        let Some((rate, _)) = self.effective() else { return };
        let given_back = interval(rate).and_then(|interval| self.saved_since.checked_sub(interval));
        self.saved_since = given_back.unwrap_or(self.saved_since);
    }

    /// Nothing would be different if this had just been made: it may be forgotten with its queue.
    pub fn is_rested(&self, now: Instant) -> bool {
        let Some((rate, _)) = self.effective() else { return true };
        let full = interval(rate).map_or(SAVED, |interval| interval.max(SAVED));
        now.saturating_duration_since(self.saved_since) >= full
    }
}

/// The time between two tasks; `None` for a rate at which there is never one.
fn interval(rate: f64) -> Option<Duration> {
    if rate > 0.0 { Duration::try_from_secs_f64(rate.recip()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limited(rate: f64, since: Instant) -> RateLimit {
        let mut limit = RateLimit::new(since);
        limit.set_by_worker(rate);
        limit
    }

    /// When tasks are handed out that all wait at `now`, until `end`.
    fn handed_out(limit: &mut RateLimit, mut now: Instant, end: Instant) -> Vec<Instant> {
        let mut at = Vec::new();
        loop {
            match limit.allows(now) {
                Allowed::Now => {
                    limit.take(now);
                    at.push(now);
                }
                Allowed::At(then) if then <= end => now = then,
                _ => return at,
            }
        }
    }

    fn seconds(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    #[test]
    fn a_second_of_the_rate_is_saved_up_and_no_more() {
        let start = Instant::now();
        let after_a_day = start + seconds(86_400.0);
        let mut limit = limited(5.0, start);
        let at = handed_out(&mut limit, after_a_day, after_a_day + seconds(2.0));
        assert_eq!(at.iter().filter(|at| **at == after_a_day).count(), 5);
        assert_eq!(at.len(), 15);
    }

    #[test]
    fn what_has_just_begun_has_nothing_saved_up() {
        let start = Instant::now();
        let at = handed_out(&mut limited(5.0, start), start, start + seconds(1.0));
        let after: Vec<u128> = at.iter().map(|at| (*at - start).as_millis()).collect();
        assert_eq!(after, [200, 400, 600, 800, 1000]);
    }

    #[test]
    fn a_rate_below_one_a_second_is_held() {
        let start = Instant::now();
        let later = start + seconds(100.0);
        let at = handed_out(&mut limited(0.1, start), later, later + seconds(25.0));
        let after: Vec<u64> = at.iter().map(|at| (*at - later).as_secs()).collect();
        assert_eq!(after, [0, 10, 20]);
    }

    #[test]
    fn at_a_rate_of_zero_nothing_is_handed_out_and_without_limit_all() {
        let start = Instant::now();
        for rate in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            assert_eq!(limited(rate, start).allows(start + seconds(1e6)), Allowed::Never, "{rate}");
        }
        assert_eq!(limited(f64::INFINITY, start).allows(start), Allowed::Now);
        assert_eq!(RateLimit::new(start).allows(start), Allowed::Now);
    }

    #[test]
    fn the_operators_limit_goes_before_the_workers() {
        let mut limit = limited(5.0, Instant::now());
        limit.set_by_api(Some(100.0));
        assert_eq!(limit.effective(), Some((100.0, LimitSource::Api)));
        limit.set_by_worker(7.0);
        limit.set_by_api(None);
        assert_eq!(limit.effective(), Some((7.0, LimitSource::Worker)));
    }

    #[test]
    fn a_task_that_came_to_nothing_costs_nothing() {
        let start = Instant::now();
        let later = start + seconds(10.0);
        let mut limit = limited(0.5, start);
        limit.take(later);
        assert_eq!(limit.allows(later), Allowed::At(later + seconds(2.0)));
        limit.give_back();
        assert_eq!(limit.allows(later), Allowed::Now);
    }

    #[test]
    fn a_higher_limit_does_not_wait_for_what_a_lower_one_took() {
        let start = Instant::now();
        let later = start + seconds(10_000.0);
        let mut limit = limited(0.001, start);
        limit.take(later);
        limit.set_by_worker(100.0);
        assert_eq!(limit.allows(later + seconds(0.01)), Allowed::Now);
    }

    proptest! {
        /// In any stretch of time no more is handed out than the rate allows, and what was saved up.
        #[test]
        fn the_limit_holds(rate in 0.01..1000.0_f64, pauses in prop::collection::vec(0..3000_u64, 1..50)) {
            let start = Instant::now();
            let (mut limit, mut now, mut at) = (limited(rate, start), start, Vec::new());
            for pause in pauses {
                let end = now + Duration::from_millis(pause);
                at.extend(handed_out(&mut limit, end, end));
                now = end;
            }
            for (nth, from) in at.iter().enumerate() {
                let stretch = (*at.last().unwrap() - *from).as_secs_f64();
                prop_assert!((at.len() - nth) as f64 <= rate.max(1.0) + stretch * rate + 1.001);
            }
        }
    }
}
