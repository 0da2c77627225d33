//! The state that operators' requests leave on a pending activity.

use crate::{codec::field, time::Timestamp};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::workflow::v1::pending_activity_info::{
    PauseInfo,
    pause_info::{Manual, PausedBy},
};

/// The state that operators' requests leave on one pending activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Control {
    #[n(0)]
    paused: Option<Paused>,
    /// Whether the running attempt was reset; the answers to its heartbeats say so.
    #[n(1)]
    reset: bool,
    /// Whether the heartbeat details are forgotten when that attempt ends.
    #[n(2)]
    forget_heartbeat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Paused {
    #[n(0)]
    at: Timestamp,
    #[cbor(n(1), with = "field")]
    identity: Arc<str>,
    #[cbor(n(2), with = "field")]
    reason: Arc<str>,
}

impl Control {
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(crate) fn pause(&mut self, at: Timestamp, identity: &str, reason: &str) {
        self.paused = Some(Paused { at, identity: identity.into(), reason: reason.into() });
    }

    /// Ends the pause. Returns whether there was one.
    pub(crate) fn unpause(&mut self) -> bool {
        self.paused.take().is_some()
    }

    /// Makes the running attempt count as the first. `forget_heartbeat`: its heartbeat details are forgotten when it
    /// ends.
    pub(crate) fn reset_running(&mut self, forget_heartbeat: bool) {
        self.reset = true;
        self.forget_heartbeat |= forget_heartbeat;
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset
    }

    /// Notes that the running attempt ended and another one may follow. Returns whether heartbeat details are to be
    /// forgotten.
    pub(super) fn attempt_ended(&mut self) -> bool {
        self.reset = false;
        std::mem::take(&mut self.forget_heartbeat)
    }

    /// When, by whom and why it was paused.
    pub(crate) fn paused(&self) -> Option<(Timestamp, &str, &str)> {
        self.paused.as_ref().map(|paused| (paused.at, &*paused.identity, &*paused.reason))
    }

    pub(super) fn pause_info(&self) -> Option<PauseInfo> {
        self.paused.as_ref().map(|paused| PauseInfo {
            pause_time: Some(paused.at.to_proto()),
            paused_by: Some(PausedBy::Manual(Manual {
                identity: paused.identity.to_string(),
                reason: paused.reason.to_string(),
            })),
        })
    }
}
