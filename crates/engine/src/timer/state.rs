//! The state of a run's timers.

use crate::{
    codec::field,
    pending::{Keyed, Pending},
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::sync::Arc;

/// A timer that was started and neither fired nor was cancelled; pending under its started event's id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UserTimer {
    #[cbor(n(0), with = "field")]
    pub timer_id: Arc<str>,
    #[n(1)]
    pub fire_at: Timestamp,
}

/// The keys by which a timer is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKey {
    Id(Arc<str>),
    Due(Timestamp),
}

impl Keyed for UserTimer {
    type Key = TimerKey;

    fn keys(&self) -> impl IntoIterator<Item = TimerKey> {
        [TimerKey::Id(self.timer_id.clone()), TimerKey::Due(self.fire_at)]
    }

    fn heap_bytes(&self) -> usize {
        self.timer_id.len()
    }
}

/// The deadline of the timer that fires next.
pub(crate) fn earliest_deadline(timers: &Pending<UserTimer>) -> Option<Timestamp> {
    let (_, first) = timers.range(TimerKey::Due(Timestamp::MIN)..=TimerKey::Due(Timestamp::MAX)).next()?;
    timers.get(first).map(|timer| timer.fire_at)
}
