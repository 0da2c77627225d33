//! Why a data directory cannot be opened, and why a database call failed.

use std::{io, path::PathBuf};
use tenure_engine::rows::ReadError;

/// A data directory could not be opened. Each is one line, fit to be the last that a process says.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("data directory {} is in use by process {pid}", path.display())]
    InUse { path: PathBuf, pid: String },
    #[error(
        "data directory {} was written by a newer version of tenure: it has format {found}, this build reads up to {known}",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    #[error(
        "data directory {}: it has format {found}, from before the first release, which this build cannot read: it reads from \
         format {oldest} on",
        path.display()
    )]
    OlderFormat { path: PathBuf, found: u32, oldest: u32 },
    #[error("data directory {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("data directory {}: {source}", path.display())]
    Storage { path: PathBuf, source: StorageError },
    /// One of the two databases is gone, and the other one is of no use without it.
    #[error(
        "data directory {}: `{part}` is missing, empty or damaged, while other data of this node is there. Probably a file system \
         is not mounted, or files were deleted. Nothing was changed: mount or restore {} and start again. If it is lost for good, \
         this replica is lost; the other nodes have the data",
        path.display(), path.join(part).display()
    )]
    HalfGone { path: PathBuf, part: &'static str },
    /// The log was purged beyond what the rows hold: entries are missing, and must not be skipped.
    #[error(
        "data directory {}: the log of shard {shard} is purged up to {purged} but its rows go to {}: the state database was \
         lost or replaced, and this node must be rebuilt from its peers",
        path.display(), applied.map_or("nothing".into(), |index| index.to_string())
    )]
    RowsBehindLog { path: PathBuf, shard: u32, purged: u64, applied: Option<u64> },
}

/// A database call failed, or what it gave makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("{0}")]
    Database(#[from] rocksdb::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The rows were replaced by a snapshot; whoever still reads the old ones must start over.
    #[error("these rows were replaced by a snapshot")]
    Replaced,
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> io::Error {
        match error {
            StorageError::Io(error) => error,
            StorageError::Corrupt(_) => io::Error::new(io::ErrorKind::InvalidData, error),
            other => io::Error::other(other),
        }
    }
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> ReadError {
        ReadError::Storage(error.to_string())
    }
}
