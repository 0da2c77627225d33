//! What a node says of its own condition to the others, with each answer to a greeting.

/// Whether others should rely on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Why it should lead no shards, a sentence each; empty if it may.
    pub unfit_because: Vec<String>,
    /// Bytes that are free on its disk; `None` if that is not known.
    pub free_bytes: Option<u64>,
}

impl Condition {
    /// It may lead shards.
    pub fn is_fit(&self) -> bool {
        self.unfit_because.is_empty()
    }
}
