//! Where a node keeps its data, and how much memory that may take.

use rocksdb::Env;
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
    /// Bytes of the disk that are kept taken while more than this are free: the room in which the node comes up when the disk is
    /// full. Zero: none.
    pub reserve_bytes: u64,
    /// What to do when the log cannot be written: nothing may be acknowledged any more. Default: abort the process.
    pub on_fatal: FatalHook,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            memory: Memory::of(DEFAULT_MEMORY),
            snapshot_batch: tenure_limits::SNAPSHOT_CHUNK,
            reserve_bytes: 0,
            on_fatal: FatalHook::default(),
        }
    }
}

/// Threads of a kind that all databases of the process share: neither of a node's two waits for the other's flush or
/// compaction.
const BACKGROUND_THREADS: i32 = 2;

/// How nice compactions are to all else: nodes that apply the same rows compact at the same time, for a second or so, and
/// where they share cores each request would wait for that. Nicer ones would starve on busy cores until writes are
/// stopped for them.
#[cfg(target_os = "linux")]
const COMPACTION_NICENESS: i32 = 10;

/// Bytes of a file that is being written in the background until they are handed to the disk: a sync of the log shall
/// not find all of a compaction before it.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// What makes both databases good neighbours on one disk, and on the cores.
pub(crate) fn share_disk(options: &mut rocksdb::Options) -> Result<(), rocksdb::Error> {
    let mut environment = Env::new()?;
    environment.set_high_priority_background_threads(BACKGROUND_THREADS);
    start_compaction_threads(&mut environment);
    options.set_env(&environment);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    Ok(())
}

/// The environment knows no niceness but the highest: its threads inherit that of the thread that starts them.
fn start_compaction_threads(environment: &mut Env) {
    let start = || {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, COMPACTION_NICENESS) {
            tracing::warn!(%error, "compactions run with the priority of requests");
        }
        environment.set_low_priority_background_threads(BACKGROUND_THREADS);
    };
    std::thread::scope(|scope| {
        scope.spawn(start);
    });
}
