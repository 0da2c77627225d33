//! The owner's side of dispatch: ready tasks are offered by reference to the homes of their queues. Of each
//! queue those that are in memory are on offer.

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
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{QueueKey, Stamp, rows::ReadyTask};
use tokio::{sync::Notify, time::Instant};

/// Offers of one message.
const BATCH: usize = 500;
/// A home that did not take an offer is tried again after this time, or when it moves.
const RETRY: Duration = Duration::from_millis(50);
/// Long enough to mean: when something happens.
const FAR: Duration = Duration::from_secs(3600);

/// What has to be said to one home.
#[derive(Default)]
struct Notices {
    pending: Mutex<Pending>,
    filled: Notify,
}

#[derive(Default)]
struct Pending {
    offered: BTreeMap<TaskKey, Offered>,
    revoked: Vec<(QueueKey, TaskKey)>,
}

impl Notices {
    fn offer(&self, key: TaskKey, offered: Offered) {
        self.pending.lock().offered.insert(key, offered);
        self.filled.notify_one();
    }

    fn revoke(&self, queue: QueueKey, key: TaskKey) {
        let mut pending = self.pending.lock();
        // What was not said yet need not be taken back. (It may be on its way in a message that fails, and be said
        // again: the home then finds out when it starts it.)
        if pending.offered.remove(&key).is_none() {
            pending.revoked.push((queue, key));
            self.filled.notify_one();
        }
    }

    fn take(&self) -> Pending {
        let mut pending = self.pending.lock();
        let revoked = std::mem::take(&mut pending.revoked);
        let mut offered = std::mem::take(&mut pending.offered);
        if offered.len() > BATCH
            && let Some(at) = offered.keys().nth(BATCH).cloned()
        {
            pending.offered = offered.split_off(&at);
        }
        Pending { offered, revoked }
    }
}

/// What this shard has on offer, and says to the homes of its queues.
pub(crate) struct Dispatch {
    context: Arc<LeaderContext>,
    pub(crate) ready: ReadyWindows,
    queries: Arc<PendingQueries>,
    notices: Mutex<HashMap<ShardId, Arc<Notices>>>,
}

impl Dispatch {
    pub(crate) fn new(context: Arc<LeaderContext>, ready: ReadyWindows, queries: Arc<PendingQueries>) -> Dispatch {
        Dispatch { context, ready, queries, notices: Mutex::default() }
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

    /// Says to a home that this may be handed out.
    pub(crate) fn offer(self: &Arc<Self>, home: ShardId, offered: Offered) {
        self.notices_for(home).offer(offered.key(self.context.shard), offered);
    }

    /// Says to a home that this must not be handed out any more.
    pub(crate) fn revoke(self: &Arc<Self>, home: ShardId, offered: &Offered) {
        self.notices_for(home).revoke(offered.queue().clone(), offered.key(self.context.shard));
    }

    /// Offers what was found in rows at start.
    pub(crate) fn offer_all(self: &Arc<Self>) {
        for home in self.ready.homes() {
            // New notices begin by offering everything that is in memory.
            self.notices_for(home);
        }
    }

    fn notices_for(self: &Arc<Self>, home: ShardId) -> Arc<Notices> {
        let mut notices = self.notices.lock();
        let notices = notices.entry(home).or_insert_with(|| {
            let notices = Arc::new(Notices::default());
            let run = self.clone().run_notices(home, notices.clone());
            self.context.options().on_fatal.spawn("a leader's notices", run);
            notices
        });
        notices.clone()
    }

    /// Keeps one home informed until this leader ends; a home that moved is told everything again.
    async fn run_notices(self: Arc<Self>, home: ShardId, notices: Arc<Notices>) {
        let Some(replica) = self.context.router().replica(home) else {
            tracing::error!(shard = self.context.shard, home, "the home of a queue is not known here");
            return;
        };
        let mut leadership = replica.leadership();
        let mut told: Option<(NodeId, u64)> = None;
        let mut next = Instant::now();
        let mut retry = RETRY;
        loop {
            tokio::select! {
                () = self.context.ended.cancelled() => return,
                () = notices.filled.notified() => {}
                changed = leadership.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(next) => {}
            }
            let now = *leadership.borrow_and_update();
            next = Instant::now() + FAR;
            // Without a leader there is nobody to tell; the next change wakes us.
            let Some(leader) = now.leader else { continue };
            if told != Some((leader, now.term)) {
                let tasks = self.ready.of_home(home).into_iter().map(Offered::Task);
                let all =
                    tasks.chain(self.queries.of_home(home)).map(|offered| (offered.key(self.context.shard), offered));
                let mut pending = notices.pending.lock();
                for (key, offered) in all {
                    // What was noted meanwhile is newer: a query that left its sticky queue has the same key.
                    pending.offered.entry(key).or_insert(offered);
                }
            }
            if self.say(home, leader, &notices).await {
                told = Some((leader, now.term));
                retry = RETRY;
            } else {
                // Not lost: everything is said again.
                told = None;
                next = Instant::now() + retry;
                retry = (retry * 2).min(self.context.options().call_timeout);
            }
        }
    }

    /// Says all that is pending; false if the home did not take it.
    async fn say(&self, home: ShardId, leader: NodeId, notices: &Notices) -> bool {
        loop {
            let said = notices.take();
            if said.offered.is_empty() && said.revoked.is_empty() {
                return true;
            }
            let offered = said.offered.into_values().collect();
            let request = Request::Offer { home, owner: self.context.shard, offered, revoked: said.revoked };
            if !matches!(self.context.router().ask(leader, request).await, Ok(Served::Answer(Answer::Done))) {
                return false;
            }
        }
    }
}
