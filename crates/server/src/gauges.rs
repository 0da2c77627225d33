//! Gauges that are read off the process and the databases when somebody looks.

use metrics::{counter, gauge};
use metrics_process::Collector;
use parking_lot::Mutex;
use tenure_storage::Storage;

#[derive(Default)]
pub(crate) struct Gauges {
    process: Collector,
    storage: Mutex<Option<Storage>>,
}

impl Gauges {
    /// Watches the databases, once they are there.
    pub(crate) fn watch(&self, storage: Storage) {
        *self.storage.lock() = Some(storage);
    }

    /// Blocks for as long as the kernel and RocksDB take to answer.
    pub(crate) fn publish(&self) {
        self.process.collect();
        let Some(storage) = self.storage.lock().clone() else { return };
        let stats = storage.stats();
        for (database, bytes) in [("log", stats.log_file_bytes), ("state", stats.state_file_bytes)] {
            gauge!("tenure_storage_file_bytes", "database" => database).set(bytes as f64);
        }
        gauge!("tenure_storage_memtable_bytes").set(stats.memtable_bytes as f64);
        gauge!("tenure_storage_block_cache_bytes").set(stats.block_cache_bytes as f64);
        gauge!("tenure_storage_unflushed_bytes").set(stats.unflushed_bytes as f64);
        gauge!("tenure_storage_pending_compaction_bytes").set(stats.pending_compaction_bytes as f64);
        gauge!("tenure_storage_stopped_databases").set(stats.stopped_databases as f64);
        gauge!("tenure_storage_silence_seconds").set(storage.disk_silence().unwrap_or_default().as_secs_f64());
        counter!("tenure_storage_background_errors_total").absolute(stats.background_errors);
    }
}
