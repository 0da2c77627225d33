//! The owner's side of dispatch: ready tasks are offered by reference to the homes of their queues. Rows are the
//! truth; of each queue a bounded window is in memory and offered, and filled again from rows.

use crate::{
    leader::runtime::LeaderRuntime,
    node::polled::Served,
    seam::messages::{Answer, Offered, Request, TaskKey},
    seam::replica::{NodeId, Rows, ShardId},
};
use metrics::counter;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{
    QueueKey, Stamp,
    rows::{ReadError, ReadyTask},
};
use tenure_limits::COUNTED_TASKS;
use tokio::{sync::Notify, time::Instant};

/// Offers of one message.
const BATCH: usize = 500;
/// A home that did not take an offer is tried again after this time, or when it moves.
const RETRY: Duration = Duration::from_millis(50);
/// Long enough to mean: when something happens.
const FAR: Duration = Duration::from_secs(3600);

/// The queues that this shard has ready tasks for, and what is to be said to their homes.
pub(crate) struct Dispatch {
    queues: Mutex<HashMap<QueueKey, Window>>,
    notices: Mutex<HashMap<ShardId, Arc<Notices>>>,
    window: usize,
}

/// The first ready tasks of a queue.
struct Window {
    home: ShardId,
    tasks: BTreeMap<(u8, Stamp), ReadyTask>,
    places: HashMap<Stamp, u8>,
    /// There are, or may be, rows behind the last task of the window.
    more: bool,
    /// Being started on behalf of the home, which thus knows of it.
    starting: HashSet<Stamp>,
}

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

impl Window {
    fn new(home: ShardId) -> Self {
        let (tasks, places, starting) = (BTreeMap::new(), HashMap::new(), HashSet::new());
        Window { home, tasks, places, more: false, starting }
    }

    /// Takes a task that became ready; gives what is to be offered and what fell out of the window.
    fn add(&mut self, task: ReadyTask, most: usize) -> (Option<ReadyTask>, Option<ReadyTask>) {
        let place = (task.priority, task.stamp);
        let behind = self.last().is_none_or(|last| place > last);
        if behind && (self.more || self.tasks.len() >= most) {
            self.more = true;
            return (None, None);
        }
        self.insert(task.clone());
        let fallen = if self.tasks.len() > most {
            self.more = true;
            self.tasks.pop_last().map(|(_, task)| task)
        } else {
            None
        };
        if let Some(fallen) = &fallen {
            self.places.remove(&fallen.stamp);
        }
        (Some(task), fallen)
    }

    /// The place of the last task in memory.
    fn last(&self) -> Option<(u8, Stamp)> {
        self.tasks.last_key_value().map(|(place, _)| *place)
    }

    fn insert(&mut self, task: ReadyTask) {
        self.places.insert(task.stamp, task.priority);
        self.tasks.insert((task.priority, task.stamp), task);
    }

    fn remove(&mut self, stamp: Stamp) -> Option<ReadyTask> {
        let priority = self.places.remove(&stamp)?;
        self.tasks.remove(&(priority, stamp))
    }

    /// Reads rows behind the window until it is full. Gives what is new.
    fn fill(&mut self, queue: &QueueKey, rows: &dyn Rows, most: usize) -> Result<Vec<ReadyTask>, ReadError> {
        let room = most.saturating_sub(self.tasks.len());
        let read = rows.ready(queue, self.last(), room)?;
        self.more = read.len() == room;
        for task in &read {
            self.insert(task.clone());
        }
        Ok(read)
    }
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

impl Dispatch {
    pub(crate) fn load(
        rows: &dyn Rows,
        window: usize,
        home: impl Fn(&QueueKey) -> ShardId,
    ) -> Result<Dispatch, ReadError> {
        let mut queues = HashMap::new();
        for queue in rows.ready_queues()? {
            let mut first = Window::new(home(&queue));
            first.fill(&queue, rows, window)?;
            queues.insert(queue, first);
        }
        Ok(Dispatch { queues: Mutex::new(queues), notices: Mutex::default(), window })
    }

    fn homes(&self) -> HashSet<ShardId> {
        self.queues.lock().values().map(|window| window.home).collect()
    }

    /// All tasks of a home's queues that are in memory.
    fn of_home(&self, home: ShardId) -> Vec<ReadyTask> {
        let queues = self.queues.lock();
        queues.values().filter(|w| w.home == home).flat_map(|w| w.tasks.values().cloned()).collect()
    }

    /// Tasks that are in memory.
    pub(crate) fn len(&self) -> usize {
        self.queues.lock().values().map(|window| window.tasks.len()).sum()
    }

    /// Tasks of a queue that wait for a poll, as far as they are in memory.
    pub(crate) fn backlog_hint(&self, queue: &QueueKey) -> usize {
        self.queues.lock().get(queue).map_or(0, |window| window.tasks.len())
    }

    /// Ready tasks of a queue in this shard: those in memory, and as many of those behind them as are counted.
    pub(crate) fn backlog(&self, queue: &QueueKey, rows: &dyn Rows) -> Result<u64, ReadError> {
        let (known, last) = match self.queues.lock().get(queue) {
            Some(window) if window.more => (window.tasks.len(), window.last()),
            Some(window) => return Ok(window.tasks.len() as u64),
            None => return Ok(0),
        };
        Ok((known + rows.count_ready(queue, last, COUNTED_TASKS)?) as u64)
    }

