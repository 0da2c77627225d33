//! Whether the disk answers: a write that does not come back is seen by those who watch it from outside.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Work of one thread at a time: its beginnings and ends are counted, so that an odd number says that it is under way.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(AtomicU64);

impl UnderWay {
    /// Something begins; it has ended when the guard is dropped.
    pub(crate) fn begin(&self) -> impl Drop + '_ {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ended(self)
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Ended<'a>(&'a UnderWay);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long the same piece of work has been under way, as one sees who looks again and again.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    seen: u64,
    time: Duration,
}

impl Stall {
    /// Looks after `passed` since the last look. A process that stood still itself was not kept waiting by its disk: the caller
    /// counts no more than a look usually takes.
    pub(crate) fn look(&mut self, work: &UnderWay, passed: Duration) -> Duration {
        let count = work.count();
        let same = count == self.seen && count % 2 == 1;
        self.time = if same { self.time + passed } else { Duration::ZERO };
        self.seen = count;
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_one_piece_of_work_that_does_not_end_counts() {
        let (work, mut stall) = (UnderWay::default(), Stall::default());
        assert_eq!(stall.look(&work, SECOND), Duration::ZERO, "nothing is under way");
        let guard = work.begin();
        assert_eq!(stall.look(&work, SECOND), Duration::ZERO, "it may have begun just now");
        assert_eq!(stall.look(&work, SECOND), SECOND);
        drop(guard);
        let guard = work.begin();
        assert_eq!(stall.look(&work, SECOND), Duration::ZERO, "another one");
        assert_eq!(stall.look(&work, SECOND), SECOND);
        assert_eq!(stall.look(&work, SECOND), 2 * SECOND);
        drop(guard);
        assert_eq!(stall.look(&work, SECOND), Duration::ZERO);
    }
}
