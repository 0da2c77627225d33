//! The data directory: its layout, and the lock that keeps a second process out.

use crate::OpenError;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// A locked data directory; the lock goes with the value (and with the process).
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    pub(crate) fn open(path: &Path) -> Result<DataDir, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(io)?;
        let mut lock =
            File::options().read(true).write(true).create(true).truncate(false).open(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid).map_err(io)?;
                return Err(OpenError::InUse { path: path.to_owned(), pid: pid.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        write_pid(&mut lock).map_err(io)?;
        let dir = DataDir { path: path.to_owned(), _lock: lock };
        // What is left of a snapshot that was being received is of no use to anyone.
        match fs::remove_dir_all(dir.incoming()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        Ok(dir)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Where snapshots are received; on the same file system as the state database, so that files can be moved.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}
