//! Snapshots that this node sends: one at a time, at a limited rate, with their progress. While one is on its way, or waits for
//! its turn, its shard's log is kept, so that what follows the snapshot is still there when it has arrived.

use crate::group::Group;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_peer::admin::SnapshotStatus;
use tenure_storage::ShardId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a node may take for a chunk, and to put the rows in place once it has all of them.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// The snapshots that this node sends. Clones share them.
#[derive(Clone)]
pub(crate) struct Sending(Arc<Inner>);

struct Inner {
    turn: Arc<Semaphore>,
    bytes_per_second: u64,
    under_way: Mutex<BTreeMap<(ShardId, u64), Arc<Progress>>>,
}

/// How far a snapshot is.
struct Progress {
    sent: AtomicU64,
    /// What it takes in files, about; zero while it waits for its turn.
    total: AtomicU64,
    begin: Mutex<Instant>,
}

/// One snapshot, until it is dropped.
pub(crate) struct Transfer {
    sending: Sending,
    key: (ShardId, u64),
    progress: Arc<Progress>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Sending {
    /// `bytes_per_second` of all snapshots together; zero: as quickly as it goes.
    pub(crate) fn new(bytes_per_second: u64) -> Sending {
        let turn = Arc::new(Semaphore::new(1));
        Sending(Arc::new(Inner { turn, bytes_per_second, under_way: Mutex::default() }))
    }

    /// A snapshot is to be sent; from now on its shard's log is kept.
    pub(crate) fn begin(&self, shard: ShardId, to: u64) -> Transfer {
        let progress =
            Progress { sent: AtomicU64::new(0), total: AtomicU64::new(0), begin: Mutex::new(Instant::now()) };
        let progress = Arc::new(progress);
        self.0.under_way.lock().insert((shard, to), progress.clone());
        Transfer { sending: self.clone(), key: (shard, to), progress, turn: None }
    }

    /// A snapshot of this shard is on its way, or waits for its turn.
    pub(crate) fn is_under_way(&self, shard: ShardId) -> bool {
        self.0.under_way.lock().keys().any(|(of, _)| *of == shard)
    }

    /// All that are on their way, for operators.
    pub(crate) fn status(&self) -> Vec<SnapshotStatus> {
        let under_way = self.0.under_way.lock();
        let status = |((shard, to), progress): (&(ShardId, u64), &Arc<Progress>)| SnapshotStatus {
            shard: *shard,
            to: *to,
            sent_bytes: progress.sent.load(Ordering::Relaxed),
            total_bytes: progress.total.load(Ordering::Relaxed),
            seconds: progress.begin.lock().elapsed().as_secs_f64(),
        };
        under_way.iter().map(status).collect()
    }
}

impl Transfer {
    pub(crate) fn shard(&self) -> ShardId {
        self.key.0
    }

    /// Waits until no other snapshot is being sent.
    pub(crate) async fn take_turn(&mut self, total: u64) {
        // Nobody closes the semaphore.
        self.turn = self.sending.0.turn.clone().acquire_owned().await.ok();
        *self.progress.begin.lock() = Instant::now();
        self.progress.total.store(total.max(1), Ordering::Relaxed);
    }

    /// Returns when the other node has taken nothing for long: others wait for their turn.
    pub(crate) async fn until_silent(&self, patience: Duration) {
        let sent = || self.progress.sent.load(Ordering::Relaxed);
        let mut before = None;
        while before != Some(sent()) {
            before = Some(sent());
            tokio::time::sleep(patience).await;
        }
    }

    /// Notes that so many bytes more were sent, and how long to rest before the next ones.
    pub(crate) fn sent(&self, bytes: u64) -> Duration {
        let sent = self.progress.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        rest(sent, self.progress.begin.lock().elapsed(), self.sending.0.bytes_per_second)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut under_way = self.sending.0.under_way.lock();
        // A later one to the same node may have taken the place.
        if under_way.get(&self.key).is_some_and(|now| Arc::ptr_eq(now, &self.progress)) {
            under_way.remove(&self.key);
        }
    }
}

/// How long to rest after so many bytes in such a time, for the rate not to be exceeded.
fn rest(sent: u64, took: Duration, bytes_per_second: u64) -> Duration {
    match bytes_per_second {
        0 => Duration::ZERO,
        rate => Duration::from_secs_f64(sent as f64 / rate as f64).saturating_sub(took),
    }
}

impl Group {
    /// Bytes of entries behind the durable rows that the log keeps: more while a snapshot is being sent.
    pub(crate) fn keep_bytes(&self, sending: &Sending, usual: u64) -> u64 {
        if sending.is_under_way(self.id()) { usual.max(tenure_limits::KEPT_FOR_SNAPSHOT as u64) } else { usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_whole_way() {
        let second = Duration::from_secs(1);
        for (sent, took, rate, expected) in [
            (100, Duration::ZERO, 100, second),
            (100, second / 2, 100, second / 2),
            (100, 2 * second, 100, Duration::ZERO),
            (100, Duration::ZERO, 0, Duration::ZERO),
        ] {
            assert_eq!(rest(sent, took, rate), expected);
        }
    }

    #[tokio::test]
    async fn one_is_sent_at_a_time_and_all_are_told_of() {
        let sending = Sending::new(0);
        let (mut first, mut second) = (sending.begin(1, 2), sending.begin(4, 3));
        first.take_turn(100).await;
        assert_eq!(first.sent(30), Duration::ZERO);
        assert!(futures::poll!(std::pin::pin!(second.take_turn(7))).is_pending());
        let told = |sending: &Sending| {
            let all = sending.status().into_iter();
            all.map(|it| (it.shard, it.to, it.sent_bytes, it.total_bytes)).collect::<Vec<_>>()
        };
        assert_eq!(told(&sending), [(1, 2, 30, 100), (4, 3, 0, 0)]);
        assert!(sending.is_under_way(1) && sending.is_under_way(4) && !sending.is_under_way(2));
        drop(first);
        second.until_silent(Duration::from_millis(1)).await;
        second.take_turn(7).await;
        assert_eq!(told(&sending), [(4, 3, 0, 7)]);
        let _again = sending.begin(4, 3);
        drop(second);
        assert!(sending.is_under_way(4), "the later one");
    }
}
