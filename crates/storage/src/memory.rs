//! Memory that both databases share.

use rocksdb::{Cache, WriteBufferManager};
use tenure_limits::Memory;

/// One cache of blocks, and one count of what memtables take: when they take their share, the largest is flushed.
pub(crate) struct SharedMemory {
    pub(crate) blocks: Cache,
    pub(crate) memtables: WriteBufferManager,
}

impl SharedMemory {
    pub(crate) fn of(memory: &Memory) -> Self {
        let memtables = WriteBufferManager::new_write_buffer_manager(memory.memtables, false);
        SharedMemory { blocks: Cache::new_lru_cache(memory.blocks), memtables }
    }
}
