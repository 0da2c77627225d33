//! What the leaders of a node have together, each as much as any other.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The leaders of this process, counted.
#[derive(Default)]
pub(crate) struct LeaderCount {
    leaders: Arc<AtomicUsize>,
}

/// A leader is counted as long as this is there.
pub(crate) struct Counted {
    leaders: Arc<AtomicUsize>,
}

/// A leader's part of something, which is smaller when the node leads more shards.
#[derive(Clone)]
pub(crate) struct Share {
    total: usize,
    leaders: Arc<AtomicUsize>,
}

impl LeaderCount {
    pub(crate) fn enter(&self) -> Counted {
        self.leaders.fetch_add(1, Relaxed);
        Counted { leaders: self.leaders.clone() }
    }

    /// The share of each leader in `total`.
    pub(crate) fn share(&self, total: usize) -> Share {
        Share { total, leaders: self.leaders.clone() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.leaders.fetch_sub(1, Relaxed);
    }
}

impl Share {
    /// What a leader has now; one at least.
    pub(crate) fn get(&self) -> usize {
        (self.total / self.leaders.load(Relaxed).max(1)).max(1)
    }
}

#[cfg(test)]
impl Share {
    /// A share of that size, for good.
    pub(crate) fn fixed(size: usize) -> Share {
        LeaderCount::default().share(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_share_equally() {
        let leaders = LeaderCount::default();
        let share = leaders.share(10);
        let first = leaders.enter();
        assert_eq!(share.get(), 10);
        let others: Vec<_> = (0..3).map(|_| leaders.enter()).collect();
        assert_eq!(share.get(), 2);
        let more: Vec<_> = (0..100).map(|_| leaders.enter()).collect();
        assert_eq!(share.get(), 1, "nobody has nothing");
        drop((others, more));
        assert_eq!(share.get(), 10);
        drop(first);
    }
}