    /// The home asked for the start of this task: it need not be told that the task is gone.
    pub(crate) fn starting(&self, queue: &QueueKey, stamp: Stamp) {
        if let Some(window) = self.queues.lock().get_mut(queue) {
            window.starting.insert(stamp);
        }
    }

    /// The start failed, and the task may still be there.
    pub(crate) fn not_started(&self, queue: &QueueKey, stamp: Stamp) {
        if let Some(window) = self.queues.lock().get_mut(queue) {
            window.starting.remove(&stamp);
        }
    }
}

impl LeaderRuntime {
    /// A ready task was written.
    pub(crate) fn task_ready(self: &Arc<Self>, task: ReadyTask) {
        counter!("tenure_tasks_added_total").increment(1);
        let home = self.node.router.mesh.shard_of(task.queue.slot());
        let (new, fallen) = {
            let mut queues = self.dispatch.queues.lock();
            let window = queues.entry(task.queue.clone()).or_insert_with(|| Window::new(home));
            window.add(task, self.dispatch.window)
        };
        if let Some(fallen) = fallen {
            let fallen = Offered::Task(fallen);
            self.notices_for(home).revoke(fallen.queue().clone(), fallen.key(self.shard));
        }
        if let Some(new) = new {
            self.offer(home, Offered::Task(new));
        }
    }

    /// A ready task's row was deleted.
    pub(crate) fn task_gone(self: &Arc<Self>, queue: &QueueKey, stamp: Stamp) {
        let mut queues = self.dispatch.queues.lock();
        let Some(window) = queues.get_mut(queue) else { return };
        let home = window.home;
        let known = window.starting.remove(&stamp);
        let gone = window.remove(stamp);
        let mut filled = Vec::new();
        if window.more && window.tasks.len() <= self.dispatch.window / 2 {
            // Under the lock, so that no effect overtakes the rows that it is about.
            match window.fill(queue, &*self.rows, self.dispatch.window) {
                Ok(read) => filled = read,
                Err(error) => tracing::error!(shard = self.shard, %error, "ready tasks cannot be read"),
            }
        }
        if window.tasks.is_empty() && !window.more && window.starting.is_empty() {
            queues.remove(queue);
        }
        drop(queues);
        if let Some(gone) = gone
            && !known
        {
            let gone = Offered::Task(gone);
            self.notices_for(home).revoke(queue.clone(), gone.key(self.shard));
        }
        for task in filled {
            self.offer(home, Offered::Task(task));
        }
    }

    /// Says to a home that this may be handed out.
    pub(crate) fn offer(self: &Arc<Self>, home: ShardId, offered: Offered) {
        self.notices_for(home).offer(offered.key(self.shard), offered);
    }

    /// Says to a home that this must not be handed out any more.
    pub(crate) fn revoke(self: &Arc<Self>, home: ShardId, offered: &Offered) {
        self.notices_for(home).revoke(offered.queue().clone(), offered.key(self.shard));
    }

    /// Offers what was found in rows at start.
    pub(crate) fn offer_all(self: &Arc<Self>) {
        for home in self.dispatch.homes() {
            // New notices begin by offering everything that is in memory.
            self.notices_for(home);
        }
    }

    fn notices_for(self: &Arc<Self>, home: ShardId) -> Arc<Notices> {
        let mut notices = self.dispatch.notices.lock();
        let notices = notices.entry(home).or_insert_with(|| {
            let notices = Arc::new(Notices::default());
            self.options.on_fatal.spawn("a leader's notices", self.clone().run_notices(home, notices.clone()));
            notices
        });
        notices.clone()
    }

    /// Keeps one home informed until this leader ends; a home that moved is told everything again.
    async fn run_notices(self: Arc<Self>, home: ShardId, notices: Arc<Notices>) {
        let Some(replica) = self.node.router.replica(home) else {
            tracing::error!(shard = self.shard, home, "the home of a queue is not known here");
            return;
        };
        let mut leadership = replica.leadership();
        let mut told: Option<(NodeId, u64)> = None;
        let mut next = Instant::now();
        let mut retry = RETRY;
        loop {
            tokio::select! {
                () = self.ended.cancelled() => return,
                () = notices.filled.notified() => {}
                changed = leadership.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(next) => {}
            }
            let now = *leadership.borrow_and_update();
            next = Instant::now() + FAR;
            // Without a leader there is nobody to tell; the next change wakes us.
            let Some(leader) = now.leader else { continue };
            if told != Some((leader, now.term)) {
                let tasks = self.dispatch.of_home(home).into_iter().map(Offered::Task);
                let all = tasks.chain(self.queries.of_home(home)).map(|offered| (offered.key(self.shard), offered));
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
                retry = (retry * 2).min(self.options.call_timeout);
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
            let request = Request::Offer { home, owner: self.shard, offered, revoked: said.revoked };
            if !matches!(self.node.router.ask(leader, request).await, Ok(Served::Answer(Answer::Done))) {
                return false;
            }
        }
    }
}
