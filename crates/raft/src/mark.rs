//! A place in the log at which a replica stops applying for a moment, so that what is then read of its rows can be compared with
//! what other replicas have there.

use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::oneshot;

/// One replica's mark. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Mark(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The index of the entry; zero: none. Each entry that is applied is compared with it.
    at: AtomicU64,
    waiting: Mutex<Option<oneshot::Sender<Hold>>>,
}

/// Nothing is applied until this is dropped.
pub(crate) struct Hold(#[allow(dead_code, reason = "it is dropped")] oneshot::Sender<()>);

impl Mark {
    /// Sets the mark in place of an earlier one. Whoever waits gets the hold once the entry is applied, and nothing behind it;
    /// never if it was applied before.
    pub(crate) fn set(&self, index: u64) -> oneshot::Receiver<Hold> {
        let (tell, told) = oneshot::channel();
        *self.0.waiting.lock() = Some(tell);
        self.0.at.store(index, Ordering::Relaxed);
        told
    }

    pub(crate) fn is_at(&self, index: u64) -> bool {
        self.0.at.load(Ordering::Relaxed) == index
    }

    /// All up to this entry is applied. If the mark is there, what is returned ends when applying may go on.
    pub(crate) fn reached(&self, index: u64) -> Option<oneshot::Receiver<()>> {
        if !self.is_at(index) {
            return None;
        }
        self.0.at.store(0, Ordering::Relaxed);
        let (hold, go_on) = oneshot::channel();
        let waiting = self.0.waiting.lock().take()?;
        waiting.send(Hold(hold)).ok().map(|()| go_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn applying_stops_at_the_mark_until_the_hold_is_gone() {
        let mark = Mark::default();
        assert!(mark.reached(7).is_none(), "there is none");
        let hold = mark.set(7);
        assert!(mark.reached(6).is_none());
        let mut go_on = mark.reached(7).unwrap();
        assert!(go_on.try_recv().is_err_and(|it| it == oneshot::error::TryRecvError::Empty));
        drop(hold.await.unwrap());
        assert!(go_on.await.is_err(), "it goes on");
        assert!(mark.reached(7).is_none(), "once");
        drop(mark.set(8));
        assert!(mark.reached(8).is_none(), "nobody waits any more");
    }
}
