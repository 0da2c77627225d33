//! How nodes talk: our own protocols, who a caller is, connections to the other nodes, and the server side of the
//! peer port. What the messages mean is the business of `raft`, `shard` and `frontend`.

mod condition;
mod door;
mod faults;
mod frames;
mod gate;
mod hello;
mod identity;
mod join_token;
mod link;
mod pool;
mod service;

#[allow(clippy::all, unreachable_pub, rust_2018_idioms, rustdoc::all)]
pub mod proto {
    tonic::include_proto!("tenure.peer.v1");
}

#[allow(clippy::all, unreachable_pub, rust_2018_idioms, rustdoc::all)]
pub mod admin {
    tonic::include_proto!("tenure.admin.v1");
}

pub use condition::Condition;
pub use door::Door;
pub use faults::{Cut, Faults};
pub use frames::Order;
pub use gate::{Candidate, Gate, says_removed};
pub use identity::{Callee, Caller, Local};
pub use join_token::{JoinKey, JoinToken, JoinTokenError};
pub use link::{Call, Link, LinkError};
pub use pool::{Pool, Signer, Stamped, UnknownNode};
pub use service::{
    AskHandler, ForwardHandler, PeerService, RaftHandler, RaftSession, Replies, SecretHandler, Slot, Ticket,
    UpgradeHandler,
};
