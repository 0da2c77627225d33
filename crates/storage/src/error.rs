//! Why a data directory cannot be opened, and why a database call failed.

use rocksdb::ErrorKind;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
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
    /// A database does not open because a file of it is not as it was written.
    #[error(
        "data directory {}: a file of `{part}` is damaged: {cause}{files}. Nothing was changed. What this node has promised to the others \
         cannot be known any more, so it must not go on with what is left: replace the node; the others have the data",
        path.display()
    )]
    Damaged {
        path: PathBuf,
        part: &'static str,
        cause: rocksdb::Error,
        /// Where RocksDB does not say which file it is: which it may be.
        files: String,
    },
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

impl OpenError {
    /// Why one of the databases does not open.
    pub(crate) fn of(part: &'static str, path: PathBuf, source: StorageError) -> OpenError {
        match source {
            StorageError::Database(cause) if cause.kind() == ErrorKind::Corruption => {
                let files = if cause.to_string().contains('/') { String::new() } else { logs_in(&path.join(part)) };
                OpenError::Damaged { path, part, cause, files }
            }
            source => OpenError::Storage { path, source },
        }
    }
}

/// The write-ahead logs of a database, in words.
fn logs_in(directory: &Path) -> String {
    let files = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = files.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    let logs: Vec<String> = logs.map(|path| path.display().to_string()).collect();
    if logs.is_empty() { String::new() } else { format!(" ({})", logs.join(" or ")) }
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

/// Whether the disk gave something else than what was written there, or nothing: RocksDB's words tell, with the file.
pub fn tells_of_damage(error: &ReadError) -> bool {
    matches!(error, ReadError::Storage(told) if told.starts_with("Corruption: ") || told.starts_with("IO error: "))
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> ReadError {
        ReadError::Storage(error.to_string())
    }
}
