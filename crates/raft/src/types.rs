//! openraft's type parameters.

use bytes::Bytes;
use openraft::{
    EmptyNode,
    impls::leader_id_std,
    type_config::alias::{LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf},
};
use serde::{Deserialize, Serialize};
use std::fmt;

openraft::declare_raft_types!(
    pub(crate) TypeConfig:
        D = Payload,
        R = (),
        NodeId = u64,
        Node = EmptyNode,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
);

/// What an entry replicates: encoded write sets, opaque here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type Vote = VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type EntryPayload = openraft::type_config::alias::PayloadOf<TypeConfig>;
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, crate::state_machine::SnapshotRows>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::state_machine::StateMachine>;
pub(crate) type Term = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId { leader_id: Term::new(term), index }
}
