//! What a shard's leader does: it runs commands one at a time per workflow id, fires timers, offers ready tasks to
//! the homes of their queues, matches the polls of the queues that are homed on it, and answers reads and queries.
//!
//! All of a leader's memory is one value, `LeaderRuntime`, built from rows at election and dropped when leadership
//! goes. Nothing in it has to be saved.

mod error;
mod handle;
mod options;
mod query_token;
mod replica;
mod shards;

pub use error::CommandError;
pub use handle::{Delivery, HistoryPage, HistoryRequest, LeaderHandle, PollRequest, QueueDescription, new_proposal_id};
pub use options::Options;
pub use query_token::QueryToken;
pub use replica::{CallFailed, Leadership, Mesh, NodeId, NotLeader, Replica, Rows, SYSTEM_SHARD, ShardId};
pub use shards::{Lead, NoLeader, Shards};
