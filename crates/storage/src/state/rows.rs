//! One shard's rows: applying to them, and how far they are applied and durable.

use super::{QUICK_BYTES, ShardReader, StateDb};
use crate::{
    StorageError,
    key::{Family, INCARNATION, KeyWriter, table},
    write_set::{Decoder, RawOp},
};
use bytes::Bytes;
use rocksdb::{Range, WriteBatch};
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// How far a shard's log is applied to its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Index of the last entry that was applied.
    pub index: u64,
    /// What the caller wants to know again besides: the whole log id, the membership.
    pub meta: Bytes,
}

impl Applied {
    pub(super) fn key(incarnation: u64) -> Vec<u8> {
        KeyWriter::on_disk(incarnation, table::APPLIED).finish()
    }

    fn encode(&self) -> Vec<u8> {
        [&self.index.to_be_bytes(), &self.meta[..]].concat()
    }

    pub(super) fn decode(value: Bytes) -> Result<Applied, StorageError> {
        let (index, _) =
            value.split_first_chunk::<8>().ok_or_else(|| StorageError::Corrupt("an applied row too short".into()))?;
        Ok(Applied { index: u64::from_be_bytes(*index), meta: value.slice(8..) })
    }
}

/// What all handles to an incarnation share.
pub(super) struct Incarnation {
    pub(super) number: u64,
    /// Set before the rows are deleted: whoever reads and then finds this unset has read rows, not their absence.
    retired: AtomicBool,
    progress: Mutex<Progress>,
}

struct Progress {
    applied: Option<Applied>,
    durable: Option<Applied>,
}

impl Incarnation {
    /// An incarnation of which all that is known was read from files.
    pub(super) fn new(number: u64, durable: Option<Applied>) -> Self {
        let progress = Progress { applied: durable.clone(), durable };
        Incarnation { number, retired: AtomicBool::new(false), progress: Mutex::new(progress) }
    }

    pub(super) fn check(&self) -> Result<(), StorageError> {
        if self.retired.load(Ordering::Acquire) { Err(StorageError::Replaced) } else { Ok(()) }
    }

    pub(super) fn applied(&self) -> Option<Applied> {
        self.lock().applied.clone()
    }

    pub(super) fn set_durable(&self, durable: Option<Applied>) {
        self.lock().durable = durable;
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A shard's rows in one incarnation. Cheap to clone.
#[derive(Clone)]
pub struct ShardRows {
    pub(super) state: StateDb,
    pub(super) incarnation: Arc<Incarnation>,
}

impl ShardRows {
    pub(super) fn new(state: StateDb, incarnation: Arc<Incarnation>) -> Self {
        ShardRows { state, incarnation }
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation.number
    }

    /// Writes the rows of some entries, in order, and how far the log is applied with them: all or nothing. Each of
    /// `writes` is what [`crate::write_set::encode`] gave; entries without rows are left out. One caller at a time.
    /// Blocks for as long as the database keeps its writers waiting.
    ///
    /// # Errors
    /// After an error the shard cannot go on: entries must not be skipped.
    pub fn apply<'a>(&self, applied: &Applied, writes: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StorageError> {
        self.state.write(self.batch(applied, writes)?)?;
        self.incarnation.lock().applied = Some(applied.clone());
        Ok(())
    }

    /// [`ShardRows::apply`] if it takes next to no time, as it does unless there is much to write or the database keeps its
    /// writers waiting. False if nothing was written.
    ///
    /// # Errors
    /// As those of [`ShardRows::apply`].
    pub fn apply_quickly<'a>(
        &self,
        applied: &Applied,
        writes: impl IntoIterator<Item = &'a [u8]> + Clone,
    ) -> Result<bool, StorageError> {
        let bytes: usize = writes.clone().into_iter().map(<[u8]>::len).sum();
        let written = bytes <= QUICK_BYTES && self.state.write_quickly(self.batch(applied, writes)?)?;
        if written {
            self.incarnation.lock().applied = Some(applied.clone());
        }
        Ok(written)
    }

    fn batch<'a>(
        &self,
        applied: &Applied,
        writes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<WriteBatch, StorageError> {
        self.incarnation.check()?;
        let mut batch = WriteBatch::default();
        let mut rows = RowBatch::new(self, &mut batch);
        for set in writes {
            rows.add(set)?;
        }
        batch.put_cf(self.state.family(Family::Rows), Applied::key(self.incarnation.number), applied.encode());
        Ok(batch)
    }

    /// How far the log is applied; `None` if nothing was.
    pub fn applied(&self) -> Option<Applied> {
        self.incarnation.applied()
    }

    /// How far the applied rows would survive a power cut: what the last flush covered. The log may be purged up to
    /// here.
    pub fn durable(&self) -> Option<Applied> {
        self.incarnation.lock().durable.clone()
    }

    /// A reader of these rows, from anywhere.
    pub fn reader(&self) -> ShardReader {
        ShardReader::new(self.clone())
    }

    /// About how many bytes these rows take in files, without what is not flushed yet. It may read from disk.
    pub fn file_bytes(&self) -> u64 {
        let number = self.incarnation.number;
        let (start, end) = (number.to_be_bytes(), (number + 1).to_be_bytes());
        let of = |family| {
            let sizes =
                self.state.db().get_approximate_sizes_cf(self.state.family(family), &[Range::new(&start, &end)]);
            sizes.into_iter().sum::<u64>()
        };
        Family::ALL.into_iter().map(of).sum()
    }

    /// Deletes these rows, after the shard's pointer was moved to others (durably). Readers get
    /// [`StorageError::Replaced`] from now on.
    pub fn retire(&self) -> Result<(), StorageError> {
        self.incarnation.retired.store(true, Ordering::Release);
        self.state.delete_incarnation(self.incarnation.number)
    }
}

/// Turns wire forms into operations of a RocksDB batch.
struct RowBatch<'a> {
    rows: &'a ShardRows,
    batch: &'a mut WriteBatch,
    /// Reused for each key: the incarnation, then the key.
    key: Vec<u8>,
}

impl<'a> RowBatch<'a> {
    fn new(rows: &'a ShardRows, batch: &'a mut WriteBatch) -> Self {
        RowBatch { rows, batch, key: rows.incarnation.number.to_be_bytes().to_vec() }
    }

    fn add(&mut self, set: &[u8]) -> Result<(), StorageError> {
        for op in Decoder::new(set)? {
            let op = op?;
            let (RawOp::Put { key, .. } | RawOp::Delete { key }) = op;
            let family = Family::of(key)
                .ok_or_else(|| StorageError::Corrupt(format!("a row of an unknown table ({:?})", key.first())))?;
            let family = self.rows.state.family(family);
            self.key.truncate(INCARNATION);
            self.key.extend_from_slice(key);
            match op {
                RawOp::Put { value, .. } => self.batch.put_cf(family, &self.key, value),
                RawOp::Delete { .. } => self.batch.delete_cf(family, &self.key),
            }
        }
        Ok(())
    }
}
