//! Where a node keeps its data, and how much memory that may take.

use std::{fmt, path::PathBuf, sync::Arc};

/// Called when the log can no longer be trusted to be durable. It must not let the process go on.
#[derive(Clone)]
pub struct FatalHook(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Default for FatalHook {
    fn default() -> Self {
        FatalHook(Arc::new(|cause| {
            tracing::error!(cause, "the log cannot be written: ending the process, nothing is acknowledged any more");
            std::process::abort();
        }))
    }
}

impl fmt::Debug for FatalHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FatalHook")
    }
}

/// The defaults let three nodes share a laptop.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if it does not exist.
    pub dir: PathBuf,
    /// Bytes of cached blocks, indexes and filters, shared by both databases. Default 64 MiB.
    pub block_cache: usize,
    /// Bytes of a memtable of the log database. Default 16 MiB.
    pub log_write_buffer: usize,
    /// Bytes of a memtable of each of the state database's three column families. When one is full, all are flushed.
    /// Default 16 MiB.
    pub state_write_buffer: usize,
    /// Bytes of rows in one batch of a snapshot. Default 1 MiB.
    pub snapshot_batch: usize,
    /// What to do when a log write or sync fails. Default: abort the process.
    pub on_fatal: FatalHook,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            block_cache: 64 << 20,
            log_write_buffer: 16 << 20,
            state_write_buffer: 16 << 20,
            snapshot_batch: 1 << 20,
            on_fatal: FatalHook::default(),
        }
    }
}
