//! What a shard's leader does: it runs commands one at a time per workflow id, fires timers, offers ready tasks to
//! the homes of their queues, matches the polls of the queues that are homed on it, and answers reads and queries.
//!
//! All of a leader's memory is one value, `LeaderRuntime`, built from rows at election and dropped when leadership
//! goes. Nothing in it has to be saved.

mod admission;
mod cache;
mod clock;
mod deliveries;
mod dispatch;
mod error;
mod executions;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handle;
mod heartbeats;
mod history;
mod home;
mod messages;
mod namespaces;
mod options;
mod outbox;
mod over_raft;
mod overlay;
mod polled;
mod queries;
mod query_token;
mod replica;
mod response;
mod runtime;
mod shards;
mod shared;
mod starts;
mod supervisor;
mod system;
mod timers;
mod token_key;
mod updates;
mod virtual_time;
mod waiters;
mod workers;

pub use deliveries::Delivery;
pub use error::CommandError;
pub use handle::{HistoryPage, HistoryRequest, LeaderHandle, PollRequest, QueueDescription, new_proposal_id};
pub use history::PageToken;
pub use namespaces::Namespace;
pub use options::Options;
pub use over_raft::RaftMesh;
pub use query_token::QueryToken;
pub use replica::{CallFailed, Chunk, Leadership, Mesh, NodeId, NotLeader, Replica, Rows, SYSTEM_SHARD, ShardId};
pub use shards::{Lead, Shards};
pub use shared::NoLeader;
pub use tenure_queue::LimitSource;
pub use token_key::{TokenKey, TokenUse};
pub use updates::{UpdateProgress, UpdateWithStart};
pub use virtual_time::{Skipping, Unbalanced, VirtualTime};
pub use workers::WorkerPoll;

#[cfg(test)]
mod tests;
