//! A node's data directory, opened: both databases, the node's identity and its shards.

use crate::{
    LogDb, LogOp, OpenError, Options, ShardId, ShardLog, ShardRows, StateDb, StorageError,
    dir::DataDir,
    disk_health::{self, DiskHealth},
    memory::SharedMemory,
    reserve::{Reserve, free_bytes},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;

/// Format of the data directory that this build writes. Older ones are read, or brought up to date at start, down to
/// [`OLDEST_FORMAT`].
const FORMAT: u32 = 3;

/// Format 1 had rows that RocksDB merges (a counter for each queue); the rows of format 2 could not grow.
const OLDEST_FORMAT: u32 = 3;

const FORMAT_ROW: &str = "format";
const IDENTITY_ROW: &str = "identity";

/// An open data directory. Cheap to clone; the lock on the directory goes with the last handle to
/// either database.
#[derive(Clone)]
pub struct Storage(Arc<StorageInner>);

struct StorageInner {
    log: LogDb,
    state: StateDb,
    identity: Uuid,
    memory: SharedMemory,
    shards: Mutex<BTreeMap<ShardId, u64>>,
    health: Arc<DiskHealth>,
    reserve: Reserve,
}

/// What a shard finds on disk when it starts.
pub struct Shard {
    pub log: ShardLog,
    pub rows: ShardRows,
}

impl Storage {
    /// Opens a data directory, or makes one. It blocks: both databases are recovered.
    pub fn open(options: Options) -> Result<Storage, OpenError> {
        let dir = Arc::new(DataDir::open(&options.dir)?);
        let failed = |source| OpenError::Storage { path: options.dir.clone(), source };
        let memory = SharedMemory::of(&options.memory);
        let reserve = Reserve::of(&dir, options.reserve_bytes);
        let free = free_bytes(dir.path()).unwrap_or(u64::MAX);
        let released = reserve.release_below(free, options.reserve_bytes);
        let released = released.map_err(|source| OpenError::Io { path: options.dir.clone(), source })?;
        if released {
            tracing::warn!(free, "the disk is full: its reserve is given up, so that the databases can be opened");
        }
        let health = Arc::<DiskHealth>::default();
        let log = LogDb::open(dir.clone(), &options, &memory, health.clone());
        let log = log.map_err(|error| OpenError::of("log", options.dir.clone(), error))?;
        disk_health::watch(&health, options.on_fatal.clone()).map_err(|e| failed(e.into()))?;
        check_format(&log, &options)?;
        let identity = identity(&log).map_err(failed)?;
        let shards: BTreeMap<ShardId, u64> = log.pointers().map_err(failed)?.into_iter().collect();
        // Before a new state database is made in the place of the one that is gone.
        if !dir.has_state()? {
            for shard in shards.keys() {
                if log.load(*shard).map_err(failed)?.purged.is_some() {
                    return Err(OpenError::HalfGone { path: options.dir.clone(), part: "state" });
                }
            }
        }
        let state = StateDb::open(dir, &options, &memory, health.clone());
        let of_state = |error| OpenError::of("state", options.dir.clone(), error);
        let state = state.map_err(of_state)?;
        // A shard's pointer is written before its first row.
        if shards.is_empty() && state.holds_rows().map_err(of_state)? {
            return Err(OpenError::HalfGone { path: options.dir.clone(), part: "log" });
        }
        let pointed: Vec<u64> = shards.values().copied().collect();
        state.delete_orphans(&pointed).map_err(of_state)?;
        let shards = Mutex::new(shards);
        let storage = Storage(Arc::new(StorageInner { log, state, identity, memory, shards, health, reserve }));
        storage.check_shards(&options)?;
        Ok(storage)
    }

    /// Random, made with the data directory: a directory that was lost and made anew has another.
    pub fn identity(&self) -> Uuid {
        self.0.identity
    }

    pub fn log(&self) -> &LogDb {
        &self.0.log
    }

    pub fn state(&self) -> &StateDb {
        &self.0.state
    }

    /// For how long the disk has not answered a write, if that is out of the ordinary; `None` while it answers.
    pub fn disk_silence(&self) -> Option<Duration> {
        self.0.health.silence()
    }

    /// Bytes that are free on the disk, and the reserve as that asks for it: given up where fewer than `least` are free, taken again
    /// where the disk is well above `floor`. It blocks for as long as the kernel takes.
    pub fn keep_reserve(&self, least: u64, floor: u64) -> Option<u64> {
        let path = self.0.log.dir().path();
        let free = free_bytes(path)?;
        let kept = self.0.reserve.release_below(free, least).and_then(|released| {
            if released {
                tracing::error!(
                    free,
                    "the disk is full: its reserve is given up, so that what is in memory can be written"
                );
            }
            self.0.reserve.take_above(free, floor)
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "the reserve on the disk");
        }
        Some(free)
    }

    /// The shards that have a replica here.
    pub fn shards(&self) -> Vec<ShardId> {
        self.lock().keys().copied().collect()
    }

    /// Opens a shard's replica; the first time it is made, durably, without rows. It blocks.
    pub fn shard(&self, shard: ShardId) -> Result<Shard, StorageError> {
        let incarnation = {
            // Held over the write: whoever asks at the same time must not make it a second time.
            let mut shards = self.lock();
            match shards.get(&shard) {
                Some(incarnation) => *incarnation,
                None => {
                    let incarnation = self.0.state.fresh_incarnation();
                    self.0.log.write_blocking(LogOp::Pointer { shard, incarnation })?;
                    shards.insert(shard, incarnation);
                    incarnation
                }
            }
        };
        Ok(Shard { log: self.0.log.load(shard)?, rows: self.0.state.rows(incarnation)? })
    }

    /// Makes received rows ([`crate::Ingest::finish`]) the shard's and deletes the ones that they replace. When this
    /// returns, a restart finds the new rows.
    pub async fn install(&self, shard: ShardId, old: &ShardRows, new: &ShardRows) -> io::Result<()> {
        let incarnation = new.incarnation();
        self.0.log.write(LogOp::Pointer { shard, incarnation }).await?;
        self.lock().insert(shard, incarnation);
        let old = old.clone();
        tokio::task::spawn_blocking(move || old.retire()).await.map_err(io::Error::other)??;
        Ok(())
    }

    /// Makes everything durable and closes both databases for writing. It blocks. What is not closed is not lost: the
    /// next start applies more of the log again.
    pub fn close(&self) -> Result<(), StorageError> {
        self.0.log.stop();
        self.0.state.flush()
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.0.memory
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ShardId, u64>> {
        self.0.shards.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Entries that the rows do not hold must still be in the log.
    fn check_shards(&self, options: &Options) -> Result<(), OpenError> {
        let failed = |source| OpenError::Storage { path: options.dir.clone(), source };
        let shards: Vec<_> = self.lock().iter().map(|(&shard, &incarnation)| (shard, incarnation)).collect();
        for (shard, incarnation) in shards {
            let purged = self.0.log.load(shard).map_err(failed)?.purged.map(|p| p.index);
            let rows = self.0.state.rows(incarnation);
            let rows = rows.map_err(|error| OpenError::of("state", options.dir.clone(), error))?;
            let applied = rows.applied().map(|a| a.index);
            if let Some(purged) = purged
                && applied < Some(purged)
            {
                return Err(OpenError::RowsBehindLog { path: options.dir.clone(), shard, purged, applied });
            }
        }
        Ok(())
    }
}

fn check_format(log: &LogDb, options: &Options) -> Result<(), OpenError> {
    let failed = |source| OpenError::Storage { path: options.dir.clone(), source };
    let Some(row) = log.node(FORMAT_ROW).map_err(failed)? else {
        let value = Bytes::copy_from_slice(&FORMAT.to_be_bytes());
        return log.write_blocking(LogOp::Node { name: FORMAT_ROW, value }).map_err(|e| failed(e.into()));
    };
    let found = row
        .as_ref()
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| failed(StorageError::Corrupt("the format row is not a number".into())))?;
    if found > FORMAT {
        return Err(OpenError::NewerFormat { path: options.dir.clone(), found, known: FORMAT });
    }
    if found < OLDEST_FORMAT {
        return Err(OpenError::OlderFormat { path: options.dir.clone(), found, oldest: OLDEST_FORMAT });
    }
    Ok(())
}

fn identity(log: &LogDb) -> Result<Uuid, StorageError> {
    if let Some(row) = log.node(IDENTITY_ROW)? {
        return Uuid::from_slice(&row).map_err(|_| StorageError::Corrupt("the identity row is not 16 bytes".into()));
    }
    let identity = Uuid::new_v4();
    let value = Bytes::copy_from_slice(identity.as_bytes());
    log.write_blocking(LogOp::Node { name: IDENTITY_ROW, value })?;
    Ok(identity)
}
