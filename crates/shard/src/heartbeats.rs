//! Heartbeats of activities are gathered for a moment, those of all workflow ids into one entry.

use crate::{replica::NotLeader, runtime::LeaderRuntime};
use parking_lot::Mutex;
use std::sync::Arc;
use tenure_engine::WriteSet;
use tokio::sync::{Notify, oneshot};

/// Who waits for the end of an entry.
type Applied = oneshot::Sender<Result<(), NotLeader>>;

#[derive(Default)]
pub(crate) struct Heartbeats {
    gathered: Mutex<Vec<(WriteSet, Applied)>>,
    /// Something else waits behind a heartbeat.
    hurry: Notify,
}

impl Heartbeats {
    /// A command of another kind waits in a lane; it may wait behind a heartbeat.
    pub(crate) fn hurry(&self) {
        if !self.gathered.lock().is_empty() {
            self.hurry.notify_one();
        }
    }
}

impl LeaderRuntime {
    /// Replicates what heartbeats wrote, together with others.
    pub(crate) async fn propose_heartbeats(self: &Arc<Self>, writes: WriteSet) -> Result<(), NotLeader> {
        let (applied, outcome) = oneshot::channel();
        let first = {
            let mut gathered = self.heartbeats.gathered.lock();
            gathered.push((writes, applied));
            gathered.len() == 1
        };
        if first {
            self.options.on_fatal.spawn("a leader's heartbeats", self.clone().commit_heartbeats());
        }
        outcome.await.unwrap_or_else(|_| Err(self.not_leader()))
    }

    async fn commit_heartbeats(self: Arc<Self>) {
        tokio::select! {
            () = tokio::time::sleep(self.options.gather_heartbeats) => {}
            () = self.heartbeats.hurry.notified() => {}
            () = self.ended.cancelled() => {}
        }
        let gathered = std::mem::take(&mut *self.heartbeats.gathered.lock());
        let (sets, waiting): (Vec<_>, Vec<_>) = gathered.into_iter().unzip();
        let mut writes = WriteSet { ops: sets.into_iter().flat_map(|set| set.ops).collect() };
        let outcome = self.propose(&mut writes).await;
        for applied in waiting {
            _ = applied.send(outcome);
        }
    }
}
