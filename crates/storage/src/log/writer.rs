//! The one thread that writes the log database: group commit for all shards of the node.

use super::LogOp;
use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};
use tenure_vital::FatalHook;

pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Everything that is pending goes into one batch with one sync; while that runs, the next batch gathers.
pub(super) struct Writer {
    shared: Arc<SharedQueue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct SharedQueue {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    ops: Vec<LogOp>,
    /// Callbacks of those `ops` that have one, in their order.
    done: Vec<Done>,
    /// Something in `ops` wants to be durable.
    wants_sync: bool,
    stopping: bool,
    /// A write or sync has failed: nothing is durable from there on, whatever a later sync would say.
    failed: Option<String>,
}

impl SharedQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes no more changes; gives back who waits for those that are queued.
    fn fail(&self, cause: &str) -> Vec<Done> {
        let mut queue = self.lock();
        queue.failed.get_or_insert_with(|| cause.to_owned());
        queue.wants_sync = false;
        queue.ops.clear();
        std::mem::take(&mut queue.done)
    }
}

/// The writer's thread has panicked: nobody waits for it any more.
struct WriterEnd<'a> {
    shared: &'a SharedQueue,
}

impl Drop for WriterEnd<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            drop(PendingCallbacks(self.shared.fail("the log writer panicked").into_iter()));
        }
    }
}

/// Those who wait for a batch. Who has no answer when this goes hears that the log is closed.
struct PendingCallbacks(std::vec::IntoIter<Done>);

impl Drop for PendingCallbacks {
    fn drop(&mut self) {
        for done in &mut self.0 {
            done(Err(stopped()));
        }
    }
}

