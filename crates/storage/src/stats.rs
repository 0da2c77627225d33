//! Numbers about the two databases, for whoever publishes them.

use crate::{Storage, reserve::free_bytes};
use rocksdb::{ColumnFamily, DB, properties};
use std::{fs, io, path::Path};

/// What the databases take and how they fare, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of the log database's files besides its WAL.
    pub log_file_bytes: u64,
    /// Bytes of the state database's files.
    pub state_file_bytes: u64,
    /// Bytes in memtables of both databases.
    pub memtable_bytes: u64,
    /// Bytes of cached blocks, indexes and filters of both databases.
    pub block_cache_bytes: u64,
    /// Bytes of rows that only the log makes durable as yet.
    pub unflushed_bytes: u64,
    /// Bytes that compaction is behind.
    pub pending_compaction_bytes: u64,
    /// Databases whose writes are stopped until compaction or a flush catches up.
    pub stopped_databases: u64,
    /// Failures of background work since start, in both databases.
    pub background_errors: u64,
}

/// What the data directory takes of its disk. What cannot be found out is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Bytes of the files in the data directory.
    pub used_bytes: Option<u64>,
    /// Bytes that are free for it.
    pub free_bytes: Option<u64>,
}

impl Storage {
    /// Looks at each file of the data directory; it blocks for as long as the kernel takes to answer.
    pub fn disk(&self) -> Disk {
        let path = self.log().dir().path();
        Disk { used_bytes: bytes_in(path).ok(), free_bytes: free_bytes(path) }
    }

    /// Cheap enough to be called every few seconds.
    pub fn stats(&self) -> Stats {
        let (log, state) = (self.log().db(), self.state().db());
        let mut stats = Stats { unflushed_bytes: self.state().unflushed_bytes(), ..Stats::default() };
        let log_families = [log.cf_handle("default")];
        let state_families = crate::key::Family::ALL.map(|f| state.cf_handle(f.name()));
        stats.log_file_bytes = sum(log, &log_families, properties::TOTAL_SST_FILES_SIZE);
        stats.state_file_bytes = sum(state, &state_families, properties::TOTAL_SST_FILES_SIZE);
        for (db, families) in [(log, &log_families[..]), (state, &state_families[..])] {
            stats.memtable_bytes += sum(db, families, properties::SIZE_ALL_MEM_TABLES);
            stats.pending_compaction_bytes += sum(db, families, properties::ESTIMATE_PENDING_COMPACTION_BYTES);
            stats.background_errors += sum(db, &families[..1], properties::BACKGROUND_ERRORS);
            stats.stopped_databases += sum(db, &families[..1], properties::IS_WRITE_STOPPED);
        }
        stats.block_cache_bytes = self.memory().blocks.get_usage() as u64;
        stats
    }
}

/// Bytes of all files in a directory. What goes meanwhile is left out.
fn bytes_in(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += bytes_in(&entry.path())?,
            Ok(found) => bytes += found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn sum(db: &DB, families: &[Option<&ColumnFamily>], property: &properties::PropName) -> u64 {
    families.iter().flatten().filter_map(|cf| db.property_int_value_cf(*cf, property).ok()?).sum()
}
