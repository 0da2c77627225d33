//! The search for the times of a spec, one after the other.

use crate::{
    error::SpecError,
    exclusions::{Excluded, Exclusions},
    jitter::jittered,
    source::Source,
    work::Work,
    zone::Zone,
};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};
use tenure_limits::MATCHING_TIMES;

/// What a spec is compiled to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Times {
    pub(crate) zone: Zone,
    pub(crate) sources: Vec<Source>,
    pub(crate) exclusions: Exclusions,
    /// The second after which the first time may be.
    pub(crate) before_first: i64,
    /// The last second that may be a time.
    pub(crate) last: i64,
    /// Nanoseconds by which times are delayed at most; less than nothing is nothing.
    pub(crate) jitter: i64,
}

/// One time of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The time that the spec matches, in whole seconds.
    pub nominal: Timestamp,
    /// When the action is due: the nominal time and its jitter, in whole milliseconds; before the next nominal time.
    pub jittered: Timestamp,
}

/// The next time of each source, the earliest first: a step looks only at the sources whose times it passes.
pub(crate) struct Search<'a> {
    times: &'a Times,
    upcoming: BinaryHeap<Reverse<(i64, usize)>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(times: &'a Times) -> Search<'a> {
        let sources = 0..times.sources.len();
        Search { times, upcoming: sources.map(|source| Reverse((i64::MIN, source))).collect() }
    }

    /// The first firing after `after`, which is not before that of an earlier call.
    pub(crate) fn next(&mut self, after: Timestamp, seed: &str) -> Result<Option<Firing>, SpecError> {
        let mut work = Work::new();
        let times = self.times;
        let mut after = (after.as_nanosecond().div_euclid(1_000_000_000) as i64).max(times.before_first);
        let nominal = loop {
            if after >= times.last {
                return Ok(None);
            }
            let nominal = self.pass(after, &mut work)?.filter(|nominal| *nominal <= times.last);
            let Some(nominal) = nominal.and_then(|nominal| Timestamp::from_second(nominal).ok()) else {
                return Ok(None);
            };
            match times.exclusions.check(&times.zone, nominal, &mut work)? {
                Excluded::No => break nominal,
                Excluded::Until(end) => after = end.as_second() - 1,
                Excluded::Forever => return Ok(None),
            }
        };
        Ok(Some(Firing { nominal, jittered: jittered(nominal, self.room(nominal, &mut work)?, seed) }))
    }

    /// How many nanoseconds a firing may be delayed: never up to the next time, even if that is excluded.
    fn room(&mut self, nominal: Timestamp, work: &mut Work) -> Result<i64, SpecError> {
        if self.times.jitter <= 0 {
            return Ok(0);
        }
        let following = self.pass(nominal.as_second(), work)?;
        let room = following.map_or(i64::MAX, |at| (at - nominal.as_second()).saturating_mul(1_000_000_000));
        Ok(room.min(self.times.jitter))
    }

    /// The first time after `after` that any source has, in seconds since the epoch.
    fn pass(&mut self, after: i64, work: &mut Work) -> Result<Option<i64>, SpecError> {
        while let Some(mut first) = self.upcoming.peek_mut() {
            let Reverse((at, source)) = *first;
            if at > after {
                return Ok(Some(at));
            }
            match self.times.sources[source].next(&self.times.zone, after, work)? {
                Some(at) => *first = Reverse((at, source)),
                None => {
                    PeekMut::pop(first);
                }
            }
        }
        Ok(None)
    }
}

/// The firings of a spec in a span of time, as [`Spec::matching`](crate::Spec::matching) has them. After an error
/// there are no more.
pub struct Matching<'a> {
    search: Search<'a>,
    seed: &'a str,
    after: Timestamp,
    to: Timestamp,
    left: usize,
}

impl<'a> Matching<'a> {
    pub(crate) fn new(times: &'a Times, after: Timestamp, to: Timestamp, seed: &'a str) -> Matching<'a> {
        Matching { search: Search::new(times), seed, after, to, left: MATCHING_TIMES }
    }
}

impl Iterator for Matching<'_> {
    type Item = Result<Firing, SpecError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match self.search.next(self.after, self.seed) {
            Ok(Some(firing)) if firing.jittered <= self.to => {
                self.after = firing.jittered;
                Some(Ok(firing))
            }
            Ok(_) => {
                self.left = 0;
                None
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}
