//! Heartbeats of activities share entries, whatever their workflow ids: those that come while an entry of heartbeats is
//! on its way are gathered into the next. One that comes alone waits for nothing.

use crate::{leader::context::LeaderContext, seam::replica::ProposeError};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tenure_engine::WriteSet;
use tokio::sync::oneshot;

/// The end of an entry, for whoever waits for it.
type Applied = oneshot::Sender<Result<(), ProposeError>>;

/// Replicates what heartbeats wrote.
pub(crate) struct Heartbeats {
    context: Arc<LeaderContext>,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    waiting: VecDeque<(WriteSet, Applied)>,
    /// True while a task replicates what waits, entry after entry.
    committing: bool,
}

impl Gathered {
    /// Takes a write set in. True for the first: its caller has to see to it that entries are made.
    fn gather(&mut self, writes: WriteSet, applied: Applied) -> bool {
        self.waiting.push_back((writes, applied));
        !std::mem::replace(&mut self.committing, true)
    }

    /// The first of what waits, in order, up to `max_bytes` of rows but at least one. Empty when nothing waits: the next
    /// heartbeat is a first one again.
    fn take(&mut self, max_bytes: usize) -> (WriteSet, Vec<Applied>) {
        let (mut entry, mut answers, mut bytes) = (WriteSet::default(), Vec::new(), 0);
        while let Some((writes, _)) = self.waiting.front() {
            bytes += writes.size();
            if bytes > max_bytes && !answers.is_empty() {
                break;
            }
            let Some((writes, applied)) = self.waiting.pop_front() else { break };
            entry.ops.extend(writes.ops);
            answers.push(applied);
        }
        self.committing = !answers.is_empty();
        (entry, answers)
    }
}

impl Heartbeats {
    pub(crate) fn new(context: Arc<LeaderContext>) -> Heartbeats {
        Heartbeats { context, gathered: Mutex::default() }
    }

    /// Replicates what heartbeats wrote, together with others.
    pub(crate) async fn propose(self: &Arc<Self>, writes: WriteSet) -> Result<(), ProposeError> {
        let (applied, outcome) = oneshot::channel();
        if self.gathered.lock().gather(writes, applied) {
            self.context.options().on_fatal.spawn("a leader's heartbeats", self.clone().commit());
        }
        outcome.await.unwrap_or_else(|_| Err(self.context.not_leader().into()))
    }

    async fn commit(self: Arc<Self>) {
        loop {
            let (mut writes, waiting) = self.gathered.lock().take(self.context.options().batch_bytes);
            if waiting.is_empty() {
                return;
            }
            let outcome = self.context.propose(&mut writes).await;
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
        let mut gathered = Gathered::default();
        let beat = |nth: u8, len: usize| WriteSet { ops: vec![Op::Put(RowKey::Clock, vec![nth; len].into())] };
        let first: Vec<bool> = (0..5)
            .map(|nth| gathered.gather(beat(nth, if nth == 2 { 2000 } else { 400 }), oneshot::channel().0))
            .collect();
        assert_eq!(first, [true, false, false, false, false]);
        let mut pieces = Vec::new();
        loop {
            let (entry, answers) = gathered.take(1000);
            assert_eq!(entry.ops.len(), answers.len());
            if answers.is_empty() {
                break;
            }
            let nth = |op: &Op| if let Op::Put(_, value) = op { value[0] } else { panic!("{op:?}") };
            pieces.push(entry.ops.iter().map(nth).collect::<Vec<_>>());
        }
        assert_eq!(pieces, [vec![0, 1], vec![2], vec![3, 4]]);
        assert!(gathered.gather(beat(5, 1), oneshot::channel().0), "it has to be seen to again");
    }
}
