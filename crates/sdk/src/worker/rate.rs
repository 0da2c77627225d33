//! At most so many in a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

pub(crate) struct RateLimit {
    pause: Duration,
    next: Mutex<Instant>,
}

impl RateLimit {
    /// What is not a positive number limits nothing.
    pub(crate) fn new(per_second: Option<f64>) -> Option<Self> {
        let per_second = per_second.filter(|rate| rate.is_finite() && *rate > 0.0)?;
        let pause = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Some(RateLimit { pause, next: Mutex::new(Instant::now()) })
    }

    /// Waits for its turn.
    pub(crate) async fn turn(&self) {
        sleep_until(self.next(Instant::now())).await;
    }

    fn next(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = (*next).max(now);
        *next = mine.checked_add(self.pause).unwrap_or(mine);
        mine
    }

    /// How many polls may be out at once, so that what they bring together is a tenth of a second's worth.
    pub(crate) fn most_polls(&self) -> usize {
        (0.1 / self.pause.as_secs_f64()).max(1.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_a_pause_apart_and_do_not_pile_up() {
        let limit = RateLimit::new(Some(10.0)).unwrap();
        let (began, pause) = (Instant::now() + Duration::from_secs(1), Duration::from_millis(100));
        assert_eq!([(); 3].map(|()| limit.next(began)), [began, began + pause, began + 2 * pause]);
        let later = began + Duration::from_secs(5);
        assert_eq!([(); 2].map(|()| limit.next(later)), [later, later + pause]);
    }

    #[test]
    fn what_is_no_rate_limits_nothing() {
        for rate in [None, Some(0.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY)] {
            assert!(RateLimit::new(rate).is_none());
        }
        let polls = |rate| RateLimit::new(Some(rate)).unwrap().most_polls();
        assert_eq!([0.001, 5.0, 200.0].map(polls), [1, 1, 20]);
    }
}
