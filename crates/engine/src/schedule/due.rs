//! Which times of a schedule are due.

use super::state::{Backfill, BufferedStart, ScheduleState};
use crate::time::Timestamp;
use std::time::Duration;
use tenure_limits::{SCHEDULE_DUE, SCHEDULE_STEP};
use tenure_schedule::{Firing, Spec};

/// The times of one schedule.
pub(crate) struct Times<'a> {
    pub(crate) spec: &'a Spec,
    /// Makes its jitter differ from that of others.
    pub(crate) seed: &'a str,
    /// How late a time may be noticed and still be acted on.
    pub(crate) catchup: Duration,
}

impl Times<'_> {
    /// Takes the times up to `now` to those starts that are due; those that come too late are counted. While no action may
    /// be taken, times pass. Answers whether there is more to take than one step does.
    pub(crate) fn take(&self, state: &mut ScheduleState, now: Timestamp) -> bool {
        if !state.may_act() {
            state.processed_to = state.processed_to.max(now);
            return false;
        }
        let mut taken = 0;
        for firing in self.between(state.processed_to, now) {
            state.processed_to = due(&firing);
            if now.since(due(&firing)) > self.catchup {
                state.counts.missed += 1;
            } else {
                push(state, &firing, 0, false);
            }
            taken += 1;
            if taken == SCHEDULE_STEP {
                return true;
            }
        }
        state.processed_to = state.processed_to.max(now);
        false
    }

    /// Goes on with backfills as far as there is room, and one step goes.
    pub(crate) fn make_up(&self, state: &mut ScheduleState) {
        let mut taken = 0;
        while let Some(Backfill { after, to, overlap_policy }) = state.backfills.front().cloned() {
            let mut last = None;
            for firing in self.between(after, to) {
                if !state.can_make_up() || taken == SCHEDULE_STEP {
                    break;
                }
                push(state, &firing, overlap_policy, true);
                taken += 1;
                last = Some(due(&firing));
            }
            let rest = last.unwrap_or(after);
            if self.between(rest, to).next().is_none() {
                state.backfills.pop_front();
                continue;
            }
            state.backfills[0].after = rest;
            return;
        }
    }

    /// The times after this one, one after the other.
    pub(crate) fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.between(after, Timestamp::MAX).map(|firing| due(&firing))
    }

    /// The times after `after`, up to `to`; a search that takes too long has come to its end.
    fn between(&self, after: Timestamp, to: Timestamp) -> impl Iterator<Item = Firing> {
        self.spec.matching(time(after), time(to), self.seed).map_while(Result::ok)
    }
}

fn push(state: &mut ScheduleState, firing: &Firing, overlap_policy: i32, manual: bool) {
    add(state, BufferedStart { nominal: nominal(firing), due: due(firing), overlap_policy, manual });
}

/// Adds a start to those that are due, if there is room.
pub(crate) fn add(state: &mut ScheduleState, start: BufferedStart) {
    if state.due.len() < SCHEDULE_DUE {
        state.due.push(start);
    } else {
        state.counts.buffer_dropped += 1;
    }
}

pub(super) fn nominal(firing: &Firing) -> Timestamp {
    timestamp(firing.nominal)
}

pub(super) fn due(firing: &Firing) -> Timestamp {
    timestamp(firing.jittered)
}

fn timestamp(time: jiff::Timestamp) -> Timestamp {
    Timestamp(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
}

pub(super) fn time(timestamp: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(timestamp.0.into()).expect("its years are within those of the crate")
}
