//! What a shard's leader does: it runs commands one at a time per workflow id, fires timers, offers ready tasks to
//! the homes of their queues, matches the polls of the queues that are homed on it, and answers reads and queries.
//!
//! All of a leader's memory is one value, `LeaderRuntime`, built from rows at election and dropped when leadership
//! goes. Nothing in it has to be saved.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod home;
mod leader;
mod node;
mod options;
mod owner;
mod seam;
mod time;

pub use home::{QueueDescription, queue::PollRequest};
pub use leader::activities::{ActivityRequest, FoundActivity, KnownActivity, Until};
pub use leader::handle::LeaderHandle;
pub use leader::history::{HistoryPage, HistoryRequest, PageToken};
pub use leader::updates::{UpdateProgress, UpdateWithStart};
pub use node::attempts::{Attempted, Attempts};
pub use node::gather::{Counted, Left, SamePlan};
pub use node::handovers::Handover;
pub use node::held_polls::HeldPoll;
pub use node::list_query::list_query;
pub use node::list_token::malformed_page_token;
pub use node::polled::PollResponse;
pub use node::shard_leaders::{AttemptError, Leader};
pub use node::shards::{ListPage, Shards};
pub use node::system_view::Namespace;
pub use node::token_key::{TokenKey, TokenUse};
pub use node::workers::WorkerPoll;
pub use options::Options;
pub use seam::error::{CommandError, NoLeader};
pub use seam::messages::{LastPoll, new_proposal_id};
pub use seam::query_token::QueryToken;
pub use seam::question::{GroupValue, Item, ListAttribute, ListQuery, Question};
pub use seam::replica::{
    CallFailed, Chunk, Leadership, ListRows, Mesh, NodeId, NotLeader, ProposeError, Replica, Room, Rows, SYSTEM_SHARD,
    ShardId,
};
pub use seam::worker_query::WorkerQuery;
pub use tenure_queue::LimitSource;
pub use time::virtual_time::{Skipping, Unbalanced, VirtualTime};

#[cfg(test)]
mod tests;
