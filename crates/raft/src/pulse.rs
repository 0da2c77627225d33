//! One pulse for all groups of a node: leaders tell their followers that they are there, and followers notice when nobody does.
//!
//! openraft's own ticker wakes each group forty times a second to ask its clock. It is parked here wherever there is nothing to
//! ask: a leader's heartbeats come with the pulse, and a follower that hears its leader has no election to think of. It ticks
//! from the start until then, and again from the moment on at which a follower has heard nothing for two beats, long
//! before its lease is over.

use crate::{group::Group, node::Core};
use futures::FutureExt;
use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};
use tokio::time::MissedTickBehavior;

/// Beats without a word from a leader after which a group asks its clock again. A beat without one happens to healthy groups,
/// too, whose leader's pulse is not ours.
const SILENT: u8 = 2;

/// What a group knows of its leader from beat to beat.
pub(crate) struct Pulse {
    /// A leader was heard since the last beat.
    heard: AtomicBool,
    /// Beats since a leader was heard, up to [`SILENT`].
    silent: AtomicU8,
}

impl Default for Pulse {
    /// Of a group that has not heard of any leader.
    fn default() -> Self {
        Pulse { heard: AtomicBool::new(false), silent: AtomicU8::new(SILENT) }
    }
}

impl Pulse {
    /// A leader's message was taken.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether there is a leader that is heard; asked once a beat.
    fn is_led(&self) -> bool {
        let silent =
            if self.heard.swap(false, Ordering::Relaxed) { 0 } else { self.silent.load(Ordering::Relaxed) + 1 };
        self.silent.store(silent.min(SILENT), Ordering::Relaxed);
        silent < SILENT
    }

    /// Nobody else leads now.
    fn leads(&self) {
        self.silent.store(SILENT, Ordering::Relaxed);
    }
}

pub(crate) async fn run(core: Core) -> Infallible {
    let mut beats = tokio::time::interval(core.options.heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        for group in core.groups.all() {
            beat(&group);
        }
    }
}

fn beat(group: &Group) {
    let raft = group.raft();
    if group.leads() {
        group.pulse().leads();
        raft.runtime_config().tick(false);
        // Put into the core's queue at once. Where that is full the followers hear enough; no group waits for another's.
        let _ = raft.trigger().heartbeat().now_or_never();
    } else {
        raft.runtime_config().tick(!group.pulse().is_led());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_asks_its_clock_when_two_beats_brought_nothing() {
        let pulse = Pulse::default();
        assert!(!pulse.is_led(), "nobody was heard yet");
        pulse.hear();
        assert_eq!([pulse.is_led(), pulse.is_led(), pulse.is_led()], [true, true, false]);
        pulse.hear();
        pulse.leads();
        assert!(pulse.is_led(), "another leader was heard since the beat");
        pulse.leads();
        assert!(!pulse.is_led());
    }
}
