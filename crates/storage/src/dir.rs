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
    lock: File,
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
        let dir = DataDir { path: path.to_owned(), lock };
        dir.check_halves()?;
        // What is left of a snapshot that was being received is of no use to anyone.
        match fs::remove_dir_all(dir.incoming()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        Ok(dir)
    }

    /// Refuses a directory of which a part is gone: the missing database would be made anew, and what is left of the
    /// other one would be taken for rubbish.
    fn check_halves(&self) -> Result<(), OpenError> {
        let lost = |part| Err(OpenError::HalfGone { path: self.path.clone(), part });
        match (self.find(self.log())?, self.find(self.state())?) {
            // The log is made first, so there is no state without one.
            (DatabaseFiles::Nothing, DatabaseFiles::Database | DatabaseFiles::Remains)
            | (DatabaseFiles::Remains, _) => lost("log"),
            (DatabaseFiles::Database, DatabaseFiles::Remains) => lost("state"),
            // Whether the log still has all that the rows lack is seen once it is open.
            (DatabaseFiles::Database, DatabaseFiles::Nothing | DatabaseFiles::Database)
            | (DatabaseFiles::Nothing, DatabaseFiles::Nothing) => Ok(()),
        }
    }

    pub(crate) fn has_state(&self) -> Result<bool, OpenError> {
        Ok(!matches!(self.find(self.state())?, DatabaseFiles::Nothing))
    }

    fn find(&self, path: PathBuf) -> Result<DatabaseFiles, OpenError> {
        DatabaseFiles::at(&path).map_err(|source| OpenError::Io { path, source })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The directory in which snapshots are received; on the same file system as the state database, so that files can be moved.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }
}

/// A process that another thread has forked holds a copy of the file until it runs a program of its own; the lock does not
/// wait for that.
impl Drop for DataDir {
    fn drop(&mut self) {
        // It fails where there is no such lock; the file is closed next.
        let _ = self.lock.unlock();
    }
}

/// What is in the place of a database.
enum DatabaseFiles {
    /// No files, or only those that RocksDB makes before a database exists.
    Nothing,
    /// RocksDB finds a database by its file `CURRENT`.
    Database,
    /// Data of a database that RocksDB would not find: it would make a new one, and delete them.
    Remains,
}

impl DatabaseFiles {
    fn at(path: &Path) -> io::Result<DatabaseFiles> {
        let entries = match fs::read_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(DatabaseFiles::Nothing),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect::<io::Result<Vec<_>>>()?;
        let holds_data = |name: &PathBuf| name.extension().is_some_and(|kind| kind == "sst" || kind == "log");
        Ok(match names.iter().any(|name| name.as_os_str() == "CURRENT") {
            true => DatabaseFiles::Database,
            false if names.iter().any(holds_data) => DatabaseFiles::Remains,
            false => DatabaseFiles::Nothing,
        })
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_goes_with_the_value_whoever_has_its_file() {
        let path = tempfile::tempdir().unwrap();
        let dir = DataDir::open(path.path()).unwrap();
        let _of_a_forked_process = dir.lock.try_clone().unwrap();
        drop(dir);
        DataDir::open(path.path()).unwrap();
    }
}
