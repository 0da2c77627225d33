//! Activities of a run: scheduled by workflow commands, started by polls, ended by workers or by timeouts.
//!
//! The started event of an attempt enters history together with the event that ends the activity, and only then: an
//! attempt that is retried leaves no trace but the next one's `last_failure`.

mod attempts;
mod cancel;
mod close;
pub(crate) mod control;
pub(crate) mod describe;
mod eager;
mod find;
mod operations;
mod options;
mod ready;
mod schedule;
pub(crate) mod state;
pub(crate) mod timeouts;

#[cfg(test)]
mod tests;

pub use control::Control;
pub use describe::pending_infos;
pub use state::{ActivityKey, ActivityPhase, Heartbeat, HeartbeatAnswer, PendingActivity, StartedAttempt};
pub use timeouts::Timeouts;

pub(crate) use attempts::{fire_due, record_heartbeat, retry, with_context};
pub(crate) use cancel::request_cancel;
pub(crate) use close::{close, close_unstarted, forget_all};
pub(crate) use describe::poll_response;
pub use eager::{response_to, without_heartbeat};
pub(crate) use eager::{start_eagerly, started_by};
pub(crate) use find::{find, find_started};
pub(crate) use operations::{Selection, UnpauseOptions, matching, pause, reset, unpause};
pub(crate) use options::{
    Checked, OptionsChange, check as check_options, check_command, give as give_options, merged as merge_options,
    reschedule, snake_case, update as update_options,
};
pub(crate) use ready::{
    hold_all, make_all_ready, own_priority, put_back, release_all, return_task, withdraw, withdraw_all,
};
pub(crate) use schedule::schedule;
