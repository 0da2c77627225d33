//! Receiving a snapshot: its rows become SST files of a fresh incarnation.

use super::{ShardRows, StateDb};
use crate::{
    StorageError,
    key::{Family, INCARNATION},
    write_set::{Decoder, RawOp},
};
use rocksdb::{DBCompressionType, IngestExternalFileOptions, SstFileWriter};
use std::{fs, path::PathBuf};

/// Rows of one file are held in memory until it is written: SST writers cannot outlive their options, and a file's
/// rows are needed only once.
const FILE_BYTES: usize = 32 << 20;

/// A snapshot that is being received. Dropped before [`Ingest::finish`], it leaves nothing behind.
pub struct Ingest {
    state: StateDb,
    incarnation: u64,
    dir: PathBuf,
    /// Rows of the file that is being gathered, with on-disk keys, and their family.
    gathered: Vec<(Vec<u8>, Vec<u8>)>,
    gathered_bytes: usize,
    family: Family,
    last_key: Vec<u8>,
    files: Vec<(Family, PathBuf)>,
}

impl Ingest {
    pub(super) fn begin(state: StateDb, incarnation: u64) -> Result<Ingest, StorageError> {
        let dir = state.0.dir.incoming().join(incarnation.to_string());
        fs::create_dir_all(&dir)?;
        Ok(Ingest {
            state,
            incarnation,
            dir,
            gathered: Vec::new(),
            gathered_bytes: 0,
            family: Family::Rows,
            last_key: Vec::new(),
            files: Vec::new(),
        })
    }

    /// Takes the next batch of [`super::Export`], in its order. It blocks.
    pub fn add(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        for op in Decoder::new(batch)? {
            let RawOp::Put { key, value } = op? else {
                return Err(StorageError::Corrupt("a snapshot with something else than rows".into()));
            };
            let family = Family::of(key)
                .ok_or_else(|| StorageError::Corrupt("a snapshot with a row of an unknown table".into()))?;
            if key <= self.last_key.as_slice() {
                return Err(StorageError::Corrupt("a snapshot whose rows are not in order".into()));
            }
            if family != self.family || self.gathered_bytes >= FILE_BYTES {
                self.write_file()?;
                self.family = family;
            }
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
            let mut on_disk = Vec::with_capacity(INCARNATION + key.len());
            on_disk.extend_from_slice(&self.incarnation.to_be_bytes());
            on_disk.extend_from_slice(key);
            self.gathered_bytes += on_disk.len() + value.len();
            self.gathered.push((on_disk, value.to_vec()));
        }
        Ok(())
    }

    /// Makes the rows part of the database, durably. They are the shard's once its pointer says so
    /// ([`crate::LogOp::Pointer`]); without a pointer the next start deletes them. It blocks.
    pub fn finish(mut self) -> Result<ShardRows, StorageError> {
        self.write_file()?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        for family in Family::ALL {
            let files: Vec<_> = self.files.iter().filter(|(f, _)| *f == family).map(|(_, path)| path).collect();
            if !files.is_empty() {
                self.state.db().ingest_external_file_cf_opts(self.state.family(family), &options, files)?;
            }
        }
        self.state.rows(self.incarnation)
    }

    fn write_file(&mut self) -> Result<(), StorageError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(format!("{}.sst", self.files.len()));
        let mut options = rocksdb::Options::default();
        options.set_compression_type(DBCompressionType::Lz4);
        let mut writer = SstFileWriter::create(&options);
        writer.open(&path)?;
        for (key, value) in self.gathered.drain(..) {
            writer.put(key, value)?;
        }
        writer.finish()?;
        self.gathered_bytes = 0;
        self.files.push((self.family, path));
        Ok(())
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // Best effort: the next start deletes what is left.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
