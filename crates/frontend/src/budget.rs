//! What all requests in progress on a node may take together: how many there are, and how many bytes. How many calls
//! depends on the pace at which they end.
//!
//! Calls and waits (polls, waits for results) are counted apart, and a few bytes are every request's own; so neither
//! long polls nor large requests keep small calls out. Beyond its budget a node refuses: a queue would only make all
//! wait that is certain to be refused later.

use crate::pace::{Pace, Work};
use metrics::{Gauge, counter, gauge};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tenure_api::{
    enums::v1::{ResourceExhaustedCause, ResourceExhaustedScope},
    error::ApiError,
};
use tenure_limits::{CALLS, REQUEST_BYTES, SMALL_CALL, SMALL_WAIT, UNZIPPING, WAITS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much there is of each.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub calls: usize,
    pub waits: usize,
    /// Beyond what each request may have.
    pub bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { calls: CALLS, waits: WAITS, bytes: REQUEST_BYTES }
    }
}

/// One per node; cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget {
    calls: Arc<Pool>,
    waits: Arc<Pool>,
    bytes: Arc<Pool>,
    pace: Arc<Pace>,
    unzipping: Arc<Semaphore>,
}

/// So much of something.
struct Pool {
    name: &'static str,
    capacity: usize,
    used: AtomicUsize,
    shown: Gauge,
}

/// A part of a pool; it goes back when this is dropped.
struct Share {
    pool: Arc<Pool>,
    amount: usize,
}

/// The place that one request has among those in progress.
pub(crate) struct Slot {
    budget: Budget,
    /// Held, not read.
    _place: Share,
    /// Held while the request is worked on.
    work: Option<Work>,
    /// Bytes that the request has of its own.
    own: usize,
    size: usize,
    beyond: Share,
}

impl Budget {
    pub(crate) fn new(capacity: Capacity) -> Budget {
        let requests = |kind| gauge!("tenure_requests_in_progress", "kind" => kind);
        Budget {
            calls: Pool::new("calls", capacity.calls, requests("call")),
            waits: Pool::new("waits", capacity.waits, requests("wait")),
            bytes: Pool::new("bytes", capacity.bytes, gauge!("tenure_request_bytes_in_progress")),
            pace: Pace::new(capacity.calls),
            unzipping: Arc::new(Semaphore::new(UNZIPPING)),
        }
    }

    /// A place for a request of which nothing is known yet; until then it counts as a call.
    pub(crate) fn enter(&self) -> Result<Slot, ApiError> {
        if !self.pace.admits() {
            return Err(refused("calls"));
        }
        Ok(Slot {
            budget: self.clone(),
            _place: self.calls.take(1)?,
            work: None,
            own: SMALL_CALL,
            size: 0,
            beyond: Share { pool: self.bytes.clone(), amount: 0 },
        })
    }
}

impl Slot {
    /// The request turns out to be a call, and is worked on from now on.
    pub(crate) fn work(&mut self) {
        self.work = Some(self.budget.pace.begin());
    }

    /// The request turns out to wait for something to happen.
    pub(crate) fn wait(&mut self) -> Result<(), ApiError> {
        self._place = self.budget.waits.take(1)?;
        self.own = SMALL_WAIT;
        self.grow(0)
    }

    /// To be held while a large message is unzipped; waits for its turn.
    pub(crate) async fn unzip(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        self.budget.unzipping.clone().acquire_owned().await.ok()
    }

    /// So many bytes more are about to be held.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let size = self.size + bytes;
        let beyond = size.saturating_sub(self.own);
        if beyond > self.beyond.amount {
            // Merged with the share that there is already.
            let mut more = self.budget.bytes.take(beyond - self.beyond.amount)?;
            self.beyond.amount += std::mem::take(&mut more.amount);
        }
        self.size = size;
        Ok(())
    }

    /// So many bytes are let go.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.size -= bytes;
        let beyond = self.size.saturating_sub(self.own);
        if beyond < self.beyond.amount {
            self.beyond.pool.give_back(self.beyond.amount - beyond);
            self.beyond.amount = beyond;
        }
    }

    /// An answer of so many bytes takes the place of the request. What was done is told, whatever it takes: the next
    /// requests find so much less.
    pub(crate) fn answer(&mut self, bytes: usize) {
        self.work = None;
        self.shrink(self.size);
        self.size = bytes;
        let beyond = bytes.saturating_sub(self.own);
        self.beyond.pool.add(beyond);
        self.beyond.amount += beyond;
    }
}

