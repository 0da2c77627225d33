//! The clocks of all nodes: one that is wrong must not make history.

use crate::wall;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
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
    /// All that is known of the others is told as of this moment: clocks go on alike.
    base: Instant,
    /// What a majority's clocks allowed at `base`; [`UNKNOWN`] as long as too few are known. Each command asks for the time.
    allowed: AtomicI64,
    others: Mutex<Others>,
}

#[derive(Debug)]
struct Others {
    /// Nodes of the cluster, this one included.
    nodes: usize,
    /// What the other nodes' clocks showed at `base`. A node that is down is remembered: clocks go on.
    showed: BTreeMap<u64, i64>,
}

const UNKNOWN: i64 = i64::MIN;

impl ClusterClock {
    /// The clock of a node of so many.
    pub fn new(nodes: usize) -> ClusterClock {
        let others = Others { nodes, showed: BTreeMap::new() };
        let allowed = others.allow().into();
        ClusterClock(Arc::new(Inner { base: Instant::now(), allowed, others: Mutex::new(others) }))
    }

    /// These are the other nodes now. What one showed that is none of them any more does not count.
    pub fn set_peers(&self, peers: &BTreeSet<u64>) {
        self.change(|others| {
            others.nodes = peers.len() + 1;
            others.showed.retain(|node, _| peers.contains(node));
        });
    }

    /// Notes what another node's clock showed at a moment.
    pub fn observe(&self, node: u64, showed: i64, at: Instant) {
        let then = nanos(at.saturating_duration_since(self.0.base));
        self.change(|others| _ = others.showed.insert(node, showed.saturating_sub(then)));
    }

    fn change(&self, change: impl FnOnce(&mut Others)) {
        let mut others = self.0.others.lock();
        change(&mut others);
        self.0.allowed.store(others.allow(), Ordering::Relaxed);
    }

    /// The time: as this machine's clock shows it, but no later than a majority's clocks allow. A clock that is ahead is held
    /// back, one that is behind is believed: it makes things late, and time goes on from what is on record.
    pub fn now(&self) -> i64 {
        match self.0.allowed.load(Ordering::Relaxed) {
            UNKNOWN | i64::MAX => wall(),
            allowed => wall().min(allowed.saturating_add(self.passed())),
        }
    }

    /// The clocks of a majority are known; until then nobody can say what they allow.
    pub fn is_known(&self) -> bool {
        self.0.allowed.load(Ordering::Relaxed) != UNKNOWN
    }

    /// How far this machine's clock is ahead of the median of all that are known, in nanoseconds.
    pub fn ahead(&self) -> i64 {
        let own = wall();
        let passed = self.passed();
        let others = self.0.others.lock();
        let clocks = others.showed.values().map(|showed| showed.saturating_add(passed));
        own.saturating_sub(median(clocks.chain([own]).collect()))
    }

    fn passed(&self) -> i64 {
        nanos(self.0.base.elapsed())
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Others {
    /// The latest time that a majority of the nodes, to which this one belongs, would not call wrong.
    fn allow(&self) -> i64 {
        let majority = self.nodes / 2 + 1;
        let Some(needed) = majority.checked_sub(2) else { return i64::MAX };
        let mut clocks: Vec<i64> = self.showed.values().copied().collect();
        clocks.sort_unstable_by(|a, b| b.cmp(a));
        clocks.get(needed).map_or(UNKNOWN, |clock| clock.saturating_add(TOLERANCE_NANOS))
    }
}

/// A cluster of this node alone.
impl Default for ClusterClock {
    fn default() -> Self {
        ClusterClock::new(1)
    }
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
        let told = |nodes, others: &[i64]| {
            let showed = (2..).zip(others.iter().copied()).collect();
            Others { nodes, showed }.allow()
        };
        for (nodes, others, expected) in [
            (3, &[9][..], Some(9)),
            (3, &[], None),
            (3, &[8, 9], Some(9)),
            (3, &[-YEARS, 9], Some(9)),
            (3, &[YEARS, 9], Some(YEARS)),
            (5, &[1, 2, 3, 4], Some(3)),
            (5, &[1], None),
            (4, &[1, 2, 3], Some(2)),
        ] {
            assert_eq!(
                told(nodes, others),
                expected.map_or(UNKNOWN, |it| it + TOLERANCE_NANOS),
                "{others:?} of {nodes}"
            );
        }
        assert_eq!(told(1, &[]), i64::MAX);
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
        // Nor is it kept back by one that is no member any more.
        clock.set_peers(&[2].into());
        assert!(clock.ahead() > YEARS - SECOND && !clock.0.others.lock().showed.contains_key(&3));
    }

    #[test]
    fn alone_the_clock_is_the_machines() {
        let clock = ClusterClock::default();
        assert!(clock.is_known());
        assert!((clock.now() - wall()).abs() < SECOND);
        assert_eq!(clock.ahead(), 0);
    }
}
