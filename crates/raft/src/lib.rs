//! Raft groups over the node's storage: openraft's glue, the network between replicas, and the node that owns all
//! groups of the process, from founding the cluster to handing leaderships over before a stop.
//!
//! What an entry means is not known here: a replica only writes its rows.

mod admin;
mod balance;
mod bootstrap;
mod codec;
mod commit_alone;
mod compaction;
mod compare;
mod cpu;
mod drain;
mod entry;
mod fitness;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod giving_away;
mod group;
mod handover;
mod inbound;
mod links;
mod liveness;
mod log_sizes;
mod log_store;
mod mark;
mod members;
mod network;
mod node;
mod options;
mod pulse;
mod read_rounds;
mod rebuild;
mod recent;
mod room;
mod sending;
mod snapshot;
mod state_machine;
mod steps;
mod tail;
mod types;

pub use group::{Group, GroupStatus, Leadership, ProposeError, ReadError, TransferError};
pub use node::{Node, StartError};
pub use options::{NodeAddress, Options};
pub use room::Room;
pub use steps::Steps;
pub use tenure_engine::system::cluster::{ClusterMap, SYSTEM_SHARD};
pub use tenure_storage::ShardId;
