//! The forms of rows, tokens and messages that may be written.
//!
//! Every build reads all forms since values go by numbers; the cluster decides which ones it may write. So nodes of
//! this build and of the previous one run side by side, in either direction, until an operator raises the level
//! (`tenure cluster upgrade`), which the cluster accepts when all nodes run a build that knows it.

use minicbor::{Decode, Encode};
use std::fmt;

/// A set of forms; a higher level has all those of the lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct FeatureLevel(#[n(0)] pub u32);

impl FeatureLevel {
    /// The level of the forms that every build knows.
    pub const FIRST: FeatureLevel = FeatureLevel(1);
    /// The level at which what the start of a run fixed is in a row of its own, and no longer in the core row.
    pub const INFO_ROWS: FeatureLevel = FeatureLevel(2);
    /// The level at which nodes ask leaders for steps of answers to questions that go to many shards.
    pub const MANY_SHARDS: FeatureLevel = FeatureLevel(3);
    /// The level at which runs have records and rows in indexes, and leaders answer lists and counts.
    pub const LISTS: FeatureLevel = FeatureLevel(4);
    /// The level at which there are schedules.
    pub const SCHEDULES: FeatureLevel = FeatureLevel(5);
    /// The level at which runs can be paused.
    pub const PAUSES: FeatureLevel = FeatureLevel(6);
    /// The level at which there are activities without a workflow.
    pub const ACTIVITIES: FeatureLevel = FeatureLevel(7);
    /// The level at which homes of queues keep what workers say of themselves.
    pub const WORKERS: FeatureLevel = FeatureLevel(8);
    /// The level at which leaders say whether lists have changed.
    pub const WATCHES: FeatureLevel = FeatureLevel(9);
    /// The level at which homes of queues lend polls to the nodes that these came to.
    pub const LENT_POLLS: FeatureLevel = FeatureLevel(10);
    /// The level at which nodes can be added, removed and replaced.
    pub const MEMBERS: FeatureLevel = FeatureLevel(11);
    /// The highest level that this build knows.
    pub const KNOWN: FeatureLevel = FeatureLevel::MEMBERS;
}

/// The level of a cluster before anything of it was read.
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
