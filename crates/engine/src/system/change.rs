//! What the system shard remembers of changes of the members: how often there were some, and the one that is going on.

use minicbor::{Decode, Encode};
use std::fmt;

/// The members' own row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MembersRow {
    /// Counts the maps since the cluster was founded.
    #[n(0)]
    pub revision: u64,
    #[n(1)]
    pub change: Option<Change>,
    /// How the last change ended.
    #[n(2)]
    pub last: Option<Ended>,
}

/// A change of the members that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    #[n(0)]
    pub nodes: Nodes,
    #[n(1)]
    pub phase: Phase,
    /// When it began, in milliseconds of Unix time.
    #[n(2)]
    pub began_ms: u64,
}

/// Which nodes come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Nodes {
    #[n(0)]
    pub add: Option<u64>,
    #[n(1)]
    pub remove: Option<u64>,
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.add, self.remove) {
            (Some(add), Some(remove)) => write!(f, "node {remove} is being replaced by node {add}"),
            (Some(add), None) => write!(f, "node {add} is being added"),
            (None, Some(remove)) => write!(f, "node {remove} is being removed"),
            (None, None) => f.write_str("nothing is being changed"),
        }
    }
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Phase {
    #[n(0)]
    Learning,
    #[n(1)]
    Voting,
    #[n(2)]
    Undoing,
}

/// A change that is over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ended {
    #[n(0)]
    pub nodes: Nodes,
    #[n(1)]
    pub undone: bool,
    #[n(2)]
    pub began_ms: u64,
    #[n(3)]
    pub ended_ms: u64,
}
