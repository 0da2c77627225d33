//! How many calls a node works on at once: as many as it ends within a while, by the pace at which it ends them now.
//!
//! Under more load than a node can bear, a fixed number is either too large, so that all wait until their callers give
//! up and nothing of what is done is of use, or too small for a burst on a node that has nothing else to do. By Little's
//! law a call waits for as long as the calls in progress take to end; beyond [`CALL_DELAY`] fewer are taken. What is
//! refused is refused at the door, before its message is read.

use metrics::{Gauge, gauge};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_limits::{CALL_DELAY, CALLS_AT_LEAST};

/// Between two looks at the pace.
const WINDOW: Duration = Duration::from_millis(500);

pub(crate) struct Pace {
    most: usize,
    in_progress: AtomicUsize,
    /// Calls that ended in this window.
    ended: AtomicUsize,
    limit: AtomicUsize,
    began: Mutex<Instant>,
    shown: Gauge,
}

/// A call that is worked on; it has ended when this is dropped.
pub(crate) struct Work(Arc<Pace>);

impl Pace {
    pub(crate) fn new(most: usize) -> Arc<Pace> {
        let shown = gauge!("tenure_calls_limit");
        shown.set(most as f64);
        Arc::new(Pace {
            most,
            in_progress: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            limit: AtomicUsize::new(most),
            began: Mutex::new(Instant::now()),
            shown,
        })
    }

    /// Whether one more call may come in.
    pub(crate) fn admits(&self) -> bool {
        let in_progress = self.in_progress.load(Ordering::Relaxed);
        // Whoever comes while another one looks takes the limit that there is.
        if let Ok(mut began) = self.began.try_lock() {
            let elapsed = began.elapsed();
            if elapsed >= WINDOW {
                *began += elapsed;
                let ended = self.ended.swap(0, Ordering::Relaxed);
                let in_time = ended as f64 / elapsed.as_secs_f64() * CALL_DELAY.as_secs_f64();
                let limit = next_limit(self.limit.load(Ordering::Relaxed), in_progress, in_time as usize);
                self.limit.store(limit.min(self.most), Ordering::Relaxed);
                self.shown.set(limit.min(self.most) as f64);
            }
        }
        in_progress < self.limit.load(Ordering::Relaxed)
    }

    /// Begins with a call.
    pub(crate) fn begin(self: &Arc<Self>) -> Work {
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        Work(self.clone())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The next limit, where so many calls are in progress, of which so many end in time: down to these at once, up in
/// steps.
fn next_limit(limit: usize, in_progress: usize, in_time: usize) -> usize {
    let in_time = in_time.max(CALLS_AT_LEAST);
    if in_progress > in_time { in_time } else { limit + limit / 8 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_end_in_time_are_all_taken() {
        assert_eq!(next_limit(800, 500, 900), 901);
        // Nothing was asked for, so nothing ended.
        assert_eq!(next_limit(800, 0, 0), 901);
        // A few calls wait for a leader.
        assert_eq!(next_limit(800, CALLS_AT_LEAST, 0), 901);
    }

    #[test]
    fn no_more_are_taken_than_end_in_time() {
        assert_eq!(next_limit(4096, 2000, 700), 700);
        assert_eq!(next_limit(4096, 2000, 0), CALLS_AT_LEAST);
    }

    #[test]
    fn a_call_counts_until_it_ends() {
        let pace = Pace::new(2);
        let (one, _two) = (pace.begin(), pace.begin());
        assert!(!pace.admits());
        drop(one);
        assert!(pace.admits());
    }
}
