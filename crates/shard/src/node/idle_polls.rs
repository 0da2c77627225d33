//! Polls that wait at the homes that are on this node: a leader here that makes a task for one of them starts it in the
//! entry that makes it, so that nobody has to ask for the start.

use crate::{node::polled::Polled, seam::replica::ShardId};
use metrics::counter;
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};
use tenure_engine::{QueueKey, command::Poll};

/// Where polls wait.
pub(crate) trait IdlePolls: Send + Sync {
    /// Takes a poll that waits for whatever comes next in the queue; `None` if none does, or if a task is before it.
    fn take(self: Arc<Self>, queue: &QueueKey) -> Option<TakenPoll>;
}

/// The homes on this node, by their shards.
#[derive(Default)]
pub(crate) struct LocalHomes(RwLock<HashMap<ShardId, LocalHome>>);

struct LocalHome {
    term: u64,
    polls: Arc<dyn IdlePolls>,
}

impl LocalHomes {
    pub(crate) fn open(&self, shard: ShardId, term: u64, home: Arc<dyn IdlePolls>) {
        self.0.write().insert(shard, LocalHome { term, polls: home });
    }

    /// The leader of this term ends; a later one may be there already.
    pub(crate) fn close(&self, shard: ShardId, term: u64) {
        self.0.write().retain(|of, home| (*of, home.term) != (shard, term));
    }

    pub(crate) fn take(&self, home: ShardId, queue: &QueueKey) -> Option<TakenPoll> {
        let polls = self.0.read().get(&home)?.polls.clone();
        polls.take(queue)
    }
}

/// A poll that was taken from its home. Dropped, it waits there again, in its old place.
pub(crate) struct TakenPoll {
    pub(crate) poll: Poll,
    end: Option<Box<dyn FnOnce(Option<Polled>) + Send>>,
}

impl TakenPoll {
    /// `end` is called once: with the poll's answer, or without one if it waits on.
    pub(crate) fn new(poll: Poll, end: impl FnOnce(Option<Polled>) + Send + 'static) -> TakenPoll {
        TakenPoll { poll, end: Some(Box::new(end)) }
    }

    pub(crate) fn answer(mut self, polled: Polled) {
        if let Some(end) = self.end.take() {
            counter!("tenure_tasks_dispatched_total").increment(1);
            counter!("tenure_tasks_sync_matched_total").increment(1);
            counter!("tenure_tasks_started_at_once_total").increment(1);
            end(Some(polled));
        }
    }
}

impl Drop for TakenPoll {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(None);
        }
    }
}
