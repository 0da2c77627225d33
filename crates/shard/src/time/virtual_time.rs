//! One clock for all leaders of a process, for tests of workflows. It keeps the pace of the wall clock; where time
//! skipping is unlocked and nothing but time is left to wait for, it jumps to the next deadline.

use crate::seam::replica::Rows;
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tenure_engine::{
    Op, RowKey, RunKey, Stamp, Subject, SubjectKind, Timestamp, WriteSet, codec,
    rows::{ReadError, TimerTable},
    standalone::{self, StandaloneState},
    state::ExecutionState,
};
use tokio::{sync::watch, time::Instant};

/// See the module.
#[derive(Debug)]
pub struct VirtualTime {
    timeline: Mutex<Timeline>,
    /// Counts jumps.
    jumps: watch::Sender<u64>,
}

/// Time skipping was unlocked more often than locked.
#[derive(Debug, thiserror::Error)]
#[error("unbalanced lock and unlock calls of time skipping")]
pub struct Unbalanced;

#[derive(Debug)]
struct Timeline {
    /// The time at `since`; a jump moves it.
    base: Timestamp,
    since: Instant,
    /// Time skips where this is zero,
    locks: u64,
    /// or this is not.
    skipping: u64,
    commands: usize,
    /// Runs, of workflows and of activities without one, with something to wait for, a worker or a deadline.
    runs: HashMap<Subject, Waits>,
    /// How many of them wait for a worker.
    with_workers: usize,
    due: BTreeSet<(Timestamp, Waiter)>,
    sleepers: u64,
    /// Messages from subject to subject that are not answered yet.
    messages: HashSet<(Subject, Stamp)>,
}

/// What a run waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Waits {
    for_worker: bool,
    due: Option<Timestamp>,
}

impl Waits {
    pub(crate) fn of(state: &ExecutionState) -> Waits {
        Waits { for_worker: state.waits_for_worker(), due: state.next_deadline() }
    }

