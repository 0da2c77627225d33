//! The queue of a thread that runs workflow code, and what a watchdog sees of the thread.

use super::threads::Job;
use crate::execution::Name;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Jobs of one thread, in order.
pub(super) struct Lane {
    /// The thread's name.
    pub(super) thread: String,
    state: Mutex<State>,
    changed: Condvar,
    /// See [`crate::runtime::beat`].
    pub(super) pulse: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
    running: Option<Running>,
}

/// What a thread is at.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) name: Arc<Name>,
    pub(super) workflow_type: String,
}

impl Lane {
    pub(super) fn new(thread: String) -> Arc<Self> {
        Arc::new(Lane { thread, state: Mutex::default(), changed: Condvar::new(), pulse: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job that comes too late is dropped, which whoever waits for its reply notices.
    pub(super) fn push(&self, job: Job) {
        let mut state = self.state();
        if !state.closed {
            state.jobs.push_back(job);
            self.changed.notify_one();
        }
    }

    /// The next job; none any more once the lane is closed.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running = job.running();
                self.pulse.fetch_add(1, Ordering::Relaxed);
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The job is done.
    pub(super) fn done(&self) {
        self.state().running = None;
    }

    /// Whether the thread is still at it.
    pub(super) fn is_at(&self, run_id: &str) -> bool {
        self.state().running.as_ref().is_some_and(|running| running.name.run_id == run_id)
    }

    /// Ends the thread after what it is at, and gives what it has not begun.
    pub(super) fn close(&self) -> VecDeque<Job> {
        let mut state = self.state();
        state.closed = true;
        self.changed.notify_one();
        std::mem::take(&mut state.jobs)
    }
}

/// What a watchdog remembers of a lane.
pub(super) struct Watched {
    pulse: u64,
    since: Instant,
}

impl Watched {
    pub(super) fn new() -> Self {
        Watched { pulse: 0, since: Instant::now() }
    }

    /// What the lane's code has been at for so long without coming to a wait.
    pub(super) fn blocked(&mut self, lane: &Lane, limit: Duration) -> Option<Running> {
        let running = lane.state().running.clone();
        let pulse = lane.pulse.load(Ordering::Relaxed);
        if running.is_none() || pulse != self.pulse {
            *self = Watched { pulse, since: Instant::now() };
            return None;
        }
        running.filter(|_| self.since.elapsed() >= limit)
    }
}
