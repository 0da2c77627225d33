//! The log database: Raft entries, votes, shard pointers, and facts about the node.
//!
//! Keys: `e`, shard (u32), index (u64) for entries; `s`, shard (u32), field (u8) for what a shard remembers besides;
//! `n`, name for the node's. Entries and fields are opaque, but for the numbers that start-up checks need.

mod writer;

use crate::{
    ShardId, StorageError,
    dir::DataDir,
    disk_health::DiskHealth,
    latency::Latencies,
    memory::SharedMemory,
    options::{Options, share_disk},
};
use bytes::Bytes;
use metrics::{counter, histogram};
use rocksdb::{
    BlockBasedOptions, DB, DBCompressionType, DBRecoveryMode, LogLevel, ReadOptions, WriteBatch, WriteOptions,
};
use std::{io, ops::Range, sync::Arc, time::Instant};
use writer::Writer;

/// A change of the log database. All but [`LogOp::Committed`] are synced to disk before they are reported done.
#[derive(Debug)]
pub enum LogOp {
    /// Entries with their indexes, ascending and without gaps.
    Append {
        shard: ShardId,
        entries: Vec<(u64, Bytes)>,
    },
    /// Drops the entries from this index on.
    Truncate {
        shard: ShardId,
        from: u64,
    },
    /// Drops the entries up to this index and remembers that. The rows up to there must be durable.
    Purge {
        shard: ShardId,
        purged: Purged,
    },
    Vote {
        shard: ShardId,
        vote: Bytes,
    },
    /// The last committed log id. Rides on the next sync and never causes one.
    Committed {
        shard: ShardId,
        committed: Bytes,
    },
    /// The shard's rows are those of this incarnation from now on.
    Pointer {
        shard: ShardId,
        incarnation: u64,
    },
    /// Forgets everything about a shard.
    Forget {
        shard: ShardId,
    },
    /// A fact about the node.
    Node {
        name: &'static str,
        value: Bytes,
    },
}

/// How far a shard's log is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    pub index: u64,
    /// The caller's form of that log id.
    pub log_id: Bytes,
}

/// What a shard's log says at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardLog {
    pub vote: Option<Bytes>,
    pub committed: Option<Bytes>,
    pub purged: Option<Purged>,
    /// The last entry.
    pub last: Option<(u64, Bytes)>,
}

#[derive(Clone, Copy)]
enum Field {
    Vote = 0,
    Committed = 1,
    Purged = 2,
    Pointer = 3,
}

/// The log database. Cheap to clone.
#[derive(Clone)]
pub struct LogDb {
    db: Arc<DB>,
    writer: Arc<Writer>,
    syncs: Arc<Latencies>,
    /// Keeps the directory locked for as long as the database is open.
    dir: Arc<DataDir>,
}

impl LogDb {
    /// How long writes took lately, each with its sync.
    pub fn syncs(&self) -> &Latencies {
        &self.syncs
    }

    /// The data directory that it is in.
    pub(crate) fn dir(&self) -> &DataDir {
        &self.dir
    }

