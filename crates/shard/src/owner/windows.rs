//! Ready tasks in memory: of each queue the first ones, filled again from rows.

use crate::{
    node::share::Share,
    seam::replica::{Rows, ShardId},
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use tenure_engine::{
    QueueKey, Stamp,
    rows::{ReadError, ReadyTask},
};
use tenure_limits::COUNTED_TASKS;

/// The queues that a shard has ready tasks for.
pub(crate) struct ReadyWindows {
    queues: Mutex<HashMap<QueueKey, Window>>,
    size: WindowSize,
}

/// How many tasks are in memory.
pub(crate) struct WindowSize {
    /// Tasks of one queue, at most.
    pub(crate) queue: usize,
    /// Tasks of all queues, which have equal parts of it, but each a task at least.
    pub(crate) all: Share,
}

/// The first ready tasks of a queue.
struct Window {
    home: ShardId,
    tasks: BTreeMap<(u8, Stamp), ReadyTask>,
    places: HashMap<Stamp, u8>,
    /// There are, or may be, rows behind the last task of the window.
    more: bool,
    /// Tasks that are being started on behalf of the home, which thus knows that they are gone.
    starting: HashSet<Stamp>,
}

/// What came of the removal of a task.
pub(crate) struct Removed {
    pub(crate) home: ShardId,
    /// The task, if its home does not know yet that it is gone.
    pub(crate) gone: Option<ReadyTask>,
    /// What is to be offered instead.
    pub(crate) filled: Result<Vec<ReadyTask>, ReadError>,
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

    fn wants_more(&self, most: usize) -> bool {
        self.more && self.tasks.len() <= most / 2
    }

    /// Nobody would notice if it were forgotten.
    fn is_idle(&self) -> bool {
        self.tasks.is_empty() && !self.more && self.starting.is_empty()
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

impl WindowSize {
    /// Tasks of each of so many queues.
    fn each(&self, queues: usize) -> usize {
        (self.all.get() / queues.max(1)).clamp(1, self.queue)
    }
}

impl ReadyWindows {
    pub(crate) fn load(
        rows: &dyn Rows,
        size: WindowSize,
        home: impl Fn(&QueueKey) -> ShardId,
    ) -> Result<ReadyWindows, ReadError> {
        let mut queues = HashMap::new();
        let found = rows.ready_queues()?;
        let each = size.each(found.len());
        for queue in found {
            let mut first = Window::new(home(&queue));
            first.fill(&queue, rows, each)?;
            queues.insert(queue, first);
        }
        Ok(ReadyWindows { queues: Mutex::new(queues), size })
    }

    pub(crate) fn homes(&self) -> HashSet<ShardId> {
        self.queues.lock().values().map(|window| window.home).collect()
    }

    /// What `wanted` makes of the tasks of a home's queues that are in memory.
    pub(crate) fn select<T>(&self, home: ShardId, wanted: impl FnMut(&ReadyTask) -> Option<T>) -> Vec<T> {
        let queues = self.queues.lock();
        queues.values().filter(|w| w.home == home).flat_map(|w| w.tasks.values()).filter_map(wanted).collect()
    }

    /// Fills the windows of a home's queues that have room, as they were to be when it came about; gives what is new.
    pub(crate) fn refill(&self, home: ShardId, rows: &dyn Rows) -> Result<Vec<ReadyTask>, ReadError> {
        let mut queues = self.queues.lock();
        let each = self.size.each(queues.len());
        let mut filled = Vec::new();
        for (queue, window) in queues.iter_mut().filter(|(_, window)| window.home == home) {
            if window.wants_more(each) {
                filled.extend(window.fill(queue, rows, each)?);
            }
        }
        queues.retain(|_, window| !window.is_idle());
        Ok(filled)
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

    /// A ready task was written. Gives what is to be offered, and what fell out of the window.
    pub(crate) fn add(&self, task: ReadyTask, home: ShardId) -> (Option<ReadyTask>, Option<ReadyTask>) {
        let mut queues = self.queues.lock();
        let each = self.size.each(queues.len() + 1);
        let window = queues.entry(task.queue.clone()).or_insert_with(|| Window::new(home));
        window.add(task, each)
    }

    /// A ready task's row was deleted; where there is room, the next ones are read. `None`: nobody knew of the queue.
    pub(crate) fn remove(&self, queue: &QueueKey, stamp: Stamp, rows: &dyn Rows) -> Option<Removed> {
        let mut queues = self.queues.lock();
        let each = self.size.each(queues.len());
        let window = queues.get_mut(queue)?;
        let home = window.home;
        let known = window.starting.remove(&stamp);
        let gone = window.remove(stamp).filter(|_| !known);
        // Under the lock, so that no effect overtakes the rows that it is about.
        let filled = if window.wants_more(each) { window.fill(queue, rows, each) } else { Ok(Vec::new()) };
        if window.is_idle() {
            queues.remove(queue);
        }
        Some(Removed { home, gone, filled })
    }
}