impl Writer {
    /// `write` puts all operations on disk, in order, before it returns.
    pub(super) fn spawn<E: std::fmt::Display>(
        mut write: impl FnMut(&[LogOp]) -> Result<(), E> + Send + 'static,
        on_fatal: FatalHook,
    ) -> io::Result<Writer> {
        let shared = Arc::new(SharedQueue::default());
        let thread = thread::Builder::new().name("log-writer".into()).spawn({
            let shared = shared.clone();
            move || {
                let _end = WriterEnd { shared: &shared };
                let write = |ops: &[LogOp]| write(ops).map_err(|e| format!("log write failed: {e}"));
                on_fatal.run("the log writer", || run(&shared, write, &on_fatal));
            }
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
        queue.ops.push(op);
        queue.done.extend(done);
    }

    pub(super) fn stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        // The last handle to the log may go with a callback, on the writer's own thread.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
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

fn run(shared: &SharedQueue, mut write: impl FnMut(&[LogOp]) -> Result<(), String>, on_fatal: &FatalHook) {
    loop {
        let (ops, mut waiting) = {
            let mut queue = shared.lock();
            while !queue.wants_sync && !queue.stopping {
                queue = shared.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            queue.wants_sync = false;
            (std::mem::take(&mut queue.ops), PendingCallbacks(std::mem::take(&mut queue.done).into_iter()))
        };
        if ops.is_empty() {
            return; // stopping, and all is written
        }
        let result = write(&ops);
        if let Err(cause) = &result {
            on_fatal.report(cause);
            // Only tests get here. What was submitted meanwhile fails too: a later sync proves nothing.
            let later = shared.fail(cause);
            waiting.0 = waiting.0.by_ref().chain(later).collect::<Vec<_>>().into_iter();
        }
        for done in &mut waiting.0 {
            done(result.clone().map_err(io::Error::other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::{sync::mpsc, time::Duration};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A writer whose disk reports the shards of each batch and then waits to be told how the write went.
    struct Rig {
        writer: Writer,
        batches: mpsc::Receiver<Vec<u32>>,
        outcome: mpsc::Sender<Result<(), String>>,
        fatal: mpsc::Receiver<String>,
        completions: mpsc::Receiver<(u32, bool)>,
        complete: mpsc::Sender<(u32, bool)>,
    }

    fn rig() -> Rig {
        let (batch, batches) = mpsc::channel();
        let (outcome, outcomes) = mpsc::channel::<Result<(), String>>();
        let (fatal_in, fatal) = mpsc::channel();
        let (complete, completions) = mpsc::channel();
        let disk = move |ops: &[LogOp]| {
            let shards = ops.iter().map(|op| match op {
                LogOp::Vote { shard, .. } | LogOp::Committed { shard, .. } => *shard,
                other => panic!("{other:?}"),
            });
            batch.send(shards.collect()).unwrap();
            outcomes.recv_timeout(DEADLINE).unwrap()
        };
        let on_fatal = FatalHook(Arc::new(move |cause| fatal_in.send(cause.to_owned()).unwrap()));
        Rig { writer: Writer::spawn(disk, on_fatal).unwrap(), batches, outcome, fatal, completions, complete }
    }

    impl Rig {
        fn vote(&self, shard: u32) {
            let complete = self.complete.clone();
            let done = move |result: io::Result<()>| complete.send((shard, result.is_ok())).unwrap();
            self.writer.submit(LogOp::Vote { shard, vote: Bytes::new() }, Some(Box::new(done)));
        }

        fn committed(&self, shard: u32) {
            self.writer.submit(LogOp::Committed { shard, committed: Bytes::new() }, None);
        }

        fn batch(&self) -> Vec<u32> {
            self.batches.recv_timeout(DEADLINE).unwrap()
        }

        fn completed(&self, expected: &[(u32, bool)]) {
            for expected in expected {
                assert_eq!(self.completions.recv_timeout(DEADLINE).unwrap(), *expected);
            }
        }
    }

    #[test]
    fn what_arrives_during_a_sync_shares_the_next_one() {
        let rig = rig();
        rig.vote(1);
        assert_eq!(rig.batch(), [1]);
        for shard in [2, 3, 4] {
            rig.vote(shard);
        }
        assert!(rig.completions.try_recv().is_err(), "nothing is reported before its write");
        rig.outcome.send(Ok(())).unwrap();
        assert_eq!(rig.batch(), [2, 3, 4]);
        rig.completed(&[(1, true)]);
        rig.outcome.send(Ok(())).unwrap();
        rig.completed(&[(2, true), (3, true), (4, true)]);
    }

    #[test]
    fn committed_alone_waits_for_the_next_sync_or_the_end() {
        let rig = rig();
        rig.committed(1);
        rig.committed(2);
        assert!(rig.batches.recv_timeout(Duration::from_millis(50)).is_err());
        rig.vote(3);
        assert_eq!(rig.batch(), [1, 2, 3]);
        rig.outcome.send(Ok(())).unwrap();
        rig.committed(4);
        rig.outcome.send(Ok(())).unwrap();
        rig.writer.stop();
        assert_eq!(rig.batch(), [4]);
    }

    /// F65: nobody waits for ever for a thread that is gone.
    #[test]
    fn a_writer_that_panics_is_reported_and_answers_all() {
        let (fatal_in, fatal) = mpsc::channel();
        let on_fatal = FatalHook(Arc::new(move |cause| fatal_in.send(cause.to_owned()).unwrap()));
        let (begin, wait) = mpsc::channel::<()>();
        let disk = move |_: &[LogOp]| -> Result<(), String> {
            wait.recv().unwrap();
            panic!("no such column family")
        };
        let writer = Writer::spawn(disk, on_fatal).unwrap();
        let (complete, completions) = mpsc::channel();
        let vote = |shard: u32| {
            let complete = complete.clone();
            let done = move |result: io::Result<()>| complete.send((shard, result.is_ok())).unwrap();
            writer.submit(LogOp::Vote { shard, vote: Bytes::new() }, Some(Box::new(done)));
        };
        vote(1);
        vote(2);
        begin.send(()).unwrap();
        assert_eq!(fatal.recv_timeout(DEADLINE).unwrap(), "the log writer panicked: no such column family");
        for shard in [1, 2] {
            assert_eq!(completions.recv_timeout(DEADLINE).unwrap(), (shard, false));
        }
        vote(3);
        assert_eq!(completions.recv_timeout(DEADLINE).unwrap(), (3, false));
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_or_reported_durable() {
        let rig = rig();
        rig.vote(1);
        rig.batch();
        rig.vote(2);
        rig.committed(3);
        rig.outcome.send(Err("no space".into())).unwrap();
        assert_eq!(rig.fatal.recv_timeout(DEADLINE).unwrap(), "log write failed: no space");
        rig.completed(&[(1, false), (2, false)]);
        rig.vote(4);
        rig.completed(&[(4, false)]);
        rig.writer.stop();
        assert!(rig.batches.try_recv().is_err());
    }
}
