//! Timers: rows in order of their due time are the truth; the leader holds the near future in memory and fires what
//! is due, never early by its clock.
//!
//! Those of schedules have a table, a window and places of their own: when very many of them are due at once, no other
//! timer is behind them, and they take what the nodes have to spare.

use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
        pace::Pace,
    },
    node::share::Share,
    seam::{error::CommandError, replica::Rows},
};
use futures::{StreamExt, stream::FuturesUnordered};
use metrics::{counter, gauge, histogram};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{
    Reply, ShardCommand, Subject, Timestamp,
    rows::{ReadError, TimerTable},
};
use tokio::{sync::Notify, time::Instant};

/// A timer whose command failed is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// One that came while the leadership was being handed over is tried again after this time.
const HANDING_OVER: Duration = Duration::from_millis(100);
/// One whose row stays though it is due is fired again after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Unreadable rows are read again after this time.
const RELOAD: Duration = Duration::from_secs(1);

/// As many timers of schedules fire at once as leave each of them done within this time, where the disk allows.
const SCHEDULES_GOAL: Duration = Duration::from_millis(25);

/// Fires the timers of one leader, from one table.
pub(crate) struct Timers {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    of: TimerTable,
    window: Mutex<TimerWindow>,
    /// Notified when the earliest due time changed.
    changed: Notify,
}

/// The near future, and what is firing.
pub(crate) struct TimerWindow {
    by_due: BTreeSet<(Timestamp, Subject)>,
    due: HashMap<Subject, Timestamp>,
    /// Timers that were taken and are not done yet.
    firing: HashMap<Subject, Row>,
    /// All rows that are due before this are in memory (or firing); later ones may be on disk only.
    horizon: Timestamp,
    /// Timers that are held in memory, at most twice as many for a while.
    size: Share,
}

/// The row of a timer that is firing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// The one that was taken.
    Taken,
    /// Another one, or none: the row is in memory or on disk as that of any other timer.
    Changed,
}

impl TimerWindow {
    /// The first `size` timers of a table.
    pub(crate) fn load(rows: &dyn Rows, of: TimerTable, size: Share) -> Result<TimerWindow, ReadError> {
        let mut window = TimerWindow::unread(size);
        window.read(|limit| rows.timers(of, limit))?;
        Ok(window)
    }

    fn unread(size: Share) -> TimerWindow {
        TimerWindow {
            by_due: BTreeSet::new(),
            due: HashMap::new(),
            firing: HashMap::new(),
            horizon: Timestamp(i64::MIN),
            size,
        }
    }

    fn remove(&mut self, subject: &Subject) {
        if let Some(due) = self.due.remove(subject) {
            self.by_due.remove(&(due, subject.clone()));
        }
    }

    fn insert(&mut self, due: Timestamp, subject: Subject) {
        self.remove(&subject);
        self.due.insert(subject.clone(), due);
        self.by_due.insert((due, subject));
    }

    /// Reads the near future. Rows that were taken, and timers that are tried again later, are left alone.
    fn read(
        &mut self,
        first: impl FnOnce(usize) -> Result<Vec<(Timestamp, Subject)>, ReadError>,
    ) -> Result<(), ReadError> {
        let limit = self.size.get() + self.firing.len();
        let near = first(limit)?;
        self.horizon = match near.last() {
            Some((due, _)) if near.len() == limit => *due,
            _ => Timestamp::MAX,
        };
        for (due, subject) in near {
            if self.firing.get(&subject) != Some(&Row::Taken) && !self.due.contains_key(&subject) {
                self.insert(due, subject);
            }
        }
        Ok(())
    }

    /// The subject's timer row is now this one. True if it is the first one to be due.
    fn armed(&mut self, subject: Subject, due: Option<Timestamp>) -> bool {
        self.remove(&subject);
        if let Some(row) = self.firing.get_mut(&subject) {
            *row = Row::Changed;
        }
        let Some(due) = due else { return false };
        if due >= self.horizon {
            return false;
        }
        self.insert(due, subject);
        let earliest = self.by_due.first().is_some_and(|(first, _)| *first == due);
        while self.by_due.len() > 2 * self.size.get() {
            let Some((due, subject)) = self.by_due.pop_last() else { break };
            self.due.remove(&subject);
            // One that is tried again later may be beyond it.
            self.horizon = self.horizon.min(due);
        }
        earliest
    }

