//! Timers: rows in order of their due time are the truth; the leader holds the near future in memory and fires what
//! is due, never early by its clock.

use crate::{error::CommandError, executions::own, replica::Rows, runtime::LeaderRuntime};
use futures::{StreamExt, stream::FuturesUnordered};
use metrics::{counter, gauge, histogram};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{RunKey, ShardCommand, Timestamp, rows::ReadError};
use tokio::{sync::Notify, time::Instant};

/// A timer whose command failed is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// One that came while the leadership was being handed over is tried again after this time.
const HANDING_OVER: Duration = Duration::from_millis(100);
/// Unreadable rows are read again after this time.
const RELOAD: Duration = Duration::from_secs(1);

pub(crate) struct Timers {
    inner: Mutex<Inner>,
    /// The earliest due time changed.
    changed: Notify,
    window: usize,
}

struct Inner {
    by_due: BTreeSet<(Timestamp, RunKey)>,
    due: HashMap<RunKey, Timestamp>,
    /// Taken, and not done yet: their rows are there until they are.
    firing: HashSet<RunKey>,
    /// All rows that are due before this are in memory (or firing); later ones may be on disk only.
    horizon: Timestamp,
}

impl Inner {
    fn remove(&mut self, run: &RunKey) {
        if let Some(due) = self.due.remove(run) {
            self.by_due.remove(&(due, run.clone()));
        }
    }

    fn insert(&mut self, due: Timestamp, run: RunKey) {
        self.remove(&run);
        self.due.insert(run.clone(), due);
        self.by_due.insert((due, run));
    }
}

impl Timers {
    /// `window`: timers that are held in memory, at most twice as many for a while.
    pub(crate) fn load(rows: &dyn Rows, window: usize) -> Result<Timers, ReadError> {
        let inner = Inner {
            by_due: BTreeSet::new(),
            due: HashMap::new(),
            firing: HashSet::new(),
            horizon: Timestamp(i64::MIN),
        };
        let timers = Timers { inner: Mutex::new(inner), changed: Notify::new(), window };
        timers.reload(rows)?;
        Ok(timers)
    }

    /// Reads the near future. Effects wait meanwhile, so none of them is undone by an older row. Rows of timers that are
    /// firing, or that are tried again later, are left alone.
    fn reload(&self, rows: &dyn Rows) -> Result<(), ReadError> {
        let mut inner = self.inner.lock();
        let limit = self.window + inner.firing.len();
        let near = rows.timers(limit)?;
        inner.horizon = match near.last() {
            Some((due, _)) if near.len() == limit => *due,
            _ => Timestamp::MAX,
        };
        for (due, run) in near {
            if !inner.firing.contains(&run) && !inner.due.contains_key(&run) {
                inner.insert(due, run);
            }
        }
        Ok(())
    }

    /// The run's timer row is now this one.
    pub(crate) fn armed(&self, run: RunKey, due: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        inner.remove(&run);
        let Some(due) = due else { return };
        if due >= inner.horizon {
            return;
        }
        inner.insert(due, run);
        let earliest = inner.by_due.first().is_some_and(|(first, _)| *first == due);
        while inner.by_due.len() > 2 * self.window {
            let Some((due, run)) = inner.by_due.pop_last() else { break };
            inner.due.remove(&run);
            inner.horizon = due;
        }
        drop(inner);
        if earliest {
            self.changed.notify_one();
        }
    }

    /// A timer was fired. Where that failed it is tried again at `again`, unless its row changed meanwhile.
    fn fired(&self, run: RunKey, again: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        inner.firing.remove(&run);
        if let Some(again) = again
            && !inner.due.contains_key(&run)
        {
            inner.insert(again, run);
        }
    }

    /// Takes up to `most` timers that are due, and tells when the next one is.
    fn take_due(&self, now: Timestamp, most: usize) -> (Vec<(Timestamp, RunKey)>, Option<Timestamp>) {
        let mut inner = self.inner.lock();
        let mut taken = Vec::new();
        let mut busy = Vec::new();
        while taken.len() < most
            && let Some((due, _)) = inner.by_due.first()
            && *due <= now
            && let Some((due, run)) = inner.by_due.pop_first()
        {
            if !inner.firing.insert(run.clone()) {
                busy.push((due, run));
                continue;
            }
            inner.due.remove(&run);
            taken.push((due, run));
        }
        // What was armed again while it fires waits for the end of that, which wakes us.
        inner.by_due.extend(busy);
        let next = inner.by_due.iter().find(|(_, run)| !inner.firing.contains(run));
        let next = next.map(|(due, _)| *due);
        (taken, next)
    }

    /// Memory is (almost) empty, but there are more on disk.
    fn wants_reload(&self) -> bool {
        let inner = self.inner.lock();
        inner.horizon != Timestamp::MAX && inner.by_due.len() <= self.window / 4
    }

    fn len(&self) -> usize {
        self.inner.lock().by_due.len()
    }
}

impl LeaderRuntime {
    /// Fires timers until the leader ends.
    pub(crate) async fn run_timers(self: Arc<Self>) {
        let mut firing = FuturesUnordered::new();
        let pending = gauge!("tenure_timers_pending", "shard" => self.shard.to_string());
        let ended = self.ended.clone();
        let ended = ended.cancelled();
        tokio::pin!(ended);
        let mut jumps = self.clock.jumps();
        loop {
            let mut wake = None;
            if self.timers.wants_reload()
                && let Err(error) = self.timers.reload(&*self.rows)
            {
                tracing::error!(shard = self.shard, %error, "timers cannot be read");
                wake = Some(Instant::now() + RELOAD);
            }
            let room = self.options.timers_in_flight.saturating_sub(firing.len());
            let (due, next) = self.timers.take_due(self.clock.now(), room);
            firing.extend(due.into_iter().map(|(due, run)| self.fire(due, run)));
            if firing.len() < self.options.timers_in_flight
                && let Some(next) = next
            {
                let next = self.clock.instant(next);
                wake = Some(wake.map_or(next, |wake| wake.min(next)));
            }
            pending.set(self.timers.len() as f64);
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                () = &mut ended => break,
                () = self.timers.changed.notified() => {}
                // The clock outlives this.
                _ = jumps.changed() => {}
                Some((run, again)) = firing.next(), if !firing.is_empty() => self.timers.fired(run, again),
                () = tokio::time::sleep_until(wake.unwrap_or(far)) => {}
            }
        }
        pending.set(0.0);
    }

    /// Fires one timer; gives when to try again if that failed.
    async fn fire(self: &Arc<Self>, due: Timestamp, run: RunKey) -> (RunKey, Option<Timestamp>) {
        let command = ShardCommand::TimerDue { run_id: run.run_id };
        let workflow = run.workflow.clone();
        let again = match self.execute(own(workflow, command)).await {
            Ok(_) => {
                counter!("tenure_timers_fired_total").increment(1);
                histogram!("tenure_timers_lateness_seconds").record(self.clock.now().since(due));
                None
            }
            // This leader goes, or it is handing over; if that fails, it stays, and its timers with it.
            Err(CommandError::NotLeader(_)) => Some(self.clock.now().after(HANDING_OVER)),
            Err(CommandError::Api(error)) => {
                tracing::warn!(shard = self.shard, workflow = %run.workflow.workflow_id, %error, "a timer was refused");
                Some(self.clock.now().after(RETRY))
            }
        };
        (run, again)
    }
}
