//! What lanes write shares entries: while as many as may be are on their way, what other lanes have ready is gathered into
//! the next one. What comes alone waits for nothing.

use crate::{leader::context::LeaderContext, seam::replica::ProposeError};
use metrics::histogram;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tenure_engine::WriteSet;
use tokio::sync::oneshot;

/// The end of an entry, for whoever waits for it.
type Applied = oneshot::Sender<Result<(), ProposeError>>;

/// What the commands of one lane write, for an entry.
pub(crate) struct Part {
    pub(crate) writes: WriteSet,
    /// Commands that it comes from.
    pub(crate) commands: usize,
    /// It is on its way as soon as one of the places is free; what is not urgent waits until all are.
    pub(crate) urgent: bool,
}

/// Replicates what the lanes of one leader write.
pub(crate) struct Entries {
    context: Arc<LeaderContext>,
    gathered: Mutex<Gathered>,
}

struct Gathered {
    waiting: VecDeque<(Part, Applied)>,
    /// Tasks that replicate what waits, entry after entry.
    committing: usize,
    /// As many as there may be.
    most: usize,
}

impl Gathered {
    fn new(most: usize) -> Gathered {
        Gathered { waiting: VecDeque::new(), committing: 0, most }
    }

    /// Takes a part in. True if its caller has to see to it that one more task makes entries.
    fn gather(&mut self, part: Part, applied: Applied) -> bool {
        let begin = self.committing < if part.urgent { self.most } else { 1 };
        self.waiting.push_back((part, applied));
        self.committing += usize::from(begin);
        begin
    }

    /// The first of what waits, in order, up to `max_bytes` of rows but at least one, with the number of its commands. Empty
    /// when nothing waits, and the task that asked is done.
    fn take(&mut self, max_bytes: usize) -> (WriteSet, usize, Vec<Applied>) {
        let (mut entry, mut commands, mut answers, mut bytes) = (WriteSet::default(), 0, Vec::new(), 0);
        while let Some((part, _)) = self.waiting.front() {
            bytes += part.writes.size();
            if bytes > max_bytes && !answers.is_empty() {
                break;
            }
            let Some((part, applied)) = self.waiting.pop_front() else { break };
            if answers.is_empty() {
                entry = part.writes;
            } else {
                entry.ops.extend(part.writes.ops);
            }
            commands += part.commands;
            answers.push(applied);
        }
        self.committing -= usize::from(answers.is_empty());
        (entry, commands, answers)
    }
}

impl Entries {
    pub(crate) fn new(context: Arc<LeaderContext>) -> Entries {
        let gathered = Mutex::new(Gathered::new(context.options().entries_in_flight));
        Entries { context, gathered }
    }

    /// Replicates what a lane wrote, perhaps together with what others did.
    pub(crate) async fn propose(self: &Arc<Self>, part: Part) -> Result<(), ProposeError> {
        let (applied, outcome) = oneshot::channel();
        if self.gathered.lock().gather(part, applied) {
            self.context.options().on_fatal.spawn("a leader's entries", self.clone().commit());
        }
        outcome.await.unwrap_or_else(|_| Err(self.context.not_leader().into()))
    }

    async fn commit(self: Arc<Self>) {
        loop {
            let (mut writes, commands, waiting) = self.gathered.lock().take(self.context.options().batch_bytes);
            if waiting.is_empty() {
                return;
            }
            histogram!("tenure_shard_entry_lanes").record(waiting.len() as f64);
            histogram!("tenure_shard_entry_commands").record(commands as f64);
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

    fn part(nth: u8, len: usize, urgent: bool) -> Part {
        let writes = WriteSet { ops: vec![Op::Put(RowKey::Clock, vec![nth; len].into())] };
        Part { writes, commands: 2, urgent }
    }

    #[test]
    fn what_is_gathered_goes_in_pieces_of_limited_size_and_in_order() {
        let mut gathered = Gathered::new(1);
        let first: Vec<bool> = (0..5)
            .map(|nth| gathered.gather(part(nth, if nth == 2 { 2000 } else { 400 }, nth > 2), oneshot::channel().0))
            .collect();
        assert_eq!(first, [true, false, false, false, false]);
        let mut pieces = Vec::new();
        loop {
            let (entry, commands, answers) = gathered.take(1000);
            assert_eq!(entry.ops.len(), answers.len());
            assert_eq!(commands, 2 * answers.len());
            if answers.is_empty() {
                break;
            }
            let nth = |op: &Op| if let Op::Put(_, value) = op { value[0] } else { panic!("{op:?}") };
            pieces.push(entry.ops.iter().map(nth).collect::<Vec<_>>());
        }
        assert_eq!(pieces, [vec![0, 1], vec![2], vec![3, 4]]);
        assert!(gathered.gather(part(5, 1, false), oneshot::channel().0), "it has to be seen to again");
    }

    #[test]
    fn what_is_urgent_takes_each_place_and_all_else_the_first() {
        let mut gathered = Gathered::new(2);
        let mut gather = |urgent| gathered.gather(part(0, 1, urgent), oneshot::channel().0);
        assert_eq!([gather(false), gather(false), gather(true), gather(true)], [true, false, true, false]);
        assert_eq!(gathered.take(1000).2.len(), 4, "all of it shares the next entry");
        assert!(gathered.take(1000).2.is_empty());
        assert!(!gathered.gather(part(1, 1, false), oneshot::channel().0), "one entry is on its way");
        assert!(gathered.gather(part(1, 1, true), oneshot::channel().0));
    }
}
