//! The owner's side of dispatch: ready tasks are offered by reference to the homes of their queues. Of each
//! queue those that are in memory are on offer.
//!
//! | what may be lost | the notice that closes it | the sweep that closes it |
//! |---|---|---|
//! | an offer on its way | the home's answer: without one, all is offered again | |
//! | a home's memory, with the home | the change of its leader | |
//! | an offer that a home took (a revocation that came late, a sticky queue's end that its owner did not hear of) | | [`Dispatch::check_offers`] |
//! | a read of the rows behind a window | | [`ReadyWindows::refill`] |
//!
//! A round of the sweep belongs to one owner and one home, at a time of their own, and costs a key for each task in
//! memory.

use crate::{
    leader::{context::LeaderContext, pending_queries::PendingQueries},
    node::polled::Served,
    owner::windows::{ReadyWindows, Removed},
    seam::{
        messages::{Answer, Offered, Request, TaskKey},
        replica::{NodeId, ShardId},
    },
};
use metrics::counter;
use parking_lot::Mutex;
use rand::Rng;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{QueueKey, Stamp, rows::ReadyTask};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

/// Offers of one message.
const BATCH: usize = 500;
/// A home that did not take an offer is tried again after this time, or when it moves.
const RETRY: Duration = Duration::from_millis(50);

/// What one home has to hear of.
#[derive(Default)]
struct PendingOffers {
    unsent: Mutex<Unsent>,
    filled: Notify,
}

/// Offers that are not sent yet, and offers to take back.
#[derive(Default)]
struct Unsent {
    offered: BTreeMap<TaskKey, Offered>,
    revoked: Vec<(QueueKey, TaskKey)>,
}

impl PendingOffers {
    fn offer(&self, key: TaskKey, offered: Offered) {
        self.unsent.lock().offered.insert(key, offered);
        self.filled.notify_one();
    }

    fn revoke(&self, queue: QueueKey, key: TaskKey) {
        let mut unsent = self.unsent.lock();
        // What was not sent yet need not be taken back. (It may be on its way in a message that fails, and be sent
        // again: the home then finds out when it starts it.)
        if unsent.offered.remove(&key).is_none() {
            unsent.revoked.push((queue, key));
            self.filled.notify_one();
        }
    }

    fn take(&self) -> Unsent {
        let mut unsent = self.unsent.lock();
        let revoked = std::mem::take(&mut unsent.revoked);
        let mut offered = std::mem::take(&mut unsent.offered);
        if offered.len() > BATCH
            && let Some(at) = offered.keys().nth(BATCH).cloned()
        {
            unsent.offered = offered.split_off(&at);
        }
        Unsent { offered, revoked }
    }
}

/// Never resolves without a time.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Offers what this shard has to the homes of its queues.
pub(crate) struct Dispatch {
    context: Arc<LeaderContext>,
    pub(crate) ready: ReadyWindows,
    queries: Arc<PendingQueries>,
    offers: Mutex<HashMap<ShardId, Arc<PendingOffers>>>,
}

impl Dispatch {
    pub(crate) fn new(context: Arc<LeaderContext>, ready: ReadyWindows, queries: Arc<PendingQueries>) -> Dispatch {
        Dispatch { context, ready, queries, offers: Mutex::default() }
    }

    /// A ready task was written.
    pub(crate) fn task_ready(self: &Arc<Self>, task: ReadyTask) {
        counter!("tenure_tasks_added_total").increment(1);
        let home = self.context.router().mesh.shard_of(task.queue.slot());
        let (new, fallen) = self.ready.add(task, home);
        if let Some(fallen) = fallen {
            self.revoke(home, &Offered::Task(fallen));
        }
        if let Some(new) = new {
            self.offer(home, Offered::Task(new));
        }
    }

    /// A ready task's row was deleted.
    pub(crate) fn task_gone(self: &Arc<Self>, queue: &QueueKey, stamp: Stamp) {
        let Some(Removed { home, gone, filled }) = self.ready.remove(queue, stamp, &*self.context.rows) else { return };
        if let Some(gone) = gone {
            self.revoke(home, &Offered::Task(gone));
        }
        match filled {
            Ok(filled) => filled.into_iter().for_each(|task| self.offer(home, Offered::Task(task))),
            Err(error) => tracing::error!(shard = self.context.shard, %error, "ready tasks cannot be read"),
        }
    }

    /// Offers a task or a query to a home.
    pub(crate) fn offer(self: &Arc<Self>, home: ShardId, offered: Offered) {
        self.offers_to(home).offer(offered.key(self.context.shard), offered);
    }

    /// Takes an offer back: the home must not hand it out any more.
    pub(crate) fn revoke(self: &Arc<Self>, home: ShardId, offered: &Offered) {
        self.offers_to(home).revoke(offered.queue().clone(), offered.key(self.context.shard));
    }

    /// Offers what was found in rows at start.
    pub(crate) fn offer_all(self: &Arc<Self>) {
        for home in self.ready.homes() {
            // A sender begins by offering everything that is in memory.
            self.offers_to(home);
        }
    }

