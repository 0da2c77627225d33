//! Ids are arguments too: whatever looks random in a transition is drawn from [`Ids`].

use crate::time::Timestamp;
use minicbor::{Decode, Encode};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The id of one mutating request inside the server. The frontend mints it and keeps it over retries, so that a retry
/// never acts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ProposalId(#[n(0)] pub u128);

/// The name of a start of a task, of a ready task or of an outbox message: unique in the shard for ever, because terms
/// never repeat. A task token whose stamp is not the stored one is stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Stamp {
    /// The leader's Raft term.
    #[n(0)]
    pub term: u64,
    /// The count of stamps within the term.
    #[n(1)]
    pub counter: u64,
}

/// One life of a node's process: a node that was started again remembers nothing of what it did before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Process {
    /// The node's number; zero where it does not matter which process it is.
    #[n(0)]
    pub node: u64,
    /// A number drawn at random when the process began.
    #[n(1)]
    pub boot: u32,
}

/// The identity of the server where it acts by itself.
pub(crate) const SERVER_IDENTITY: &str = "history-service";

/// The ids that one transition may use. The same seed and stamp give the same ids.
#[derive(Clone, Debug)]
pub struct Ids {
    seed: u128,
    drawn: u64,
    stamp: Stamp,
}

impl Ids {
    /// `seed` is random and `stamp.counter` is past all that this term has used; the caller moves its own counter
    /// to [`Ids::next_counter`] afterwards.
    pub fn new(seed: u128, stamp: Stamp) -> Self {
        Ids { seed, drawn: 0, stamp }
    }

    /// A fresh random-looking UUID (version 4 layout).
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A fresh id for a run that begins now: a UUID of version 7, so that later runs have larger ids, to the
    /// millisecond.
    pub fn run_id(&mut self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.0 / 1_000_000).unwrap_or_default();
        let [random @ .., _, _, _, _, _, _] = self.bytes();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn bytes(&mut self) -> [u8; 16] {
        self.drawn += 1;
        xxh3_128_with_seed(&self.seed.to_le_bytes(), self.drawn).to_be_bytes()
    }

    /// A fresh stamp; stamps grow in the order in which they are drawn.
    pub fn stamp(&mut self) -> Stamp {
        let stamp = self.stamp;
        self.stamp.counter += 1;
        stamp
    }

    /// The first counter that was not drawn.
    pub fn next_counter(&self) -> u64 {
        self.stamp.counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_runs_are_of_version_7_and_in_order_of_time() {
        let mut ids = Ids::new(1, Stamp::default());
        let mut at = |millis: i64| ids.run_id(Timestamp(millis * 1_000_000));
        let (first, twin, later) = (at(1_700_000_000_000), at(1_700_000_000_000), at(1_700_000_000_001));
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(&first.to_string()[..13], "018bcfe5-6800");
        assert_ne!(first, twin);
        assert!(first < later && twin < later);
        assert_eq!(at(-1).get_version_num(), 7);
    }
}