    /// A timer was fired. Where that failed it is tried again at `again`, unless its row changed meanwhile.
    fn fired(&mut self, subject: Subject, again: Option<Timestamp>) {
        let row = self.firing.remove(&subject);
        if let Some(again) = again
            && row == Some(Row::Taken)
        {
            self.insert(again, subject);
        }
    }

    /// Takes up to `most` timers that are due, and tells when the next one is.
    fn take_due(&mut self, now: Timestamp, most: usize) -> (Vec<(Timestamp, Subject)>, Option<Timestamp>) {
        let mut taken = Vec::new();
        let mut busy = Vec::new();
        while taken.len() < most
            && let Some((due, _)) = self.by_due.first()
            && *due <= now
            && let Some((due, subject)) = self.by_due.pop_first()
        {
            if self.firing.contains_key(&subject) {
                busy.push((due, subject));
                continue;
            }
            self.firing.insert(subject.clone(), Row::Taken);
            self.due.remove(&subject);
            taken.push((due, subject));
        }
        // What was armed again while it fires waits for the end of that, which wakes us.
        self.by_due.extend(busy);
        let next = self.by_due.iter().find(|(_, subject)| !self.firing.contains_key(subject));
        let next = next.map(|(due, _)| *due);
        (taken, next)
    }

    /// Memory is (almost) empty, but there are more on disk.
    fn wants_reload(&self) -> bool {
        self.horizon != Timestamp::MAX && self.by_due.len() <= self.size.get() / 4
    }

    fn len(&self) -> usize {
        self.by_due.len()
    }
}

impl Timers {
    pub(crate) fn new(
        context: Arc<LeaderContext>,
        executions: Arc<Executions>,
        of: TimerTable,
        window: TimerWindow,
    ) -> Timers {
        Timers { context, executions, of, window: Mutex::new(window), changed: Notify::new() }
    }

    /// The subject's timer row is now this one.
    pub(crate) fn armed(&self, subject: Subject, due: Option<Timestamp>) {
        if self.window.lock().armed(subject, due) {
            self.changed.notify_one();
        }
    }

    /// Reads the near future once memory is almost empty. Effects wait meanwhile, so none of them is undone by an older
    /// row.
    fn reload(&self) -> Result<(), ReadError> {
        let mut window = self.window.lock();
        if window.wants_reload() { window.read(|limit| self.context.rows.timers(self.of, limit)) } else { Ok(()) }
    }

