//! Polls that came to this node and wait at a home on another one. Of those that wait for whatever comes next the home lends
//! some to this node: a leader here that makes a task starts it for one of them in the entry that makes it, and neither the
//! home nor the task's owner is asked for anything.
//!
//! While a poll is lent its home gives it no task; it calls it back when it has one. Should both start a task for a poll all the
//! same (the home's leader changes), the second finds it answered, and goes back to its owner, as a task does whose poll has
//! gone.

use crate::{
    node::{
        batches::Batches,
        idle_polls::TakenPoll,
        polled::{PollResponse, Polled},
        router::Router,
    },
    seam::{messages::Request, replica::ShardId},
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use tenure_engine::{ProposalId, QueueKey, command::Poll};
use tokio::sync::oneshot;

/// The polls of this node's workers that wait elsewhere.
pub(crate) struct HeldPolls {
    router: Arc<Router>,
    polls: Mutex<HashMap<QueueKey, Vec<Held>>>,
    /// Queues of which a task was started here, for their homes.
    dispatched: Batches<ShardId, QueueKey>,
}

struct Held {
    id: ProposalId,
    poll: Poll,
    lent: bool,
    answer: oneshot::Sender<Polled>,
}

impl HeldPolls {
    pub(crate) fn new(router: Arc<Router>) -> Arc<HeldPolls> {
        Arc::new(HeldPolls { router, polls: Mutex::default(), dispatched: Batches::default() })
    }

    /// A poll sets out for its home.
    pub(crate) fn hold(self: &Arc<Self>, queue: QueueKey, id: ProposalId, poll: Poll) -> HeldPoll {
        let (answer, answered) = oneshot::channel();
        self.polls.lock().entry(queue.clone()).or_default().push(Held { id, poll, lent: false, answer });
        HeldPoll { polls: self.clone(), queue, id, answered }
    }

    /// The home has nothing for these polls. Those that are not here any more are passed over.
    pub(crate) fn lend(&self, lent: &[(QueueKey, ProposalId)]) {
        for (queue, id) in lent {
            self.set_lent(queue, *id, true);
        }
    }

    /// The home wants these polls back; gives those that it gets.
    pub(crate) fn recall(&self, queue: &QueueKey, polls: &[ProposalId]) -> Vec<ProposalId> {
        let mut held = self.polls.lock();
        let Some(held) = held.get_mut(queue) else { return Vec::new() };
        let wanted = held.iter_mut().filter(|held| polls.contains(&held.id));
        wanted.filter_map(|held| std::mem::take(&mut held.lent).then_some(held.id)).collect()
    }

    fn set_lent(&self, queue: &QueueKey, id: ProposalId, lent: bool) {
        let mut polls = self.polls.lock();
        let held = polls.get_mut(queue).and_then(|polls| polls.iter_mut().find(|held| held.id == id));
        if let Some(held) = held {
            held.lent = lent;
        }
    }

    /// Takes the lent poll that came last; `None` if there is none.
    pub(crate) fn take(self: &Arc<Self>, home: ShardId, queue: &QueueKey) -> Option<TakenPoll> {
        let held = {
            let mut polls = self.polls.lock();
            let polls = polls.get_mut(queue)?;
            let last = polls.iter().rposition(|held| held.lent)?;
            polls.remove(last)
        };
        let (polls, queue) = (self.clone(), queue.clone());
        Some(TakenPoll::new(held.poll.clone(), move |polled| {
            let Some(polled) = polled else {
                let mut polls = polls.polls.lock();
                if !held.answer.is_closed() {
                    polls.entry(queue).or_default().push(held);
                }
                return;
            };
            // A poll that has gone meanwhile gives it back by dropping it.
            _ = held.answer.send(polled);
            polls.count(home, queue);
        }))
    }

    /// Tells a home, which counts what becomes of its queues' tasks.
    fn count(self: &Arc<Self>, home: ShardId, queue: QueueKey) {
        if !self.dispatched.add(home, queue) {
            return;
        }
        let polls = self.clone();
        tokio::spawn(async move {
            while let Some(queues) = polls.dispatched.take(home) {
                let mut tasks: HashMap<QueueKey, usize> = HashMap::new();
                for queue in queues {
                    *tasks.entry(queue).or_default() += 1;
                }
                // It is only told once: rates may be missing what was lost.
                _ = polls.router.ask_once(home, Request::Dispatched { home, tasks: tasks.into_iter().collect() }).await;
            }
        });
    }

    fn remove(&self, queue: &QueueKey, id: ProposalId) {
        if let Entry::Occupied(mut polls) = self.polls.lock().entry(queue.clone()) {
            polls.get_mut().retain(|held| held.id != id);
            if polls.get().is_empty() {
                polls.remove();
            }
        }
    }
}

/// A poll that waits at its home, or is answered here. Dropped, it does not wait any more.
pub struct HeldPoll {
    polls: Arc<HeldPolls>,
    queue: QueueKey,
    id: ProposalId,
    answered: oneshot::Receiver<Polled>,
}

impl HeldPoll {
    /// The poll sets out anew, for a home that has lent nothing yet.
    pub fn sets_out(&self) {
        self.polls.set_lent(&self.queue, self.id, false);
    }

    #[cfg(test)]
    pub(crate) fn is_lent(&self) -> bool {
        let polls = self.polls.polls.lock();
        polls.get(&self.queue).is_some_and(|polls| polls.iter().any(|held| held.id == self.id && held.lent))
    }

    /// The answer of a leader that is here. The task's handover is to be confirmed ([`crate::Shards::hand_over`]).
    pub async fn answered(&mut self) -> PollResponse {
        match (&mut self.answered).await {
            Ok(polled) => polled.hand_over(),
            // The leader has ended with the task.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for HeldPoll {
    fn drop(&mut self) {
        // First, so that a task that came to nothing does not put the poll back behind our back.
        self.answered.close();
        self.polls.remove(&self.queue, self.id);
    }
}
