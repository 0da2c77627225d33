//! Who polled lately.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tenure_limits::POLLERS;

/// A worker is forgotten when it has not polled for this long, as in the reference server.
const REMEMBERED: Duration = Duration::from_secs(300);

/// A worker that polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poller<D> {
    pub last_access: Instant,
    /// Polls of this worker that wait now.
    pub waiting: usize,
    /// What it said of itself.
    pub details: D,
}

/// Workers by identity.
#[derive(Debug)]
pub struct Pollers<D> {
    by_identity: BTreeMap<String, Poller<D>>,
}

impl<D> Default for Pollers<D> {
    fn default() -> Self {
        Pollers { by_identity: BTreeMap::new() }
    }
}

impl<D> Pollers<D> {
    /// A poll of this worker arrived.
    pub fn arrived(&mut self, identity: &str, details: D, now: Instant) {
        if let Some(poller) = self.by_identity.get_mut(identity) {
            poller.last_access = now;
            poller.waiting += 1;
            poller.details = details;
            return;
        }
        if self.by_identity.len() >= POLLERS {
            self.forget(now);
        }
        if self.by_identity.len() < POLLERS {
            self.by_identity.insert(identity.to_owned(), Poller { last_access: now, waiting: 1, details });
        }
    }

    /// A poll of this worker was answered or given up.
    pub fn left(&mut self, identity: &str, now: Instant) {
        if let Some(poller) = self.by_identity.get_mut(identity) {
            poller.waiting = poller.waiting.saturating_sub(1);
            poller.last_access = now;
        }
    }

    /// Drops those that have been away for long.
    pub fn forget(&mut self, now: Instant) {
        self.by_identity
            .retain(|_, poller| poller.waiting > 0 || now.saturating_duration_since(poller.last_access) < REMEMBERED);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Poller<D>)> {
        self.by_identity.iter().map(|(identity, poller)| (identity.as_str(), poller))
    }

    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    /// When anybody polled last; `now` while a poll waits.
    pub fn last_access(&self, now: Instant) -> Option<Instant> {
        self.last(now).map(|(at, _)| at)
    }

    /// The worker that polled last, and when; `now` while a poll waits.
    pub fn last(&self, now: Instant) -> Option<(Instant, &str)> {
        let seen = self.iter().map(|(identity, poller)| (poller, identity));
        seen.map(|(poller, identity)| (if poller.waiting > 0 { now } else { poller.last_access }, identity)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_poller_is_alive_and_a_silent_one_is_forgotten() {
        let start = Instant::now();
        let later = start + REMEMBERED + Duration::from_secs(1);
        let mut pollers = Pollers::default();
        assert_eq!(pollers.last_access(start), None);
        pollers.arrived("a", (), start);
        pollers.arrived("b", (), start);
        pollers.left("b", start);
        assert_eq!(pollers.last_access(later), Some(later));
        pollers.forget(later);
        assert_eq!(pollers.iter().map(|(identity, _)| identity).collect::<Vec<_>>(), ["a"]);
        pollers.left("a", later);
        assert_eq!(pollers.last_access(later + Duration::from_secs(1)), Some(later));
    }

    #[test]
    fn no_more_pollers_are_kept_than_there_is_room_for() {
        let now = Instant::now();
        let mut pollers = Pollers::default();
        for n in 0..POLLERS + 10 {
            pollers.arrived(&n.to_string(), (), now);
        }
        assert_eq!(pollers.iter().count(), POLLERS);
    }
}
