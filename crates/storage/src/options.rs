//! Where a node keeps its data, and how much memory that may take.

use std::path::PathBuf;
use tenure_limits::{DEFAULT_MEMORY, Memory};
use tenure_vital::FatalHook;

/// The defaults let three nodes share a laptop.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if it does not exist.
    pub dir: PathBuf,
    /// What the databases may take of the node's memory.
    pub memory: Memory,
    /// Bytes of rows in one batch of a snapshot. Default 1 MiB.
    pub snapshot_batch: usize,
    /// What to do when the log cannot be written: nothing may be acknowledged any more. Default: abort the process.
    pub on_fatal: FatalHook,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            memory: Memory::of(DEFAULT_MEMORY),
            snapshot_batch: 1 << 20,
            on_fatal: FatalHook::default(),
        }
    }
}