    /// Fires timers until the leader ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut firing = FuturesUnordered::new();
        let options = self.context.options();
        let (of, mut pace) = match self.of {
            TimerTable::Schedules => ("schedules", Pace::adapted(options.schedules_in_flight, SCHEDULES_GOAL)),
            TimerTable::Others => ("others", Pace::fixed(options.timers_in_flight)),
        };
        let pending = gauge!("tenure_timers_pending", "shard" => self.context.shard.to_string(), "of" => of);
        let ended = self.context.ended.clone();
        let ended = ended.cancelled();
        tokio::pin!(ended);
        let mut jumps = self.context.clock.jumps();
        let mut rests_until = Instant::now();
        loop {
            let mut wake = None;
            if let Err(error) = self.reload() {
                tracing::error!(shard = self.context.shard, %error, "timers cannot be read");
                wake = Some(Instant::now() + RELOAD);
            }
            let in_flight = pace.places();
            let room = if Instant::now() < rests_until { 0 } else { in_flight.saturating_sub(firing.len()) };
            let (due, next) = self.window.lock().take_due(self.context.clock.now(), room);
            firing.extend(due.into_iter().map(|(due, subject)| self.fire(due, subject)));
            if firing.len() < in_flight
                && let Some(next) = next
            {
                let next = self.context.clock.instant(next).max(rests_until);
                wake = Some(wake.map_or(next, |wake| wake.min(next)));
            }
            pending.set(self.window.lock().len() as f64);
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                () = &mut ended => break,
                () = self.changed.notified() => {}
                // The clock outlives this.
                _ = jumps.changed() => {}
                Some((subject, again, took)) = firing.next(), if !firing.is_empty() => {
                    self.window.lock().fired(subject, again);
                    // What was refused tells nothing of how busy nodes are.
                    if again.is_none() {
                        rests_until = Instant::now() + pace.took(took);
                    }
                }
                () = tokio::time::sleep_until(wake.unwrap_or(far)) => {}
            }
        }
        pending.set(0.0);
    }

    /// Fires one timer; gives when to try again if that failed, and how long it took.
    async fn fire(self: &Arc<Self>, due: Timestamp, subject: Subject) -> (Subject, Option<Timestamp>, Duration) {
        let since = Instant::now();
        let command = ShardCommand::TimerDue { instance: subject.instance };
        let lane = subject.lane.clone();
        let again = match self.executions.execute(own(lane, command)).await {
            Ok(Reply::TimerKept) => Some(self.context.clock.now().plus(LOOK_AGAIN)),
            Ok(_) => {
                counter!("tenure_timers_fired_total").increment(1);
                histogram!("tenure_timers_lateness_seconds").record(self.context.clock.now().since(due));
                None
            }
            // This leader goes, or it is handing over; if that fails, it stays, and its timers with it.
            Err(CommandError::NotLeader(_)) => Some(self.context.clock.now().plus(HANDING_OVER)),
            Err(CommandError::Api(error)) => {
                tracing::warn!(shard = self.context.shard, %subject, %error, "a timer was refused");
                Some(self.context.clock.now().plus(RETRY))
            }
        };
        (subject, again, since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::{NamespaceId, WorkflowKey};
    use uuid::Uuid;

    fn run(id: &str) -> Subject {
        WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: id.into() }.run(Uuid::nil()).into()
    }

    /// Has the window read these rows, in order.
    fn read(timers: &mut TimerWindow, rows: &[(i64, &str)]) {
        let first = |limit| Ok(rows.iter().take(limit).map(|(due, id)| (Timestamp(*due), run(id))).collect());
        timers.read(first).unwrap();
    }

    fn take(timers: &mut TimerWindow, now: i64) -> Vec<Subject> {
        timers.take_due(Timestamp(now), usize::MAX).0.into_iter().map(|(_, run)| run).collect()
    }

    /// F18: rows are read while a timer fires whose new row was beyond the window.
    #[test]
    fn a_timer_that_is_armed_again_while_it_fires_is_read_with_the_others() {
        let mut timers = TimerWindow::unread(Share::fixed(2));
        read(&mut timers, &[(1, "a"), (10, "b"), (11, "c")]);
        assert_eq!(take(&mut timers, 1), [run("a")]);
        timers.armed(run("a"), Some(Timestamp(20)));
        read(&mut timers, &[(10, "b"), (20, "a")]);
        timers.fired(run("a"), None);
        assert_eq!(take(&mut timers, 20), [run("b"), run("a")]);
    }

    /// F18.
    #[test]
    fn what_was_taken_is_not_read_again() {
        let mut timers = TimerWindow::unread(Share::fixed(2));
        let rows = [(1, "a"), (10, "b"), (11, "c")];
        read(&mut timers, &rows);
        assert_eq!(take(&mut timers, 1), [run("a")]);
        read(&mut timers, &rows);
        assert_eq!(take(&mut timers, 11), [run("b"), run("c")]);
        timers.fired(run("a"), Some(Timestamp(12)));
        read(&mut timers, &rows);
        assert_eq!(take(&mut timers, 11), [], "it is tried again later");
        assert_eq!(take(&mut timers, 12), [run("a")]);
    }

    /// F18: its row changed while it failed, and is on disk.
    #[test]
    fn a_timer_that_changed_while_it_failed_is_not_tried_again() {
        let mut timers = TimerWindow::unread(Share::fixed(2));
        read(&mut timers, &[(1, "a"), (10, "b"), (11, "c")]);
        assert_eq!(take(&mut timers, 1), [run("a")]);
        timers.armed(run("a"), Some(Timestamp(20)));
        timers.fired(run("a"), Some(Timestamp(2)));
        assert_eq!(take(&mut timers, 2), []);
        read(&mut timers, &[(10, "b"), (20, "a")]);
        assert_eq!(take(&mut timers, 20), [run("b"), run("a")]);
    }
}
