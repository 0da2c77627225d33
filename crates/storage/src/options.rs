//! Where a node keeps its data, and how much memory that may take.

use std::path::PathBuf;
use tenure_vital::FatalHook;

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
    /// What to do when the log cannot be written: nothing may be acknowledged any more. Default: abort the process.
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
