//! The situations that scripts met: an invariant about what never happens says nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};
use tenure_api::enums::v1::EventType;

/// A situation that invariants are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Situation {
    EventsWait,
    RefusedByClosedRun,
    TriedAgain,
    ReceiptLost,
    Reset,
    ResetWithAQuestionOpen,
    ResetWithAChildOfBoth,
    MorePendingThanInline,
    Deleted,
    KeptForItsRetention,
    /// The part of the state that the start of a run fixed moved out of its core row.
    InfoMoved,
    /// An activity waits for the end of its run's pause.
    ActivityHeld,
}

/// The counts of what scripts met.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The events of closed runs, by their type.
    events: BTreeMap<EventType, usize>,
    situations: BTreeMap<Situation, usize>,
}

impl Seen {
    pub(super) fn event(&mut self, event: EventType) {
        *self.events.entry(event).or_default() += 1;
    }

    pub(super) fn situation(&mut self, situation: Situation) {
        *self.situations.entry(situation).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Seen) {
        add(&mut self.events, other.events);
        add(&mut self.situations, other.situations);
    }

    #[track_caller]
    pub(super) fn assert_all(&self, events: &[EventType], situations: &[Situation]) {
        let missing = (missing(&self.events, events), missing(&self.situations, situations));
        assert!(missing.0.is_empty() && missing.1.is_empty(), "{missing:?} never came about; this did: {self:?}");
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, usize>, more: BTreeMap<K, usize>) {
    for (key, count) in more {
        *counts.entry(key).or_default() += count;
    }
}

fn missing<K: Ord + Copy + Debug>(counts: &BTreeMap<K, usize>, wanted: &[K]) -> BTreeSet<K> {
    wanted.iter().copied().filter(|key| !counts.contains_key(key)).collect()
}
