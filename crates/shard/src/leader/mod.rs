//! What a leader does of its own: it runs commands and timers, delivers its outbox, and answers reads, waits and queries.

pub(crate) mod activities;
pub(crate) mod admission;
pub(crate) mod batches;
pub(crate) mod cache;
pub(crate) mod context;
pub(crate) mod executions;
pub(crate) mod fill;
pub(crate) mod forget;
pub(crate) mod handle;
pub(crate) mod heartbeats;
pub(crate) mod history;
pub(crate) mod lists;
pub(crate) mod outbox;
pub(crate) mod overlay;
mod pace;
pub(crate) mod pending_queries;
pub(crate) mod queries;
pub(crate) mod questions;
pub(crate) mod reclaim;
pub(crate) mod reclaimed;
pub(crate) mod response;
pub(crate) mod runs;
pub(crate) mod runtime;
pub(crate) mod system;
pub(crate) mod timers;
pub(crate) mod updates;
pub(crate) mod waiters;
