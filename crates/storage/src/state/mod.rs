//! The state database: rows, without a WAL.
//!
//! A batch holds the rows of some entries together with the applied log id, and a flush takes all column families at
//! once, so that what survives a crash is always a prefix of what was applied. Every key begins with the
//! *incarnation* of its shard: a snapshot is received into a fresh one, beside the rows that it replaces.

mod export;
mod ingest;
mod reader;
mod rows;

pub use export::{Export, RowSum};
pub use ingest::Ingest;
pub use reader::{HistoryChunk, ReadyAfter, ShardReader, View};
pub use rows::{Applied, ShardRows};

use crate::{
    StorageError,
    dir::DataDir,
    disk_health::DiskHealth,
    key::{self, Family, INCARNATION},
    memory::SharedMemory,
    options::{Options, share_disk},
};
use metrics::histogram;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, ErrorKind,
    FlushOptions, LogLevel, ReadOptions, WriteBatch, WriteOptions,
};
use rows::Incarnation;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// The state database of a node. Cheap to clone.
#[derive(Clone)]
pub struct StateDb(Arc<StateDbInner>);

struct StateDbInner {
    db: DB,
    /// Keeps the directory locked for as long as the database is open.
    dir: Arc<DataDir>,
    snapshot_batch: usize,
    incarnations: Mutex<Incarnations>,
    /// Flushes run one at a time, so that each reports what it made durable itself.
    flush: Mutex<()>,
    health: Arc<DiskHealth>,
    /// Writes of large batches that are under way: others wait for them.
    slow_writes: AtomicUsize,
}

/// More bytes of rows are not written on a thread that others wait for.
const QUICK_BYTES: usize = 64 << 10;

/// A large batch that is being written.
struct SlowWrite<'a>(&'a AtomicUsize);

impl<'a> SlowWrite<'a> {
    fn begin(under_way: &'a AtomicUsize) -> Self {
        under_way.fetch_add(1, Ordering::AcqRel);
        SlowWrite(under_way)
    }
}

impl Drop for SlowWrite<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Default)]
struct Incarnations {
    live: BTreeMap<u64, Arc<Incarnation>>,
    /// Higher than any that was ever seen on this disk.
    next: u64,
}

impl StateDb {
    /// Opens the database; [`StateDb::delete_orphans`] belongs to it.
    pub(crate) fn open(
        dir: Arc<DataDir>,
        options: &Options,
        memory: &SharedMemory,
        health: Arc<DiskHealth>,
    ) -> Result<StateDb, StorageError> {
        let families = Family::ALL.map(|f| ColumnFamilyDescriptor::new(f.name(), family_options(f, options, memory)));
        let mut db_options = db_options()?;
        db_options.set_write_buffer_manager(&memory.memtables);
        let db = DB::open_cf_descriptors(&db_options, dir.state(), families)?;
        Ok(StateDb(Arc::new(StateDbInner {
            db,
            dir,
            snapshot_batch: options.snapshot_batch,
            incarnations: Mutex::default(),
            flush: Mutex::default(),
            health,
            slow_writes: AtomicUsize::default(),
        })))
    }

    pub(crate) fn holds_rows(&self) -> Result<bool, StorageError> {
        Ok(!self.incarnations_on_disk()?.is_empty())
    }

    /// Deletes the incarnations that no shard points to.
    pub(crate) fn delete_orphans(&self, pointed: &[u64]) -> Result<(), StorageError> {
        let on_disk = self.incarnations_on_disk()?;
        self.lock().next = on_disk.iter().chain(pointed).max().map_or(1, |highest| highest + 1);
        for orphan in on_disk.into_iter().filter(|incarnation| !pointed.contains(incarnation)) {
            tracing::info!(
                incarnation = orphan,
                "deleting the rows of a snapshot that was not installed or was replaced"
            );
            self.delete_incarnation(orphan)?;
        }
        Ok(())
    }

    /// A number that no rows have ever had on this disk.
    pub(crate) fn fresh_incarnation(&self) -> u64 {
        let mut incarnations = self.lock();
        incarnations.next += 1;
        incarnations.next - 1
    }

    /// The rows of an incarnation; all handles to it share what they know.
    pub(crate) fn rows(&self, incarnation: u64) -> Result<ShardRows, StorageError> {
        if let Some(known) = self.lock().live.get(&incarnation) {
            return Ok(ShardRows::new(self.clone(), known.clone()));
        }
        // What a database without WAL knows after it was opened, it knows from files.
        let applied = self.read_applied(incarnation)?;
        let known = Arc::new(Incarnation::new(incarnation, applied));
        let known = self.lock().live.entry(incarnation).or_insert(known).clone();
        Ok(ShardRows::new(self.clone(), known))
    }