impl Pool {
    fn new(name: &'static str, capacity: usize, shown: Gauge) -> Arc<Pool> {
        Arc::new(Pool { name, capacity, used: AtomicUsize::new(0), shown })
    }

    fn take(self: &Arc<Pool>, amount: usize) -> Result<Share, ApiError> {
        let fits = |used: usize| used.checked_add(amount).filter(|used| *used <= self.capacity);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits) {
            Ok(_) => {
                self.shown.increment(amount as f64);
                Ok(Share { pool: self.clone(), amount })
            }
            Err(_) => Err(refused(self.name)),
        }
    }

    fn add(&self, amount: usize) {
        self.used.fetch_add(amount, Ordering::AcqRel);
        self.shown.increment(amount as f64);
    }

    fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::AcqRel);
        self.shown.decrement(amount as f64);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.give_back(self.amount);
    }
}

/// SDKs try again after a while what is refused with this.
fn refused(what: &'static str) -> ApiError {
    counter!("tenure_requests_refused_total", "limit" => what).increment(1);
    let message = format!("this node has as many {what} of requests in progress as it may");
    ApiError::exhausted(ResourceExhaustedCause::SystemOverloaded, ResourceExhaustedScope::System, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_api::error::Code;

    fn budget() -> Budget {
        Budget::new(Capacity { calls: 2, waits: 1, bytes: 100 })
    }

    fn used(budget: &Budget) -> [usize; 3] {
        [&budget.calls, &budget.waits, &budget.bytes].map(|pool| pool.used.load(Ordering::Relaxed))
    }

    /// F6: requests in progress are bounded.
    #[test]
    fn calls_are_counted_and_their_places_come_back() {
        let budget = budget();
        let (one, two) = (budget.enter().unwrap(), budget.enter().unwrap());
        let refused = budget.enter().err().unwrap();
        assert_eq!(refused.code, Code::ResourceExhausted);
        assert_eq!(refused.detail.unwrap().0, "temporal.api.errordetails.v1.ResourceExhaustedFailure");
        drop(one);
        budget.enter().unwrap();
        drop(two);
        assert_eq!(used(&budget), [0, 0, 0]);
    }

    /// F6: no number of long polls keeps a call out.
    #[test]
    fn what_waits_takes_no_calls_place() {
        let budget = budget();
        let mut waiting = budget.enter().unwrap();
        waiting.wait().unwrap();
        assert_eq!(used(&budget), [0, 1, 0]);
        let (mut one, _two) = (budget.enter().unwrap(), budget.enter().unwrap());
        assert!(one.wait().is_err(), "all places of those that wait are taken");
        drop(waiting);
        one.wait().unwrap();
    }

    /// F6: bytes of requests in progress are bounded, and a small request gets in beside large ones.
    #[test]
    fn bytes_are_counted_beyond_what_each_request_may_have() {
        let budget = budget();
        let mut large = budget.enter().unwrap();
        large.grow(SMALL_CALL).unwrap();
        assert_eq!(used(&budget)[2], 0);
        large.grow(100).unwrap();
        assert_eq!(used(&budget)[2], 100);
        assert!(large.grow(1).is_err());
        let mut small = budget.enter().unwrap();
        small.grow(SMALL_CALL).unwrap();
        assert!(small.grow(1).is_err());
        large.shrink(60);
        assert_eq!(used(&budget)[2], 40);
        small.grow(60).unwrap();
        drop(small);
        drop(large);
        assert_eq!(used(&budget), [0, 0, 0]);
    }

    #[test]
    fn an_answer_is_counted_though_it_is_never_refused() {
        let budget = budget();
        let mut slot = budget.enter().unwrap();
        slot.grow(SMALL_CALL + 50).unwrap();
        slot.answer(SMALL_CALL + 500);
        assert_eq!(used(&budget)[2], 500);
        assert!(budget.enter().unwrap().grow(SMALL_CALL + 1).is_err());
        drop(slot);
        assert_eq!(used(&budget), [0, 0, 0]);
    }
}
