//! The pure heart of Tenure: `ShardCommand` + rows + time + ids -> [`Transition`].
//!
//! What is absent here is the point: no clock, no randomness, no I/O, no async, no environment, no iteration over
//! hash maps, no configuration. The leader of a shard runs this code; the Raft log carries the rows that it wrote.

pub mod codec;
pub mod command;
pub mod id;
pub mod key;
pub mod limits;
pub mod rows;
pub mod state;
pub mod system;
pub mod time;
pub mod token;
pub mod transition;

pub use command::{Envelope, Reply, ShardCommand};
pub use id::{Ids, ProposalId, Stamp};
pub use key::{NamespaceId, QueueKey, RunKey, TaskKind, WorkflowKey, slot};
pub use limits::Limits;
pub use rows::{Op, RowKey, StateReader, WriteSet};
pub use time::Timestamp;
pub use transition::{Effect, Transition};