    pub(crate) fn open(
        dir: Arc<DataDir>,
        options: &Options,
        memory: &SharedMemory,
        health: Arc<DiskHealth>,
    ) -> Result<LogDb, StorageError> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&memory.blocks);
        table.set_cache_index_and_filter_blocks(true);
        let mut db_options = rocksdb::Options::default();
        db_options.create_if_missing(true);
        db_options.set_block_based_table_factory(&table);
        db_options.set_compression_type(DBCompressionType::Lz4);
        db_options.set_write_buffer_size(options.memory.memtable());
        db_options.set_write_buffer_manager(&memory.memtables);
        db_options.set_max_write_buffer_number(3);
        db_options.set_log_level(LogLevel::Warn);
        db_options.set_keep_log_file_num(4);
        db_options.set_stats_dump_period_sec(0);
        // A record that is not as it was written ends the start, wherever it is: it may hold a vote. One that is cut short, or was
        // never written, at the end of the last WAL is what a crash leaves.
        db_options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        // A WAL that lost its synced end is noticed at start.
        db_options.set_track_and_verify_wals_in_manifest(true);
        // Both have corrupted or lost synced records in RocksDB's past (facebook/rocksdb#8723, #12489).
        db_options.set_manual_wal_flush(false);
        db_options.set_wal_bytes_per_sync(0);
        share_disk(&mut db_options)?;
        let db = Arc::new(DB::open(&db_options, dir.log())?);
        let syncs = Arc::new(Latencies::default());
        let writes = synced_writes(db.clone(), syncs.clone(), health);
        let writer = Writer::spawn(writes, options.on_fatal.clone())?;
        Ok(LogDb { db, writer: Arc::new(writer), syncs, dir })
    }

    /// Hands a change to the writer. Changes are written in the order of submission, across all shards; `done` is
    /// called on the writer's thread, in the same order, once the change is durable. It must not block.
    pub fn submit(&self, op: LogOp, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        self.writer.submit(op, Some(Box::new(done)));
    }

    /// Remembers the last committed log id with the next sync that something else causes.
    pub fn save_committed(&self, shard: ShardId, committed: Bytes) {
        self.writer.submit(LogOp::Committed { shard, committed }, None);
    }

    /// [`LogDb::submit`] that waits until the change is durable.
    pub async fn write(&self, op: LogOp) -> io::Result<()> {
        let (done, wait) = tokio::sync::oneshot::channel();
        self.submit(op, move |result| drop(done.send(result)));
        wait.await.unwrap_or_else(|_| Err(writer::stopped()))
    }

    /// [`LogDb::write`] for those who may block their thread.
    pub fn write_blocking(&self, op: LogOp) -> io::Result<()> {
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        self.submit(op, move |result| drop(done.send(result)));
        wait.recv().unwrap_or_else(|_| Err(writer::stopped()))
    }

    /// What is on disk of a shard's log, besides its entries. Changes that are not yet reported done may be missing.
    pub fn load(&self, shard: ShardId) -> Result<ShardLog, StorageError> {
        Ok(ShardLog {
            vote: self.field(shard, Field::Vote)?,
            committed: self.field(shard, Field::Committed)?,
            purged: self.field(shard, Field::Purged)?.map(Purged::decode).transpose()?,
            last: self.last(shard)?,
        })
    }

    /// The entries of a range of indexes, in order and without gaps; ends early after `max_bytes`, but not before one
    /// entry. Changes that are not yet reported done may be missing.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when an entry is missing between two others.
    pub fn read(&self, shard: ShardId, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(entry_key(shard, range.start)..entry_key(shard, range.end.max(range.start)));
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek_to_first();
        let (mut entries, mut bytes) = (Vec::<(u64, Bytes)>::new(), 0);
        while let Some((key, value)) = iterator.item() {
            let index = entry_index(key)?;
            if let Some((before, _)) = entries.last()
                && before + 1 != index
            {
                return Err(StorageError::Corrupt(format!("shard {shard}: log entry {} is missing", before + 1)));
            }
            bytes += value.len();
            if bytes > max_bytes && !entries.is_empty() {
                return Ok(entries);
            }
            entries.push((index, Bytes::copy_from_slice(value)));
            iterator.next();
        }
        iterator.status()?;
        Ok(entries)
    }

    /// About how many bytes a shard's entries take in files, without what is not flushed yet. It may read from disk.
    pub fn file_bytes(&self, shard: ShardId, range: Range<u64>) -> u64 {
        let (start, end) = (entry_key(shard, range.start), entry_key(shard, range.end));
        self.db.get_approximate_sizes(&[rocksdb::Range::new(&start, &end)]).into_iter().sum()
    }

    /// A fact about the node.
    pub fn node(&self, name: &str) -> Result<Option<Bytes>, StorageError> {
        Ok(self.db.get(node_key(name))?.map(Bytes::from))
    }

    /// All shards that have rows, with their incarnations.
    pub(crate) fn pointers(&self) -> Result<Vec<(ShardId, u64)>, StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(rocksdb::PrefixRange(&b"s"[..]));
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek_to_first();
        let mut pointers = Vec::new();
        while let Some((key, value)) = iterator.item() {
            if let [b's', a, b, c, d, field] = *key
                && field == Field::Pointer as u8
            {
                let incarnation =
                    value.try_into().map_err(|_| StorageError::Corrupt("a shard pointer of a wrong size".into()))?;
                pointers.push((u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(incarnation)));
            }
            iterator.next();
        }
        iterator.status()?;
        Ok(pointers)
    }

    /// Writes what is still pending and ends the writer's thread. Later changes fail.
    pub(crate) fn stop(&self) {
        self.writer.stop();
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    fn field(&self, shard: ShardId, field: Field) -> Result<Option<Bytes>, StorageError> {
        Ok(self.db.get(field_key(shard, field))?.map(Bytes::from))
    }

    fn last(&self, shard: ShardId) -> Result<Option<(u64, Bytes)>, StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(entry_key(shard, 0)..entry_key(shard, u64::MAX));
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek_to_last();
        let last = match iterator.item() {
            Some((key, value)) => Some((entry_index(key)?, Bytes::copy_from_slice(value))),
            None => None,
        };
        iterator.status()?;
        Ok(last)
    }
}

