//! Ids are arguments too: whatever looks random in a transition is drawn from [`Ids`].

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Minted by the frontend for each mutating request and kept over retries inside the server, so that a retry never
/// acts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProposalId(pub u128);

/// Names one start of a task: unique in the shard for ever, because terms never repeat. A task token whose stamp is
/// not the stored one is stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The leader's Raft term.
    pub term: u64,
    /// Counts up within the term.
    pub counter: u64,
}

/// The ids that one transition may use. The same seed and stamp give the same ids.
#[derive(Clone, Debug)]
pub struct Ids {
    seed: u128,
    drawn: u64,
    stamp: Stamp,
}

impl Ids {
    /// `seed` is random and `stamp.counter` is past all that this term has used; the caller moves its own counter
    /// to [`Ids::used_to`] afterwards.
    pub fn new(seed: u128, stamp: Stamp) -> Self {
        Ids { seed, drawn: 0, stamp }
    }

    /// A fresh random-looking UUID (version 4 layout).
    pub fn uuid(&mut self) -> Uuid {
        self.drawn += 1;
        let hash = xxh3_128_with_seed(&self.seed.to_le_bytes(), self.drawn);
        uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid()
    }

    /// A fresh stamp; stamps grow in the order in which they are drawn.
    pub fn stamp(&mut self) -> Stamp {
        let stamp = self.stamp;
        self.stamp.counter += 1;
        stamp
    }

    /// The first counter that was not drawn.
    pub fn used_to(&self) -> u64 {
        self.stamp.counter
    }
}
