//! The one thread that writes the log database: group commit for all shards of the node.

use super::LogOp;
use crate::options::FatalHook;
use metrics::{counter, histogram};
use rocksdb::{DB, WriteBatch, WriteOptions};
use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Instant,
};

pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Everything that is pending goes into one batch with one sync; while that runs, the next batch gathers.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<(LogOp, Option<Done>)>,
    /// Something in `pending` wants to be durable.
    wants_sync: bool,
    stopping: bool,
    /// A write or sync has failed: nothing is durable from there on, whatever a later sync would say.
    failed: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Writer {
    pub(super) fn spawn(db: Arc<DB>, on_fatal: FatalHook) -> io::Result<Writer> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new() });
        let thread = thread::Builder::new().name("log-writer".into()).spawn({
            let shared = shared.clone();
            move || run(&shared, &db, &on_fatal)
        })?;
        Ok(Writer { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn submit(&self, op: LogOp, done: Option<Done>) {
        let mut queue = self.shared.lock();
        if queue.stopping || queue.failed.is_some() {
            let error = queue.failed.clone().map_or_else(stopped, io::Error::other);
            drop(queue);
            if let Some(done) = done {
                done(Err(error));
            }
            return;
        }
        if !matches!(op, LogOp::Committed { .. }) {
            queue.wants_sync = true;
            self.shared.wake.notify_one();
        }
        queue.pending.push((op, done));
    }

    pub(super) fn stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(thread) = thread {
            // Its panics have been reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}

fn run(shared: &Shared, db: &DB, on_fatal: &FatalHook) {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    let metrics = Metrics::new();
    loop {
        let mut batch = {
            let mut queue = shared.lock();
            while !queue.wants_sync && !queue.stopping {
                queue = shared.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            queue.wants_sync = false;
            std::mem::take(&mut queue.pending)
        };
        if batch.is_empty() {
            return; // stopping, and all is written
        }
        let result = write(db, &options, &metrics, &batch).map_err(|error| format!("log write failed: {error}"));
        if let Err(cause) = &result {
            on_fatal.0(cause);
            // Only tests get here. What was submitted meanwhile fails too: a later sync proves nothing.
            let mut queue = shared.lock();
            queue.failed = Some(cause.clone());
            batch.append(&mut queue.pending);
        }
        for done in batch.into_iter().filter_map(|(_, done)| done) {
            done(result.clone().map_err(io::Error::other));
        }
    }
}

fn write(
    db: &DB,
    options: &WriteOptions,
    metrics: &Metrics,
    ops: &[(LogOp, Option<Done>)],
) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    let mut entries = 0;
    for (op, _) in ops {
        op.add_to(&mut batch);
        entries += op.entries();
    }
    let bytes = batch.size_in_bytes();
    let begin = Instant::now();
    db.write_opt(batch, options)?;
    metrics.seconds.record(begin.elapsed());
    metrics.syncs.increment(1);
    metrics.entries.increment(entries as u64);
    metrics.bytes.increment(bytes as u64);
    Ok(())
}

struct Metrics {
    syncs: metrics::Counter,
    entries: metrics::Counter,
    bytes: metrics::Counter,
    seconds: metrics::Histogram,
}

impl Metrics {
    fn new() -> Metrics {
        Metrics {
            syncs: counter!("tenure_log_syncs_total"),
            entries: counter!("tenure_log_entries_total"),
            bytes: counter!("tenure_log_bytes_total"),
            seconds: histogram!("tenure_log_sync_seconds"),
        }
    }
}
