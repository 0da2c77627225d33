//! What a node keeps on disk: two RocksDBs.
//!
//! The *log* database holds Raft entries, votes, shard pointers and the node's identity. It is the truth: one writer
//! thread puts everything that is pending into one batch with one sync. The *state* database holds rows. It has no
//! WAL: after a crash it is behind, and the log is applied again from [`ShardRows::applied`].
//!
//! Nothing here knows Raft's types: votes, log ids, membership and entries are the caller's bytes.

mod dir;
mod disk_health;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod key;
mod latency;
mod log;
mod memory;
mod options;
mod reserve;
mod state;
mod stats;
mod storage;
mod under_way;
pub mod write_set;

pub use error::{OpenError, StorageError, tells_of_damage};
pub use latency::Latencies;
pub use log::{LogDb, LogOp, Purged, ShardLog};
pub use options::Options;
pub use state::{Applied, Export, HistoryChunk, Ingest, ReadyAfter, RowSum, ShardReader, ShardRows, StateDb, View};
pub use stats::{Disk, Stats};
pub use storage::{Shard, Storage};

/// A shard's number; 0 is the system shard.
pub type ShardId = u32;