    fn offers_to(self: &Arc<Self>, home: ShardId) -> Arc<PendingOffers> {
        let mut offers = self.offers.lock();
        let offers = offers.entry(home).or_insert_with(|| {
            let offers = Arc::new(PendingOffers::default());
            let run = self.clone().send_offers(home, offers.clone());
            self.context.options().on_fatal.spawn("a leader's offers", run);
            offers
        });
        offers.clone()
    }

    /// Keeps one home informed until this leader ends; a home that moved gets everything again.
    async fn send_offers(self: Arc<Self>, home: ShardId, offers: Arc<PendingOffers>) {
        let Some(replica) = self.context.router().replica(home) else {
            tracing::error!(shard = self.context.shard, home, "the home of a queue is not known here");
            return;
        };
        let mut leadership = replica.leadership();
        let mut informed: Option<(NodeId, u64)> = None;
        let mut retry_at = Some(Instant::now());
        let mut retry = RETRY;
        let every = self.context.options().sweep_interval;
        let mut sweeps = tokio::time::interval_at(Instant::now() + every.mul_f64(rand::rng().random()), every);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sweep = tokio::select! {
                () = self.context.ended.cancelled() => return,
                () = offers.filled.notified() => false,
                changed = leadership.changed() => if changed.is_err() { return } else { false },
                () = sleep_until(retry_at) => false,
                _ = sweeps.tick() => true,
            };
            let now = *leadership.borrow_and_update();
            retry_at = None;
            // Without a leader there is nobody to send to; the next change wakes us.
            let Some(leader) = now.leader else { continue };
            if sweep {
                counter!("tenure_sweeps_total").increment(1);
                self.refill(home);
                if informed == Some((leader, now.term)) {
                    self.check_offers(home, leader, &offers).await;
                }
            }
            if informed != Some((leader, now.term)) {
                let tasks = self.ready.select(home, |task| Some(task.clone())).into_iter().map(Offered::Task);
                let all =
                    tasks.chain(self.queries.of_home(home)).map(|offered| (offered.key(self.context.shard), offered));
                let mut unsent = offers.unsent.lock();
                for (key, offered) in all {
                    // What came meanwhile is newer: a query that left its sticky queue has the same key.
                    unsent.offered.entry(key).or_insert(offered);
                }
            }
            if self.send(home, leader, &offers).await {
                informed = Some((leader, now.term));
                retry = RETRY;
            } else {
                // Not lost: everything is sent again.
                informed = None;
                retry_at = Some(Instant::now() + retry);
                retry = (retry * 2).min(self.context.options().call_timeout);
            }
        }
    }

    /// Offers what a window could not read when it had room.
    fn refill(self: &Arc<Self>, home: ShardId) {
        match self.ready.refill(home, &*self.context.rows) {
            Ok(filled) => {
                counter!("tenure_sweep_found_total", "what" => "ready").increment(filled.len() as u64);
                filled.into_iter().for_each(|task| self.offer(home, Offered::Task(task)));
            }
            Err(error) => tracing::error!(shard = self.context.shard, %error, "ready tasks cannot be read"),
        }
    }

    /// Asks a home which of the tasks that it took it does not hold, and offers those anew. A task that a worker gets
    /// meanwhile is in the window no more; should it be offered all the same, its start is told that it is obsolete.
    async fn check_offers(&self, home: ShardId, leader: NodeId, offers: &PendingOffers) {
        let key = |task: &ReadyTask| TaskKey::of_task(task, self.context.shard);
        let mut taken = self.ready.select(home, |task| Some((task.queue.clone(), key(task))));
        {
            let unsent = offers.unsent.lock();
            taken.retain(|(_, key)| !unsent.offered.contains_key(key));
        }
        let mut missing = HashSet::new();
        for batch in taken.chunks(BATCH) {
            let request = Request::CheckOffers { home, offers: batch.to_vec() };
            match self.context.router().ask(leader, request).await {
                Ok(Served::Answer(Answer::Missing(keys))) => missing.extend(keys),
                // It moves, or cannot be reached: the next round asks again.
                _ => break,
            }
        }
        if missing.is_empty() {
            return;
        }
        let lost = self.ready.select(home, |task| missing.contains(&key(task)).then(|| task.clone()));
        counter!("tenure_sweep_found_total", "what" => "offer").increment(lost.len() as u64);
        for task in lost {
            offers.offer(key(&task), Offered::Task(task));
        }
    }

    /// Sends all that is unsent; false if the home did not take it.
    async fn send(&self, home: ShardId, leader: NodeId, offers: &PendingOffers) -> bool {
        loop {
            let sent = offers.take();
            if sent.offered.is_empty() && sent.revoked.is_empty() {
                return true;
            }
            let offered = sent.offered.into_values().collect();
            let request = Request::Offer { home, owner: self.context.shard, offered, revoked: sent.revoked };
            if !matches!(self.context.router().ask(leader, request).await, Ok(Served::Answer(Answer::Done))) {
                return false;
            }
        }
    }
}
