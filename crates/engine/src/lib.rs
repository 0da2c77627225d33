//! The pure heart of Tenure: `ShardCommand` + rows + time + ids -> [`Transition`].
//!
//! What is absent here is the point: no clock, no randomness, no I/O, no async, no environment, no iteration over
//! hash maps, no configuration. The leader of a shard runs this code; the Raft log carries the rows that it wrote.
//!
//! The files stand on floors (words, data, buffer, nouns, verbs) and import downwards; `tests/arrows.rs` has the list.

// Workers of all ages send fields that the API calls deprecated, and histories carry them on.
#![allow(deprecated)]

pub mod activity;
mod bad_command;
pub mod batch;
pub mod chain;
pub mod checks;
mod child;
pub mod codec;
pub mod command;
mod commands;
mod copy;
pub mod describe;
mod events;
pub mod explain;
mod external;
pub mod failures;
mod feature_level;
pub mod id;
pub mod info;
pub mod key;
mod limits;
mod options;
pub mod outbox;
mod pause;
mod pending;
mod poll;
mod properties;
mod proposals;
pub mod proto;
pub mod queue_config;
pub mod reclaim;
mod removal;
mod replay;
mod reset;
mod retry;
mod row;
pub mod rows;
pub mod schedule;
pub mod search_attributes;
mod signal;
pub mod standalone;
pub mod state;
pub mod subject;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod time;
mod timer;
pub mod token;
pub mod transition;
mod txn;
pub mod update;
pub mod visibility;
pub mod workflow_task;

pub use command::{Envelope, Reply, ShardCommand};
pub use copy::HistoryCopy;
pub use feature_level::FeatureLevel;
pub use id::{Ids, Process, ProposalId, Stamp};
pub use key::{NamespaceId, QueueKey, RunKey, TaskKind, WorkflowKey, slot};
pub use limits::Limits;
pub use rows::{Op, RowKey, StateReader, WriteSet};
pub use subject::{Address, Lane, Subject, SubjectKind};
pub use time::Timestamp;
pub use transition::{Effect, Transition};
