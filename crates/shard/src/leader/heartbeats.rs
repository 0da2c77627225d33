//! Heartbeats of activities share entries, whatever their workflow ids: those that come while an entry of heartbeats is
//! on its way are gathered into the next. One that comes alone waits for nothing.

use crate::{leader::runtime::LeaderRuntime, seam::replica::ProposeError};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tenure_engine::WriteSet;
use tokio::sync::oneshot;

/// Who waits for the end of an entry.
type Applied = oneshot::Sender<Result<(), ProposeError>>;

#[derive(Default)]
pub(crate) struct Heartbeats(Mutex<Gathered>);

#[derive(Default)]
struct Gathered {
    waiting: VecDeque<(WriteSet, Applied)>,
    /// A task replicates what waits, entry after entry.
    committing: bool,
}

impl Heartbeats {
    /// True for the first: its caller has to see to it that entries are made.
    fn gather(&self, writes: WriteSet, applied: Applied) -> bool {
        let mut gathered = self.0.lock();
        gathered.waiting.push_back((writes, applied));
        !std::mem::replace(&mut gathered.committing, true)
    }

    /// The first of what waits, in order, up to `max_bytes` of rows but at least one. Empty when nothing waits: the next
    /// heartbeat is a first one again.
    fn take(&self, max_bytes: usize) -> (WriteSet, Vec<Applied>) {
        let (mut entry, mut answers, mut bytes) = (WriteSet::default(), Vec::new(), 0);
        let mut gathered = self.0.lock();
        while let Some((writes, _)) = gathered.waiting.front() {
            bytes += writes.size();
            if bytes > max_bytes && !answers.is_empty() {
                break;
            }
            let Some((writes, applied)) = gathered.waiting.pop_front() else { break };
            entry.ops.extend(writes.ops);
            answers.push(applied);
        }
        gathered.committing = !answers.is_empty();
        (entry, answers)
    }
}

impl LeaderRuntime {
    /// Replicates what heartbeats wrote, together with others.
    pub(crate) async fn propose_heartbeats(self: &Arc<Self>, writes: WriteSet) -> Result<(), ProposeError> {
        let (applied, outcome) = oneshot::channel();
        if self.heartbeats.gather(writes, applied) {
            self.options.on_fatal.spawn("a leader's heartbeats", self.clone().commit_heartbeats());
        }
        outcome.await.unwrap_or_else(|_| Err(self.not_leader().into()))
    }

    async fn commit_heartbeats(self: Arc<Self>) {
        loop {
            let (mut writes, waiting) = self.heartbeats.take(self.options.batch_bytes);
            if waiting.is_empty() {
                return;
            }
            let outcome = self.propose(&mut writes).await;
            for applied in waiting {
                _ = applied.send(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::{Op, RowKey};

    #[test]
    fn what_is_gathered_goes_in_pieces_of_limited_size_and_in_order() {
        let heartbeats = Heartbeats::default();
        let beat = |nth: u8, len: usize| WriteSet { ops: vec![Op::Put(RowKey::Clock, vec![nth; len].into())] };
        let first: Vec<bool> = (0..5)
            .map(|nth| heartbeats.gather(beat(nth, if nth == 2 { 2000 } else { 400 }), oneshot::channel().0))
            .collect();
        assert_eq!(first, [true, false, false, false, false]);
        let mut pieces = Vec::new();
        loop {
            let (entry, answers) = heartbeats.take(1000);
            assert_eq!(entry.ops.len(), answers.len());
            if answers.is_empty() {
                break;
            }
            let nth = |op: &Op| if let Op::Put(_, value) = op { value[0] } else { panic!("{op:?}") };
            pieces.push(entry.ops.iter().map(nth).collect::<Vec<_>>());
        }
        assert_eq!(pieces, [vec![0, 1], vec![2], vec![3, 4]]);
        assert!(heartbeats.gather(beat(5, 1), oneshot::channel().0), "it has to be seen to again");
    }
}
