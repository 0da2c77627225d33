//! What a node has once, whatever it leads: the leaders that are here, the way to all others, and the tasks on their way to workers.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod context;
pub(crate) mod gather;
pub(crate) mod handovers;
pub(crate) mod held_polls;
pub(crate) mod idle_polls;
pub(crate) mod leaders;
pub(crate) mod list_query;
pub(crate) mod list_token;
pub(crate) mod local;
pub(crate) mod merge;
pub(crate) mod polled;
pub(crate) mod router;
pub(crate) mod shard_leaders;
pub(crate) mod shards;
pub(crate) mod share;
pub(crate) mod supervisor;
pub(crate) mod system_view;
pub(crate) mod token_key;
pub(crate) mod watches;
pub(crate) mod worker_homes;
pub(crate) mod workers;
