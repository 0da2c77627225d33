//! What a node says of its own condition to the others, with each answer to a greeting.

/// Whether others should rely on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Why it should lead no shards, a sentence each; empty if it may.
    pub unfit_because: Vec<String>,
    /// Shards of which it has a replica that it cannot read.
    pub damaged_shards: Vec<u32>,
    /// Bytes that are free on its disk; `None` if that is not known.
    pub free_bytes: Option<u64>,
}

impl Condition {
    /// It may lead shards.
    pub fn is_fit(&self) -> bool {
        self.unfit_because.is_empty()
    }

    /// It may lead this one.
    pub fn is_fit_for(&self, shard: u32) -> bool {
        self.is_fit() && !self.damaged_shards.contains(&shard)
    }
}
