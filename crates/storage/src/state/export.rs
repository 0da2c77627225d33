//! A shard's rows as a stream, for a replica that must be rebuilt, and their checksum.

use super::{Applied, ShardRows, within};
use crate::{
    StorageError,
    key::{Family, INCARNATION, table},
    write_set::Encoder,
};
use bytes::Bytes;
use rocksdb::{DB, Snapshot};
use std::{
    thread,
    time::{Duration, Instant},
};
use xxhash_rust::xxh3::Xxh3;

/// Bytes after which a reader that is not to be quick looks at the time.
const PACED: u64 = 1 << 20;

/// All rows of a shard as of one moment, in key order, as batches that [`super::Ingest::add`] takes. Reads only what
/// is asked for, but keeps the database from dropping old rows while it lives. It blocks: not for async code.
pub struct Export<'a> {
    rows: &'a ShardRows,
    snapshot: Snapshot<'a>,
    /// The on-disk key to go on from, and its family; `None` at the end.
    next: Option<(usize, Vec<u8>)>,
}

/// Fingerprint of a shard's rows: equal on all replicas that have applied the same index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSum {
    /// Index of the last applied entry, zero if there is none.
    pub applied: u64,
    pub rows: u64,
    pub checksum: u64,
}

impl ShardRows {
    /// The rows of this moment.
    pub fn export(&self) -> Result<Export<'_>, StorageError> {
        let snapshot = self.state.db().snapshot();
        self.incarnation.check()?;
        Ok(Export { rows: self, snapshot, next: Some((0, self.incarnation.number.to_be_bytes().to_vec())) })
    }

    /// Reads all rows of this moment to compare them with other replicas', `bytes_per_second` (zero: as quickly as it goes), and
    /// tells when it knows which rows these are. It blocks, and takes as long as an export.
    pub fn checksum(&self, bytes_per_second: u64, begun: impl FnOnce()) -> Result<RowSum, StorageError> {
        let mut export = self.export()?;
        begun();
        let (mut read, begin) = (0_u64, Instant::now());
        let applied = export.applied()?.map_or(0, |a| a.index);
        let mut hash = Xxh3::new();
        let mut rows = 0;
        export.walk(|key, value| {
            let before = read;
            read += (key.len() + value.len()) as u64;
            if bytes_per_second > 0 && read / PACED != before / PACED {
                let due = Duration::from_secs_f64(read as f64 / bytes_per_second as f64);
                thread::sleep(due.saturating_sub(begin.elapsed()));
            }
            // The applied row also tells the membership, which may be encoded before it is committed.
            if key != [table::APPLIED] {
                rows += 1;
                for part in [key, value] {
                    hash.update(&(part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
            }
            true
        })?;
        Ok(RowSum { applied, rows, checksum: hash.digest() })
    }
}

impl Export<'_> {
    /// How far the log is applied to exactly these rows.
    pub fn applied(&self) -> Result<Option<Applied>, StorageError> {
        let family = self.rows.state.family(Family::Rows);
        let value = self.snapshot.get_cf(family, Applied::key(self.rows.incarnation.number))?;
        value.map(|value| Applied::decode(value.into())).transpose()
    }

    /// Hands out rows (keys without incarnation) from where the last walk ended until `row` says false or the end.
    fn walk(&mut self, mut row: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), StorageError> {
        let prefix = self.rows.incarnation.number.to_be_bytes();
        while let Some((family, from)) = self.next.take() {
            let Some(name) = Family::ALL.get(family) else { return Ok(()) };
            let mut options = within(&prefix);
            options.set_snapshot(&self.snapshot);
            options.fill_cache(false);
            let db: &DB = self.rows.state.db();
            let mut iterator = db.raw_iterator_cf_opt(self.rows.state.family(*name), options);
            iterator.seek(&from);
            while let Some((key, value)) = iterator.item() {
                let more = row(&key[INCARNATION..], value);
                if !more {
                    // On from just behind this key.
                    self.next = Some((family, [key, &[0]].concat()));
                    return self.rows.incarnation.check();
                }
                iterator.next();
            }
            iterator.status()?;
            self.rows.incarnation.check()?;
            self.next = Some((family + 1, prefix.to_vec()));
        }
        Ok(())
    }
}

impl Iterator for Export<'_> {
    type Item = Result<Bytes, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let limit = self.rows.state.0.snapshot_batch;
        let mut batch = Encoder::default();
        let walked = self.walk(|key, value| {
            batch.put(key, value);
            batch.len() < limit
        });
        match walked {
            Err(error) => {
                self.next = None;
                Some(Err(error))
            }
            Ok(()) if batch.is_empty() => None,
            Ok(()) => Some(Ok(batch.finish())),
        }
    }
}
