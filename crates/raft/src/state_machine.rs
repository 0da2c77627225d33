//! openraft's state machine: it writes the rows that the entries carry.

use crate::{
    entry::AppliedLog,
    mark::Mark,
    recent::Recent,
    steps::Steps,
    types::{EntryPayload, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};
use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt};
use openraft::{
    OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};
use parking_lot::RwLock;
use std::{io, sync::Arc, time::Instant};
use tenure_engine::system::cluster::SYSTEM_SHARD;
use tenure_storage::{ShardId, ShardRows, Storage};
use tokio::sync::{OwnedMutexGuard, watch};

/// One batch of rows takes entries until they hold this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// The rows of a shard's replica; an installed snapshot, or those of another replica, take their place.
#[derive(Clone)]
pub(crate) struct Rows {
    current: Arc<RwLock<ShardRows>>,
    mark: Mark,
    /// Held while entries are applied. Who puts other rows in place meanwhile says how far these go.
    applying: Arc<tokio::sync::Mutex<Option<AppliedLog>>>,
}

impl Rows {
    pub(crate) fn new(rows: ShardRows) -> Rows {
        Rows { current: Arc::new(RwLock::new(rows)), mark: Mark::default(), applying: Arc::default() }
    }

    pub(crate) fn current(&self) -> ShardRows {
        self.current.read().clone()
    }

    /// Puts others in their place, for those who read.
    pub(crate) fn put(&self, rows: ShardRows) {
        *self.current.write() = rows;
    }

    /// Where applying stops for a moment.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Nothing is applied while this is held; it takes how far the rows go that were put in place meanwhile.
    pub(crate) async fn pause(&self) -> OwnedMutexGuard<Option<AppliedLog>> {
        self.applying.clone().lock_owned().await
    }

    /// What would survive a power cut. The log is never purged beyond it.
    pub(crate) fn durable(&self) -> io::Result<AppliedLog> {
        AppliedLog::from_row(self.current().durable())
    }
}

/// A snapshot, as openraft hands it around.
pub(crate) enum SnapshotRows {
    /// The replica's own rows, exported only when they are sent. They may be newer than the snapshot's log id, which
    /// is how far they are durable; what is sent says how far it goes.
    Own,
    /// Received rows, durable in an incarnation of their own.
    Received(ShardRows),
}

pub(crate) struct StateMachine {
    shard: ShardId,
    storage: Storage,
    rows: Rows,
    log: AppliedLog,
    applied: watch::Sender<u64>,
    recent: Option<Recent>,
    /// Who is told of the configurations that this node applies.
    steps: (u64, Steps),
    metrics: Metrics,
}

impl StateMachine {
    /// `applied` is told the index of the last applied entry.
    pub(crate) fn new(shard: ShardId, storage: Storage, rows: Rows, applied: watch::Sender<u64>) -> io::Result<Self> {
        let log = AppliedLog::from_row(rows.current().applied())?;
        applied.send_replace(log.index());
        let recent = (shard == SYSTEM_SHARD).then(|| Recent::new(log.index()));
        let steps = (0, Steps::default());
        Ok(StateMachine { shard, storage, rows, log, applied, recent, steps, metrics: Metrics::new() })
    }

    /// Tells of the configurations that it applies, as node `node`.
    pub(crate) fn telling(mut self, node: u64, steps: &Steps) -> StateMachine {
        self.steps = (node, steps.clone());
        self
    }

    /// What the last entries wrote; only of the system shard, whose rows are followed.
    pub(crate) fn recent(&self) -> Option<Recent> {
        self.recent.clone()
    }

