//! What can be set about leaders and matching.

use crate::time::virtual_time::VirtualTime;
use std::{sync::Arc, time::Duration};
use tenure_clock::ClusterClock;
use tenure_engine::{FeatureLevel, Limits};
use tenure_limits::{DEFAULT_MEMORY, Memory};
use tenure_vital::FatalHook;
use tokio::time::Instant;

/// Defaults fit a small machine.
#[derive(Clone, Debug)]
pub struct Options {
    pub limits: Limits,
    /// The highest feature level that this build knows.
    pub known_level: FeatureLevel,
    /// Bytes of decoded execution states that all leaders of the node keep.
    pub state_cache_bytes: u64,
    /// Bytes of rows from which no further command joins an entry.
    pub batch_bytes: usize,
    /// Entries of one leader's commands that are on their way at once; what is ready meanwhile shares the next one.
    pub entries_in_flight: usize,
    /// Timers that all leaders of the node hold in memory, and as many of schedules; the others stay on disk.
    pub timer_window: usize,
    /// Due timers of one leader whose commands run at once, but for those of schedules.
    pub timers_in_flight: usize,
    /// Due timers of schedules whose commands run at once at most, of one leader: fewer while they take long, so that many
    /// that are due together leave room for others.
    pub schedules_in_flight: usize,
    /// Messages to other workflows that all leaders of the node hold the names of; the others stay on disk.
    pub outbox_window: usize,
    /// Messages of one leader that are being delivered at once.
    pub messages_in_flight: usize,
    /// Ready tasks that all leaders of the node offer at once, one of each queue at least.
    pub offer_window: usize,
    /// Ready tasks of one queue that its owner offers at once.
    pub queue_window: usize,
    /// How long an offer, a start or another call to a node may take before it is tried again.
    pub call_timeout: Duration,
    /// How long a poll waits for a task at most.
    pub long_poll: Duration,
    /// How much before the caller's deadline a long poll ends.
    pub long_poll_margin: Duration,
    /// How long a history long poll waits at most.
    pub history_wait: Duration,
    /// How long a caller waits for its update at most before it is told how far that has come.
    pub update_wait: Duration,
    /// An owner is asked to start a task for this long after the poll ended: the start may have been committed.
    pub start_grace: Duration,
    /// A started task whose handover is not confirmed for this long is checked.
    pub confirm_within: Duration,
    /// It is checked as often for this long; after that, by a leader that knows that it was never confirmed, once in each
    /// [`Options::sweep_interval`].
    pub checked_often_for: Duration,
    /// How often a leader asks the homes of its queues what they hold of its offers, and after old starts. What was
    /// lost of notices is made good for then.
    pub sweep_interval: Duration,
    /// A query without an answer is looked after this often, whatever was heard of it: a worker may have died with it,
    /// a home may have lost it.
    pub query_look_again: Duration,
    /// A sticky queue nobody polled for this long has lost its worker.
    pub sticky_alive: Duration,
    /// Bytes of history in one page, about.
    pub history_page_bytes: usize,
    /// Events in one page.
    pub history_page_events: usize,
    /// This machine's clock among those of the other nodes.
    pub clock: ClusterClock,
    /// The clock of all leaders, where time is skipped. Only for a cluster of one node.
    pub virtual_time: Option<Arc<VirtualTime>>,
    /// What to do when a part of a leader or of the node has died.
    pub on_fatal: FatalHook,
}

/// [`Options::checked_often_for`], and how long a start is checked at all of whose handover the leader may have heard before.
pub(crate) const CHECKED_OFTEN_FOR: Duration = Duration::from_secs(30);

/// Bytes that each takes in memory, about. There may be twice as many timers for a while.
const TIMER: usize = 400;
const MESSAGE: usize = 500;
const OFFER: usize = 500;

impl Options {
    /// These options, with what leaders hold in memory within its shares.
    #[must_use]
    pub fn within(mut self, memory: &Memory) -> Options {
        let window = memory.windows / 3;
        self.state_cache_bytes = memory.states as u64;
        self.timer_window = window / (2 * TIMER);
        self.outbox_window = window / MESSAGE;
        self.offer_window = window / OFFER;
        self
    }

    /// When a long poll for a task ends without one.
    pub(crate) fn poll_expires(&self, now: Instant, deadline: Instant) -> Instant {
        let latest = deadline.checked_sub(self.long_poll_margin).unwrap_or(now);
        latest.min(now + self.long_poll).max(now)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            known_level: FeatureLevel::KNOWN,
            // This and the windows are the memory's, below.
            state_cache_bytes: 0,
            batch_bytes: 512 << 10,
            entries_in_flight: 2,
            timer_window: 0,
            timers_in_flight: 256,
            schedules_in_flight: 64,
            outbox_window: 0,
            messages_in_flight: 256,
            offer_window: 0,
            queue_window: 1000,
            call_timeout: Duration::from_secs(1),
            long_poll: Duration::from_secs(60),
            long_poll_margin: Duration::from_millis(800),
            history_wait: Duration::from_secs(20),
            update_wait: Duration::from_secs(20),
            start_grace: Duration::from_secs(10),
            confirm_within: Duration::from_secs(3),
            checked_often_for: CHECKED_OFTEN_FOR,
            sweep_interval: Duration::from_secs(60),
            query_look_again: Duration::from_secs(4),
            sticky_alive: Duration::from_secs(10),
            history_page_bytes: 2 << 20,
            history_page_events: 1000,
            clock: ClusterClock::default(),
            virtual_time: None,
            on_fatal: FatalHook::default(),
        }
        .within(&Memory::of(DEFAULT_MEMORY))
    }
}
