//! What is kept of what operators asked of a pending activity.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_api::workflow::v1::pending_activity_info::{
    PauseInfo,
    pause_info::{Manual, PausedBy},
};

/// What operators asked of one pending activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    paused: Option<Paused>,
    /// The attempt that is running was reset; its worker is told so.
    reset: bool,
    /// When that attempt ends, what it told by heartbeats is forgotten.
    forget_heartbeat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Paused {
    at: Timestamp,
    identity: Arc<str>,
    reason: Arc<str>,
}

impl Control {
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(super) fn pause(&mut self, at: Timestamp, identity: &str, reason: &str) {
        self.paused = Some(Paused { at, identity: identity.into(), reason: reason.into() });
    }

    /// Says whether it was paused.
    pub(super) fn unpause(&mut self) -> bool {
        self.paused.take().is_some()
    }

    /// The attempt that is running counts as the first. `forget_heartbeat`: what it told by heartbeats goes with it.
    pub(super) fn reset_running(&mut self, forget_heartbeat: bool) {
        self.reset = true;
        self.forget_heartbeat |= forget_heartbeat;
    }

    pub(super) fn is_reset(&self) -> bool {
        self.reset
    }

    /// The running attempt ended, and another one may follow. Says whether heartbeat details are to be forgotten.
    pub(super) fn attempt_ended(&mut self) -> bool {
        self.reset = false;
        std::mem::take(&mut self.forget_heartbeat)
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
