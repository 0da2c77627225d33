//! A file that takes room on the disk for as long as there is enough: what a node needs to come up, and to write its rows to
//! files, when everything else is full.

use crate::dir::DataDir;
use rustix::fs::FallocateFlags;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

const FILE: &str = "reserve";

/// The reserve of a data directory.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn of(dir: &DataDir, bytes: u64) -> Reserve {
        Reserve { path: dir.path().join(FILE), bytes }
    }

    /// Gives the room up if less than that is free. True if it was there, and is not any more.
    pub(crate) fn release_below(&self, free: u64, floor: u64) -> io::Result<bool> {
        if free >= floor {
            return Ok(false);
        }
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the room if it is not taken, and as much again would stay free above the floor.
    pub(crate) fn take_above(&self, free: u64, floor: u64) -> io::Result<()> {
        let there = fs::metadata(&self.path).map_or(0, |file| file.len());
        if self.bytes == 0 || there == self.bytes || free < floor.saturating_add(2 * self.bytes) {
            return Ok(());
        }
        allocate(&self.path, self.bytes)
    }
}

fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::options().create(true).truncate(true).write(true).open(path)?;
    Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?)
}

/// Bytes that are free for whoever writes below this path; `None` if that cannot be found out.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_while_there_is_enough_and_given_up_when_there_is_not() {
        let path = tempfile::tempdir().unwrap();
        let dir = DataDir::open(path.path()).unwrap();
        let reserve = Reserve::of(&dir, 1 << 20);
        let taken = || fs::metadata(path.path().join(FILE)).map_or(0, |file| file.len());
        reserve.take_above(11 << 20, 10 << 20).unwrap();
        assert_eq!(taken(), 0, "it would not leave enough");
        for _ in 0..2 {
            reserve.take_above(12 << 20, 10 << 20).unwrap();
            assert_eq!(taken(), 1 << 20);
        }
        assert!(!reserve.release_below(2 << 20, 1 << 20).unwrap());
        assert_eq!(taken(), 1 << 20);
        assert!(reserve.release_below(1 << 19, 1 << 20).unwrap());
        assert!(!reserve.release_below(1 << 19, 1 << 20).unwrap(), "it has gone");
        assert_eq!(taken(), 0);
    }
}
