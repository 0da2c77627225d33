//! How fast a job goes: so many operations in a second, evenly.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How far the pace may be behind before that is forgotten: what was not done in time is not made up for all at once.
const BEHIND: Duration = Duration::from_millis(100);

/// Lets operations go, one after the other.
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: f64) -> Pace {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Pace { interval: interval.min(Duration::from_secs(3600)), next: Mutex::new(Instant::now()) }
    }

    /// Operations that go in about a second.
    pub(super) fn in_a_second(&self) -> usize {
        (1.0 / self.interval.as_secs_f64().max(1e-6)) as usize
    }

    /// Waits for the caller's turn.
    pub(super) async fn turn(&self) {
        let at = self.next_turn(Instant::now());
        sleep_until(at).await;
    }

    /// When it is the turn of one who comes now.
    fn next_turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let at = (*next).max(now.checked_sub(BEHIND).unwrap_or(now));
        *next = at + self.interval;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_go_evenly_and_a_pause_is_not_made_up_for() {
        let pace = Pace::new(50.0);
        assert_eq!(pace.in_a_second(), 50);
        let begin = Instant::now();
        let first = pace.next_turn(begin);
        let turns: Vec<_> = (0..100).map(|_| pace.next_turn(begin) - first).collect();
        let expected: Vec<_> = (1..=100).map(|turn| turn * Duration::from_millis(20)).collect();
        assert_eq!(turns, expected);
        // Nobody came for a minute: five turns are made up for, and no more.
        let later = begin + Duration::from_secs(60);
        let turns: Vec<_> = (0..10).map(|_| pace.next_turn(later)).filter(|at| *at < later).collect();
        assert_eq!(turns.len(), 5);
    }

    #[test]
    fn a_job_may_go_slowly_and_fast() {
        let pace = Pace::new(0.5);
        assert_eq!(pace.in_a_second(), 0);
        let begin = Instant::now();
        let first = pace.next_turn(begin);
        assert_eq!(pace.next_turn(begin) - first, Duration::from_secs(2));
        assert_eq!(Pace::new(f64::MIN_POSITIVE).interval, Duration::from_secs(3600));
        assert!(Pace::new(1e6).in_a_second() >= 999_999);
    }
}