    fn of_activity(state: &StandaloneState) -> Waits {
        Waits { for_worker: state.waits_for_worker(), due: state.next_deadline() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Waiter {
    Run(Subject),
    /// A schedule, for its next time.
    Schedule(Subject),
    Sleeper(u64),
}

impl Timeline {
    fn now(&self) -> Timestamp {
        self.base.plus(self.since.elapsed())
    }

    fn written(&mut self, op: &Op) {
        match op {
            Op::Put(RowKey::Outbox { from, stamp }, _) => _ = self.messages.insert((from.clone(), *stamp)),
            Op::Delete(RowKey::Outbox { from, stamp }) => _ = self.messages.remove(&(from.clone(), *stamp)),
            Op::Put(RowKey::Timer { due, subject }, _) if is_schedule(subject) => self.armed(*due, subject.clone()),
            Op::Delete(RowKey::Timer { due, subject }) if is_schedule(subject) => {
                self.due.remove(&(*due, Waiter::Schedule(subject.clone())));
            }
            Op::Put(key @ RowKey::Activity { .. }, value) => {
                if let (Some(run), Ok(state)) = (key.core_of(), codec::decode(value)) {
                    self.observe(&run, Waits::of_activity(&state));
                }
            }
            Op::Delete(key @ RowKey::Activity { .. }) => {
                if let Some(run) = key.core_of() {
                    self.observe(&run, Waits::default());
                }
            }
            _ => {}
        }
    }

    fn armed(&mut self, due: Timestamp, schedule: Subject) {
        self.due.insert((due, Waiter::Schedule(schedule)));
    }

    fn observe(&mut self, run: &Subject, waits: Waits) {
        if let Some(before) = self.runs.remove(run) {
            self.with_workers -= usize::from(before.for_worker);
            if let Some(due) = before.due {
                self.due.remove(&(due, Waiter::Run(run.clone())));
            }
        }
        self.with_workers += usize::from(waits.for_worker);
        if let Some(due) = waits.due {
            self.due.insert((due, Waiter::Run(run.clone())));
        }
        if waits != Waits::default() {
            self.runs.insert(run.clone(), waits);
        }
    }

    /// Jumps if the time for that has come. What is due by now is about to happen, and is waited for.
    fn skip(&mut self) -> bool {
        let unlocked = self.locks == 0 || self.skipping > 0;
        let idle = unlocked && self.commands == 0 && self.with_workers == 0 && self.messages.is_empty();
        let now = self.now();
        match self.due.first() {
            Some((due, _)) if idle && *due > now => {
                self.base = self.base.plus(due.since(now));
                true
            }
            _ => false,
        }
    }
}

/// A run's own timer row is not looked at: its state says what it waits for.
fn is_schedule(subject: &Subject) -> bool {
    TimerTable::of(subject) == TimerTable::Schedules
}

impl VirtualTime {
    /// Begins at the wall clock's time. Locked, it does not skip until it is unlocked.
    pub fn new(locked: bool) -> Arc<VirtualTime> {
        let timeline = Timeline {
            base: Timestamp(tenure_clock::wall()),
            since: Instant::now(),
            locks: locked.into(),
            skipping: 0,
            commands: 0,
            runs: HashMap::new(),
            with_workers: 0,
            due: BTreeSet::new(),
            sleepers: 0,
            messages: HashSet::new(),
        };
        Arc::new(VirtualTime { timeline: Mutex::new(timeline), jumps: watch::Sender::new(0) })
    }

    pub fn now(&self) -> Timestamp {
        self.timeline.lock().now()
    }

    /// One more reason to keep the pace of the wall clock.
    pub fn lock(&self) {
        self.timeline.lock().locks += 1;
    }

    /// One reason less.
    pub fn unlock(&self) -> Result<(), Unbalanced> {
        self.change(|timeline| {
            timeline.locks = timeline.locks.checked_sub(1).ok_or(Unbalanced)?;
            Ok(())
        })
    }

    /// Lets so much time pass at once, whatever is running.
    pub fn advance(&self, duration: Duration) {
        let mut timeline = self.timeline.lock();
        timeline.base = timeline.base.plus(duration);
        drop(timeline);
        self.jumps.send_modify(|jumps| *jumps += 1);
    }

    /// Returns when it is `at`; time does not skip beyond it before.
    pub async fn sleep_until(self: &Arc<Self>, at: Timestamp) {
        let _sleeper = Sleeper::new(self, at);
        self.wait_until(at).await;
    }

    /// Returns when `duration` has passed, with one lock less meanwhile.
    pub async fn sleep_unlocked(self: &Arc<Self>, duration: Duration) -> Result<(), Unbalanced> {
        let at = self.now().plus(duration);
        // Dropped after the lock is back: time does not skip on in between.
        let _sleeper = Sleeper::new(self, at);
        self.unlock()?;
        let _unlocked = Unlocked(self.clone());
        self.wait_until(at).await;
        Ok(())
    }

    /// Time may skip while the guard lives, locked or not.
    pub fn skip(self: &Arc<Self>) -> Skipping {
        self.change(|timeline| timeline.skipping += 1);
        Skipping(self.clone())
    }

    /// Returns when `duration` has passed; time may skip meanwhile, locked or not, but not beyond that.
    pub async fn sleep_skipping(self: &Arc<Self>, duration: Duration) {
        let at = self.now().plus(duration);
        // Dropped after time has stopped to skip.
        let _sleeper = Sleeper::new(self, at);
        let _skipping = self.skip();
        self.wait_until(at).await;
    }

    async fn wait_until(&self, at: Timestamp) {
        let mut jumps = self.jumps();
        while self.now() < at {
            tokio::select! {
                _ = jumps.changed() => {}
                () = tokio::time::sleep_until(self.instant(at)) => {}
            }
        }
    }

    /// When it will be `at` if time keeps its pace; now, if it was.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        let timeline = self.timeline.lock();
        timeline.since + at.since(timeline.base)
    }

    /// Time does not go below what was recorded.
    pub(crate) fn not_below(&self, recorded: Timestamp) {
        let mut timeline = self.timeline.lock();
        let behind = recorded.since(timeline.now());
        timeline.base = timeline.base.plus(behind);
    }

    /// Changes when time has jumped.
    pub(crate) fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }

    /// A command is in flight until the guard is dropped: it may make something to wait for.
    pub(crate) fn command(self: &Arc<Self>) -> InFlight {
        self.timeline.lock().commands += 1;
        InFlight(self.clone())
    }

    /// These rows, and with them these runs, were committed.
    pub(crate) fn committed(&self, writes: &WriteSet, runs: impl IntoIterator<Item = (RunKey, Waits)>) {
        self.change(|timeline| {
            writes.ops.iter().for_each(|op| timeline.written(op));
            for (run, waits) in runs {
                timeline.observe(&run.into(), waits);
            }
        });
    }

    /// Finds out what the runs and schedules of a shard wait for. A run that waits has a timer row or a ready task.
    pub(crate) fn load(&self, rows: &dyn Rows) -> Result<(), ReadError> {
        let schedules = rows.timers(TimerTable::Schedules, usize::MAX)?;
        let others = rows.timers(TimerTable::Others, usize::MAX)?;
        let mut runs: BTreeSet<Subject> = others.into_iter().map(|(_, subject)| subject).collect();
        for queue in rows.ready_queues()? {
            let tasks = rows.ready(&queue, None, usize::MAX)?.into_iter();
            runs.extend(tasks.map(|task| task.lane().instance(task.run.run_id)));
        }
        let mut timeline = self.timeline.lock();
        for subject in runs {
            if subject.lane.kind == SubjectKind::ACTIVITY {
                if let Some(state) = standalone::read(rows, &subject.lane, subject.instance)? {
                    timeline.observe(&subject, Waits::of_activity(&state));
                }
            } else if let Some(run) = subject.run()
                && let Some(state) = rows.execution(&run)?
            {
                timeline.observe(&subject, Waits::of(&state));
            }
        }
        schedules.into_iter().for_each(|(due, schedule)| timeline.armed(due, schedule));
        timeline.messages.extend(rows.outbox(None, usize::MAX)?.into_iter().map(|entry| (entry.from, entry.stamp)));
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Timeline) -> T) -> T {
        let mut timeline = self.timeline.lock();
        let changed = change(&mut timeline);
        let jumped = timeline.skip();
        drop(timeline);
        if jumped {
            self.jumps.send_modify(|jumps| *jumps += 1);
        }
        changed
    }
}

