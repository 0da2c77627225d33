//! Which forms of rows, tokens and messages may be written.
//!
//! Every build reads all forms since values go by numbers; what it may write, the cluster says. So nodes of this build and
//! of the one before run side by side, in either direction, until an operator raises the level (`tenure cluster upgrade`),
//! which the cluster accepts when all nodes run a build that knows it.

use minicbor::{Decode, Encode};
use std::fmt;

/// A set of forms; a higher level has all those of the lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct FeatureLevel(#[n(0)] pub u32);

impl FeatureLevel {
    /// The forms that every build knows.
    pub const FIRST: FeatureLevel = FeatureLevel(1);
    /// What the start of a run fixed is in a row of its own, and no longer in the core row.
    pub const INFO_ROWS: FeatureLevel = FeatureLevel(2);
    /// Nodes ask leaders for steps of answers to questions that go to many shards.
    pub const MANY_SHARDS: FeatureLevel = FeatureLevel(3);
    /// The highest level that this build knows.
    pub const KNOWN: FeatureLevel = FeatureLevel::MANY_SHARDS;
}

/// What a cluster is at before anything of it was read.
impl Default for FeatureLevel {
    fn default() -> Self {
        FeatureLevel::FIRST
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
