//! The clocks of all nodes: one that is wrong must not make history.

use crate::wall;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How far a clock may be off those of the others.
pub const TOLERANCE: Duration = Duration::from_millis(500);

const TOLERANCE_NANOS: i64 = TOLERANCE.as_nanos() as i64;

/// This node's clock among those of the others. Clones share what is known of these.
#[derive(Clone, Debug)]
pub struct ClusterClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Nodes of the cluster, this one included.
    nodes: AtomicUsize,
    /// What the other nodes' clocks showed, and when. A node that is down is remembered: clocks go on.
    others: Mutex<BTreeMap<u64, (i64, Instant)>>,
}

impl ClusterClock {
    /// The clock of a node of so many.
    pub fn new(nodes: usize) -> ClusterClock {
        ClusterClock(Arc::new(Inner { nodes: nodes.into(), others: Mutex::default() }))
    }

    /// So many nodes there are now.
    pub fn set_nodes(&self, nodes: usize) {
        self.0.nodes.store(nodes, Ordering::Relaxed);
    }

    fn nodes(&self) -> usize {
        self.0.nodes.load(Ordering::Relaxed)
    }

    /// Notes what another node's clock showed at a moment.
    pub fn observe(&self, node: u64, showed: i64, at: Instant) {
        self.0.others.lock().insert(node, (showed, at));
    }

    /// The time: as this machine's clock shows it, but no later than a majority's clocks allow. A clock that is ahead is held
    /// back, one that is behind is believed: it makes things late, and time goes on from what is on record.
    pub fn now(&self) -> i64 {
        let own = wall();
        latest(self.nodes(), self.clocks(own)).map_or(own, |latest| own.min(latest))
    }

    /// The clocks of a majority are known; until then nobody can say what they allow.
    pub fn is_known(&self) -> bool {
        self.0.others.lock().len() + 1 >= majority(self.nodes())
    }

    /// How far this machine's clock is ahead of the median of all that are known, in nanoseconds.
    pub fn ahead(&self) -> i64 {
        let own = wall();
        own.saturating_sub(median(self.clocks(own)))
    }

    /// What all clocks that are known show now, this machine's among them.
    fn clocks(&self, own: i64) -> Vec<i64> {
        let now = Instant::now();
        let show = |(showed, at): &(i64, Instant)| {
            let passed = now.saturating_duration_since(*at).as_nanos();
            showed.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        };
        self.0.others.lock().values().map(show).chain([own]).collect()
    }
}

/// A cluster of this node alone.
impl Default for ClusterClock {
    fn default() -> Self {
        ClusterClock::new(1)
    }
}

fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// The latest time that a majority of the nodes would not call wrong; `None` if too few clocks are known.
fn latest(nodes: usize, mut clocks: Vec<i64>) -> Option<i64> {
    clocks.sort_unstable_by(|a, b| b.cmp(a));
    Some(clocks.get(majority(nodes) - 1)?.saturating_add(TOLERANCE_NANOS))
}

/// The clock in the middle. Of two the earlier one: to be behind does less harm than to be ahead.
fn median(mut clocks: Vec<i64>) -> i64 {
    clocks.sort_unstable();
    clocks[(clocks.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const YEARS: i64 = 10 * 365 * 24 * 3600 * SECOND;

    #[test]
    fn time_goes_as_far_as_a_majority_allows() {
        let allowed = |nodes, clocks: &[i64]| latest(nodes, clocks.to_vec()).map(|latest| latest - TOLERANCE_NANOS);
        for (nodes, clocks, expected) in [
            (1, &[7][..], Some(7)),
            (3, &[7], None),
            (3, &[7, 9], Some(7)),
            (3, &[YEARS, 9], Some(9)),
            (3, &[YEARS, 8, 9], Some(9)),
            (3, &[-YEARS, 8, 9], Some(8)),
            (3, &[YEARS, YEARS + 1, 9], Some(YEARS)),
            (5, &[1, 2, 3, 4, 5], Some(3)),
            (5, &[1, 2], None),
            (4, &[1, 2, 3, 4], Some(2)),
        ] {
            assert_eq!(allowed(nodes, clocks), expected, "{clocks:?} of {nodes}");
        }
    }

    #[test]
    fn the_one_that_is_off_is_found() {
        for (clocks, expected) in
            [(&[7][..], 7), (&[7, 9], 7), (&[YEARS, 8, 9], 9), (&[-YEARS, 8, 9], 8), (&[1, 2, 3, 4, 5], 3)]
        {
            assert_eq!(median(clocks.to_vec()), expected, "{clocks:?}");
        }
    }

    /// F52.
    #[test]
    fn a_clock_that_is_ahead_is_held_back_and_goes_on() {
        let clock = ClusterClock::new(3);
        assert!(!clock.is_known());
        let begin = Instant::now();
        let right = wall() - YEARS;
        for node in [2, 3] {
            clock.observe(node, right, begin);
        }
        assert!(clock.is_known());
        let told = clock.now() - right - TOLERANCE_NANOS;
        assert!((0..=begin.elapsed().as_nanos() as i64).contains(&told), "{told}");
        assert!(clock.ahead() > YEARS - SECOND);
        // One that is behind is believed, and the others are not kept back by it.
        clock.observe(3, wall(), Instant::now());
        assert!((clock.now() - wall()).abs() < SECOND && clock.ahead().abs() < SECOND);
    }

    #[test]
    fn alone_the_clock_is_the_machines() {
        let clock = ClusterClock::default();
        assert!(clock.is_known());
        assert!((clock.now() - wall()).abs() < SECOND);
        assert_eq!(clock.ahead(), 0);
    }
}