/// A command that is in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<VirtualTime>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(|timeline| timeline.commands -= 1);
    }
}

/// Time may skip while it lives.
#[derive(Debug)]
#[must_use = "time stops to skip when it is dropped"]
pub struct Skipping(Arc<VirtualTime>);

impl Drop for Skipping {
    fn drop(&mut self) {
        self.0.timeline.lock().skipping -= 1;
    }
}

struct Unlocked(Arc<VirtualTime>);

impl Drop for Unlocked {
    fn drop(&mut self) {
        self.0.lock();
    }
}

struct Sleeper {
    time: Arc<VirtualTime>,
    place: (Timestamp, Waiter),
}

impl Sleeper {
    fn new(time: &Arc<VirtualTime>, at: Timestamp) -> Sleeper {
        let place = time.change(|timeline| {
            timeline.sleepers += 1;
            let place = (at, Waiter::Sleeper(timeline.sleepers));
            timeline.due.insert(place.clone());
            place
        });
        Sleeper { time: time.clone(), place }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.time.change(|timeline| timeline.due.remove(&self.place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::{Lane, NamespaceId, WorkflowKey};
    use uuid::Uuid;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn run() -> RunKey {
        WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: "w".into() }.run(Uuid::nil())
    }

    impl VirtualTime {
        fn observe(&self, runs: impl IntoIterator<Item = (RunKey, Waits)>) {
            let runs = Vec::from_iter(runs);
            self.committed(&WriteSet::default(), runs.iter().cloned());
        }
    }

    fn due(at: Timestamp) -> Waits {
        Waits { for_worker: false, due: Some(at) }
    }

    /// Asserts that it is `at`, or a moment later.
    #[track_caller]
    fn check(time: &VirtualTime, at: Timestamp) {
        let now = time.now();
        assert!(now >= at && now.since(at) < Duration::from_secs(30), "{now:?} against {at:?}");
    }

    #[tokio::test]
    async fn time_jumps_to_the_next_deadline_when_nothing_else_is_left() {
        let time = VirtualTime::new(true);
        let began = time.now();
        let end = began.plus(DAY);
        time.observe([(run(), due(end))]);
        check(&time, began);

        let command = time.command();
        time.unlock().unwrap();
        check(&time, began);
        time.observe([(run(), Waits { for_worker: true, ..due(end) })]);
        drop(command);
        check(&time, began);
        time.observe([(run(), due(end))]);
        check(&time, end);

        // A message that is under way is waited for.
        time.lock();
        let row = RowKey::Outbox { from: run().into(), stamp: Stamp::default() };
        let sent = WriteSet { ops: vec![Op::Put(row.clone(), bytes::Bytes::new())] };
        time.committed(&sent, [(run(), due(end.plus(DAY)))]);
        time.unlock().unwrap();
        check(&time, end);
        time.committed(&WriteSet { ops: vec![Op::Delete(row)] }, []);
        check(&time, end.plus(DAY));
        let end = end.plus(DAY);

        // What is due is about to happen: time waits for it.
        let later = WorkflowKey { workflow_id: "later".into(), ..run().workflow }.run(Uuid::nil());
        time.observe([(later, due(end.plus(DAY)))]);
        check(&time, end);
        time.observe([(run(), Waits::default())]);
        check(&time, end.plus(DAY));
    }

    #[tokio::test]
    async fn time_stops_at_the_times_of_schedules() {
        let time = VirtualTime::new(false);
        let began = time.now();
        let lane = Lane::of_schedule(NamespaceId(Uuid::nil()), "daily");
        let row = |due| RowKey::Timer { due, subject: lane.instance(Uuid::nil()) };
        let commit = |ops: &[Op]| time.committed(&WriteSet { ops: ops.to_vec() }, []);
        let (first, second) = (began.plus(DAY), began.plus(2 * DAY));
        commit(&[Op::Put(row(first), bytes::Bytes::new())]);
        check(&time, first);
        // It is about to act.
        time.observe([(run(), due(began.plus(3 * DAY)))]);
        check(&time, first);
        let acts = time.command();
        commit(&[Op::Delete(row(first)), Op::Put(row(second), bytes::Bytes::new())]);
        check(&time, first);
        drop(acts);
        check(&time, second);
        // It is deleted.
        commit(&[Op::Delete(row(second))]);
        check(&time, began.plus(3 * DAY));
    }

    #[tokio::test]
    async fn time_stops_where_somebody_sleeps() {
        let time = VirtualTime::new(true);
        let began = time.now();
        time.observe([(run(), due(began.plus(DAY)))]);
        time.sleep_unlocked(DAY / 2).await.unwrap();
        check(&time, began.plus(DAY / 2));

        // Locked again, it keeps its pace.
        let (real, at) = (Instant::now(), time.now().plus(Duration::from_millis(50)));
        time.sleep_until(at).await;
        assert!(real.elapsed() >= Duration::from_millis(49));
        check(&time, at);

        time.unlock().unwrap();
        check(&time, began.plus(DAY));
        assert!(time.unlock().is_err());
        assert!(time.sleep_unlocked(DAY).await.is_err());
    }

    #[tokio::test]
    async fn time_skips_while_somebody_says_so() {
        let time = VirtualTime::new(true);
        let began = time.now();
        time.observe([(run(), due(began.plus(DAY)))]);
        time.sleep_skipping(DAY / 2).await;
        check(&time, began.plus(DAY / 2));
        let (one, two) = (time.skip(), time.skip());
        check(&time, began.plus(DAY));
        drop(one);
        time.observe([(run(), due(began.plus(2 * DAY)))]);
        check(&time, began.plus(2 * DAY));
        drop(two);
        time.observe([(run(), due(began.plus(3 * DAY)))]);
        check(&time, began.plus(2 * DAY));
    }

    #[tokio::test]
    async fn time_is_advanced_over_what_runs() {
        let time = VirtualTime::new(true);
        let began = time.now();
        let _command = time.command();
        time.observe([(run(), Waits { for_worker: true, due: Some(began.plus(DAY)) })]);
        let jumps = time.jumps();
        time.advance(2 * DAY);
        check(&time, began.plus(2 * DAY));
        assert!(jumps.has_changed().unwrap(), "timers are told");
    }

    #[tokio::test]
    async fn a_sleeper_that_gives_up_leaves_everything_as_it_was() {
        let time = VirtualTime::new(true);
        let began = time.now();
        let _command = time.command();
        assert!(tokio::time::timeout(Duration::from_millis(20), time.sleep_unlocked(DAY)).await.is_err());
        check(&time, began);
        let timeline = time.timeline.lock();
        assert!(timeline.due.is_empty());
        assert_eq!(timeline.locks, 1);
    }

    #[tokio::test]
    async fn time_does_not_go_below_what_was_recorded() {
        let time = VirtualTime::new(true);
        let recorded = time.now().plus(DAY);
        time.not_below(recorded);
        check(&time, recorded);
        time.not_below(Timestamp(0));
        check(&time, recorded);
    }
}