/// Writes operations as one batch with one sync.
fn synced_writes(
    db: Arc<DB>,
    latencies: Arc<Latencies>,
    health: Arc<DiskHealth>,
) -> impl FnMut(&[LogOp]) -> Result<(), rocksdb::Error> {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    let (syncs, entries, bytes, seconds) = (
        counter!("tenure_log_syncs_total"),
        counter!("tenure_log_entries_total"),
        counter!("tenure_log_bytes_total"),
        histogram!("tenure_log_sync_seconds"),
    );
    move |ops| {
        let mut batch = WriteBatch::default();
        for op in ops {
            op.add_to(&mut batch);
        }
        let size = batch.size_in_bytes();
        let begin = Instant::now();
        let under_way = health.log.begin();
        db.write_opt(batch, &options)?;
        drop(under_way);
        let took = begin.elapsed();
        seconds.record(took);
        latencies.record(took);
        syncs.increment(1);
        entries.increment(ops.iter().map(LogOp::entries).sum::<usize>() as u64);
        bytes.increment(size as u64);
        Ok(())
    }
}

impl Purged {
    fn encode(&self) -> Vec<u8> {
        [&self.index.to_be_bytes(), &self.log_id[..]].concat()
    }

    fn decode(value: Bytes) -> Result<Purged, StorageError> {
        let (index, _) =
            value.split_first_chunk::<8>().ok_or_else(|| StorageError::Corrupt("a purge row too short".into()))?;
        Ok(Purged { index: u64::from_be_bytes(*index), log_id: value.slice(8..) })
    }
}

impl LogOp {
    fn add_to(&self, batch: &mut WriteBatch) {
        match self {
            LogOp::Append { shard, entries } => {
                for (index, entry) in entries {
                    batch.put(entry_key(*shard, *index), entry);
                }
            }
            LogOp::Truncate { shard, from } => {
                batch.delete_range(entry_key(*shard, *from), entry_key(*shard, u64::MAX));
            }
            LogOp::Purge { shard, purged } => {
                batch.delete_range(entry_key(*shard, 0), entry_key(*shard, purged.index.saturating_add(1)));
                batch.put(field_key(*shard, Field::Purged), purged.encode());
            }
            LogOp::Vote { shard, vote } => batch.put(field_key(*shard, Field::Vote), vote),
            LogOp::Committed { shard, committed } => batch.put(field_key(*shard, Field::Committed), committed),
            LogOp::Pointer { shard, incarnation } => {
                batch.put(field_key(*shard, Field::Pointer), incarnation.to_be_bytes());
            }
            LogOp::Forget { shard } => {
                batch.delete_range(entry_key(*shard, 0), entry_key(*shard, u64::MAX));
                for field in [Field::Vote, Field::Committed, Field::Purged, Field::Pointer] {
                    batch.delete(field_key(*shard, field));
                }
            }
            LogOp::Node { name, value } => batch.put(node_key(name), value),
        }
    }

    fn entries(&self) -> usize {
        if let LogOp::Append { entries, .. } = self { entries.len() } else { 0 }
    }
}

fn entry_key(shard: ShardId, index: u64) -> [u8; 13] {
    let mut key = [b'e'; 13];
    key[1..5].copy_from_slice(&shard.to_be_bytes());
    key[5..].copy_from_slice(&index.to_be_bytes());
    key
}

fn entry_index(key: &[u8]) -> Result<u64, StorageError> {
    match key.last_chunk::<8>() {
        Some(index) if key.len() == 13 => Ok(u64::from_be_bytes(*index)),
        _ => Err(StorageError::Corrupt(format!("a log entry's key of {} bytes", key.len()))),
    }
}

fn field_key(shard: ShardId, field: Field) -> [u8; 6] {
    let [a, b, c, d] = shard.to_be_bytes();
    [b's', a, b, c, d, field as u8]
}

fn node_key(name: &str) -> Vec<u8> {
    [b"n", name.as_bytes()].concat()
}