    /// Writes rows, with how far they go. If the database would keep us waiting, or there is much to write, this is no work
    /// for a thread that others wait for. (Otherwise the hand-over to another one would cost more than the write.)
    async fn write(&self, writes: &[(u64, Bytes)]) -> io::Result<()> {
        let (rows, log) = (self.rows.current(), self.log.to_row());
        if rows.apply_quickly(&log, writes.iter().map(|(_, rows)| &rows[..]))? {
            return Ok(());
        }
        let writes: Vec<Bytes> = writes.iter().map(|(_, rows)| rows.clone()).collect();
        let written = tokio::task::spawn_blocking(move || rows.apply(&log, writes.iter().map(|rows| &rows[..])));
        match written.await {
            Ok(written) => Ok(written?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ending) => Err(io::Error::other(ending)),
            },
        }
    }

    /// Other rows are in place, which go this far.
    fn go_on_from(&mut self, log: AppliedLog) {
        self.log = log;
        if let Some(recent) = &self.recent {
            recent.replaced(self.log.index());
        }
        self.applied.send_replace(self.log.index());
    }

    /// Rows that survive a power cut, with a flush if there were none yet.
    async fn durable(&self) -> io::Result<AppliedLog> {
        let durable = self.rows.durable()?;
        if durable.last.is_some() || self.log.last.is_none() {
            return Ok(durable);
        }
        let state = self.storage.state().clone();
        tokio::task::spawn_blocking(move || state.flush()).await??;
        self.rows.durable()
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotRows;
    type SnapshotBuilder = Marker;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.log.last, self.log.membership.clone()))
    }

    /// Takes all entries that are there into one batch, writes it, and only then answers.
    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut pause = self.rows.pause().await;
        if let Some(log) = pause.take() {
            self.go_on_from(log);
        }
        let mut responders = Vec::new();
        let mut written: Vec<(u64, Bytes)> = Vec::new();
        while let Some(first) = entries.next().await {
            let begin = Instant::now();
            let (mut next, mut bytes, mut count) = (Some(first), 0, 0);
            while let Some(entry) = next.take() {
                let (entry, responder) = entry?;
                let index = entry.log_id.index;
                responders.extend(responder);
                if self.log.last.is_some_and(|last| index <= last.index) {
                    // The rows of another replica had it already.
                    next = entries.next().now_or_never().flatten();
                    continue;
                }
                count += 1;
                self.log.last = Some(entry.log_id);
                match entry.payload {
                    EntryPayload::Blank => {}
                    EntryPayload::Normal(Payload(rows)) => {
                        bytes += rows.len();
                        written.push((index, rows));
                    }
                    EntryPayload::Membership(membership) => {
                        let ((node, steps), voters) = (&self.steps, membership.get_joint_config().len());
                        steps.reach(*node, || format!("shard {}: {voters} sets of voters", self.shard)).await;
                        self.log.membership = StoredMembership::new(Some(entry.log_id), membership);
                    }
                }
                if bytes < BATCH_BYTES && !self.rows.mark.is_at(index) {
                    next = entries.next().now_or_never().flatten();
                }
            }
            self.write(&written).await?;
            for (index, rows) in written.drain(..) {
                if let Some(recent) = &self.recent {
                    recent.add(index, &rows);
                }
            }
            if let Some(go_on) = self.rows.mark.reached(self.log.index()) {
                // Ends with an error: whoever held it has let go.
                let _ = go_on.await;
            }
            self.applied.send_replace(self.log.index());
            for responder in responders.drain(..) {
                responder.send(());
            }
            self.metrics.entries.record(f64::from(count));
            self.metrics.seconds.record(begin.elapsed());
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Marker> {
        let durable = match force {
            true => self.durable().await,
            false => self.rows.durable(),
        };
        match durable {
            Ok(durable) if durable.last.is_none() && !force => None,
            marker => Some(Marker(Some(marker))),
        }
    }

    async fn get_snapshot_builder(&mut self) -> Marker {
        Marker(Some(self.durable().await))
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotRows) -> io::Result<()> {
        let SnapshotRows::Received(new) = snapshot else {
            return Err(io::Error::other("a replica does not install its own rows"));
        };
        let log = AppliedLog::from_row(new.applied())?;
        if log.last != meta.last_log_id {
            return Err(io::Error::other(format!(
                "the received rows go to {:?}, the snapshot says {:?}",
                log.last, meta.last_log_id
            )));
        }
        let mut pause = self.rows.pause().await;
        *pause = None;
        let old = self.rows.current();
        // Readers must find the new rows before the old ones are deleted.
        self.rows.put(new.clone());
        self.storage.install(self.shard, &old, &new).await?;
        self.go_on_from(log);
        tracing::info!(shard = self.shard, applied = self.log.index(), "snapshot installed");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let durable = self.durable().await?;
        Ok(durable.last.map(|_| Snapshot { meta: durable.snapshot_meta(), snapshot: SnapshotRows::Own }))
    }
}

/// Builds a snapshot by saying how far the rows are durable: they are the snapshot.
pub(crate) struct Marker(Option<io::Result<AppliedLog>>);

impl RaftSnapshotBuilder<TypeConfig> for Marker {
    type SnapshotData = SnapshotRows;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let durable = self.0.take().ok_or_else(|| io::Error::other("a snapshot is built once"))??;
        Ok(Snapshot { meta: durable.snapshot_meta(), snapshot: SnapshotRows::Own })
    }
}

struct Metrics {
    entries: metrics::Histogram,
    seconds: metrics::Histogram,
}

impl Metrics {
    fn new() -> Metrics {
        Metrics {
            entries: metrics::histogram!("tenure_raft_apply_batch_entries"),
            seconds: metrics::histogram!("tenure_raft_apply_seconds"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, log_id};
    use futures::stream;
    use tenure_engine::rows::{Op, RowKey, WriteSet};
    use tenure_storage::{Options, write_set};

    /// F47: a write that takes its time keeps no async worker.
    #[tokio::test]
    async fn rows_are_not_written_on_the_thread_that_asks_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(Options::new(dir.path())).unwrap();
        let rows = Rows::new(storage.shard(1).unwrap().rows);
        let (applied, index) = watch::channel(0);
        let mut machine = StateMachine::new(1, storage, rows, applied).unwrap();
        let writes = WriteSet { ops: vec![Op::Put(RowKey::Clock, vec![1; 16 << 20].into())] };
        let payload = EntryPayload::Normal(Payload(write_set::encode([&writes])));
        let entry = Entry { log_id: log_id(1, 7), payload };
        let mut apply = Box::pin(machine.apply(stream::iter([Ok((entry, None))])));
        assert!(futures::poll!(&mut apply).is_pending(), "it is written elsewhere");
        assert_eq!(*index.borrow(), 0);
        apply.await.unwrap();
        assert_eq!(*index.borrow(), 7);
    }
}