    /// Makes all that was applied when this began durable, across all shards; [`ShardRows::durable`] tells how far.
    /// Blocks for as long as the disk takes.
    pub fn flush(&self) -> Result<(), StorageError> {
        let _one = self.0.flush.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let begin = Instant::now();
        let promised: Vec<_> = self.lock().live.values().map(|i| (i.clone(), i.applied())).collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let families = Family::ALL.map(|f| self.family(f));
        let under_way = self.0.health.flush.begin();
        self.0.db.flush_cfs_opt(&families, &options)?;
        drop(under_way);
        for (incarnation, applied) in promised {
            incarnation.set_durable(applied);
        }
        histogram!("tenure_state_flush_seconds").record(begin.elapsed());
        Ok(())
    }

    /// Bytes in memtables: what a flush would write.
    pub fn unflushed_bytes(&self) -> u64 {
        Family::ALL
            .into_iter()
            .filter_map(|f| {
                self.0.db.property_int_value_cf(self.family(f), rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES).ok()?
            })
            .sum()
    }

    /// Begins to receive a snapshot, into a fresh incarnation that no one reads yet.
    pub fn ingest(&self) -> Result<Ingest, StorageError> {
        Ingest::begin(self.clone(), self.fresh_incarnation())
    }

    pub(crate) fn db(&self) -> &DB {
        &self.0.db
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.0.db.cf_handle(family.name()).expect("all families are opened with the database")
    }

    fn lock(&self) -> MutexGuard<'_, Incarnations> {
        self.0.incarnations.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let _slow = (batch.size_in_bytes() > QUICK_BYTES).then(|| SlowWrite::begin(&self.0.slow_writes));
        Ok(self.0.db.write_opt(batch, &without_wal())?)
    }

    /// Writes a small batch, unless it would have to wait: for a large one, or because the database slows its writers down.
    /// False if nothing was written.
    fn write_quickly(&self, batch: WriteBatch) -> Result<bool, StorageError> {
        if self.0.slow_writes.load(Ordering::Acquire) > 0 {
            return Ok(false);
        }
        let mut options = without_wal();
        options.set_no_slowdown(true);
        match self.0.db.write_opt(batch, &options) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Incomplete => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read_applied(&self, incarnation: u64) -> Result<Option<Applied>, StorageError> {
        let key = Applied::key(incarnation);
        self.0.db.get_cf(self.family(Family::Rows), key)?.map(|value| Applied::decode(value.into())).transpose()
    }

    fn delete_incarnation(&self, incarnation: u64) -> Result<(), StorageError> {
        self.lock().live.remove(&incarnation);
        let (from, to) = (incarnation.to_be_bytes(), (incarnation + 1).to_be_bytes());
        let mut batch = WriteBatch::default();
        for family in Family::ALL {
            batch.delete_range_cf(self.family(family), from, to);
        }
        self.write(batch)
    }

    fn incarnations_on_disk(&self) -> Result<Vec<u64>, StorageError> {
        let mut found = Vec::new();
        for family in Family::ALL {
            let mut iterator = self.0.db.raw_iterator_cf(self.family(family));
            iterator.seek_to_first();
            while let Some(key) = iterator.key() {
                let bytes = key
                    .first_chunk::<INCARNATION>()
                    .ok_or_else(|| StorageError::Corrupt(format!("a row's key of {} bytes", key.len())))?;
                let incarnation = u64::from_be_bytes(*bytes);
                found.push(incarnation);
                iterator.seek((incarnation + 1).to_be_bytes());
            }
            iterator.status()?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn without_wal() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn db_options() -> Result<rocksdb::Options, StorageError> {
    // Without this, closing writes files behind our back; what is durable shall be what a flush has reported.
    let mut options = rocksdb::Options::default().get_options_from_string("avoid_flush_during_shutdown=true")?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_stats_dump_period_sec(0);
    share_disk(&mut options)?;
    Ok(options)
}

fn family_options(family: Family, options: &Options, memory: &SharedMemory) -> rocksdb::Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.blocks);
    // A file's index and filter would be blocks of a megabyte: in parts, a read brings into the cache what it needs.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_top_level_index_and_filter(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut family_options = rocksdb::Options::default();
    family_options.set_write_buffer_size(options.memory.memtable());
    family_options.set_max_write_buffer_number(3);
    family_options.set_compression_type(DBCompressionType::Lz4);
    match family {
        Family::Rows => table.set_bloom_filter(10.0, false),
        Family::Index => {}
        Family::History => table.set_block_size(16 << 10),
    }
    if family != Family::History {
        // A file that is mostly tombstones is compacted soon, so that scans do not wade through them: of timers and tasks that
        // are done, and of the records of runs that were open, which a list of all begins with.
        family_options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5);
    }
    family_options.set_block_based_table_factory(&table);
    family_options
}

/// Read options for the rows whose on-disk keys begin with `prefix`.
fn within(prefix: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    let end = key::after_prefix(prefix).expect("an incarnation is never the last number");
    options.set_iterate_range(prefix.to_vec()..end);
    options
}
