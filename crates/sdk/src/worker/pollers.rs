//! Polls of one queue: as many at once as its load asks for.

use super::{
    ShutdownPhase,
    rate::RateLimit,
    slots::{Slot, Slots},
    until,
};
use metrics::{Counter, Gauge};
use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tenure_api::{time::time_from_proto, worker::v1::WorkerPollerInfo};
use tenure_client::ClientError;
use tokio::sync::watch;

/// What a poll gave.
pub(super) struct PollResult<T> {
    pub(super) task: Option<T>,
    /// How many polls more the server would like, if it says.
    pub(super) advice: Option<i32>,
    /// How long the task has waited for a poll, by the server's clock.
    pub(super) queued: Duration,
}

/// Zero when it is not known.
pub(super) fn between(scheduled: Option<prost_types::Timestamp>, started: Option<prost_types::Timestamp>) -> Duration {
    let waited =
        time_from_proto(scheduled).zip(time_from_proto(started)).and_then(|(from, to)| to.duration_since(from).ok());
    waited.unwrap_or_default()
}

/// How a poll ended.
#[derive(Clone, Copy, Debug)]
enum PollOutcome {
    Failed,
    Nothing,
    /// A task that had waited so long.
    Task(Duration),
}

/// A queue that is polled, and what becomes of its tasks.
pub(super) trait Queue: Send + Sync + 'static {
    type Task: Send + 'static;

    fn poll(&self) -> impl Future<Output = Result<PollResult<Self::Task>, ClientError>> + Send;
    fn work(&self, task: Self::Task, slot: Slot) -> impl Future<Output = ()> + Send;
}

pub(super) struct Measures {
    pub(super) pollers: Gauge,
    pub(super) succeeded: Counter,
    pub(super) empty: Counter,
}

pub(super) struct Pollers<Q> {
    queue: Arc<Q>,
    slots: Arc<Slots>,
    limit: Option<Arc<RateLimit>>,
    measures: Measures,
    scale: Mutex<Scale>,
    running: watch::Sender<usize>,
    phase: watch::Receiver<ShutdownPhase>,
}

/// A poll that is answered so quickly has met a task that was waiting.
const QUICK_POLL: Duration = Duration::from_millis(20);
/// A poll that is answered so late was one too many.
const SLOW_POLL: Duration = Duration::from_secs(10);
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

struct Scale {
    range: RangeInclusive<usize>,
    /// How many there should be.
    target: usize,
    /// The server has given advice: nothing is guessed any more.
    advised: bool,
    last_success: Option<SystemTime>,
    complained: Option<Instant>,
}

impl Scale {
    fn new(range: &RangeInclusive<usize>, most: usize) -> Self {
        let most = (*range.end()).clamp(1, most.max(1));
        let least = (*range.start()).clamp(1, most);
        Scale { range: least..=most, target: least, advised: false, last_success: None, complained: None }
    }

    /// `polled`: how long the poll took.
    fn observe(&mut self, found: PollOutcome, advice: Option<i32>, polled: Duration) {
        self.advised |= advice.is_some();
        // A server far away, or one that commits slowly, answers no poll quickly: then the task's own wait tells.
        let met_a_backlog = |queued| polled < QUICK_POLL || queued >= polled / 2;
        let by = match (advice, found) {
            (Some(advice), _) => advice,
            (None, PollOutcome::Failed) => -1,
            (None, PollOutcome::Task(_)) if self.advised => 0,
            (None, PollOutcome::Task(queued)) if met_a_backlog(queued) => 1,
            (None, PollOutcome::Task(_)) if polled < SLOW_POLL => 0,
            (None, PollOutcome::Task(_) | PollOutcome::Nothing) => -1,
        };
        let target = i64::try_from(self.target).unwrap_or(i64::MAX).saturating_add(by.into());
        self.target = usize::try_from(target).unwrap_or(0).clamp(*self.range.start(), *self.range.end());
    }
}

impl<Q: Queue> Pollers<Q> {
    /// `most`: what the slots allow, whatever the range says.
    pub(super) fn start(
        queue: Q,
        (range, most): (&RangeInclusive<usize>, usize),
        slots: Arc<Slots>,
        limit: Option<Arc<RateLimit>>,
        measures: Measures,
        phase: watch::Receiver<ShutdownPhase>,
    ) -> Arc<Self> {
        let scale = Mutex::new(Scale::new(range, most));
        let (queue, running) = (Arc::new(queue), watch::Sender::new(0));
        let pollers = Arc::new(Pollers { queue, slots, limit, measures, scale, running, phase });
        pollers.fill_up();
        pollers
    }

    fn scale(&self) -> MutexGuard<'_, Scale> {
        self.scale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill_up(self: &Arc<Self>) {
        while self.enter() {
            tokio::spawn(self.clone().keep_polling());
        }
    }

    /// Whether one more may run.
    fn enter(&self) -> bool {
        let target = self.scale().target;
        self.running.send_if_modified(|running| {
            let may = *running < target;
            *running += usize::from(may);
            self.measures.pollers.set(*running as f64);
            may
        })
    }

    /// Whether there are more than there should be.
    fn leave(&self) -> bool {
        let target = self.scale().target;
        self.running.send_if_modified(|running| {
            let must = *running > target;
            *running -= usize::from(must);
            self.measures.pollers.set(*running as f64);
            must
        })
    }

    async fn keep_polling(self: Arc<Self>) {
        let mut phase = self.phase.clone();
        while *phase.borrow() == ShutdownPhase::Polling {
            tokio::select! {
                biased;
                // A task that has come is not thrown away.
                () = self.once() => {}
                () = until(&mut phase, ShutdownPhase::Stopped) => break,
            }
            if self.leave() {
                return;
            }
            self.fill_up();
        }
        self.running.send_modify(|running| *running -= 1);
    }

    async fn once(&self) {
        let mut slot = self.slots.acquire().await;
        if let Some(limit) = &self.limit {
            limit.turn().await;
        }
        let began = Instant::now();
        let answer = match self.queue.poll().await {
            Ok(answer) => answer,
            Err(error) => {
                self.scale().observe(PollOutcome::Failed, None, began.elapsed());
                self.complain(&error);
                drop(slot);
                return tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        {
            let mut scale = self.scale();
            let found = answer.task.as_ref().map_or(PollOutcome::Nothing, |_| PollOutcome::Task(answer.queued));
            scale.observe(found, answer.advice, began.elapsed());
            scale.last_success = Some(SystemTime::now());
        }
        let Some(task) = answer.task else { return self.measures.empty.increment(1) };
        self.measures.succeeded.increment(1);
        slot.begin();
        let queue = self.queue.clone();
        tokio::spawn(async move { queue.work(task, slot).await });
    }

    /// Once per interval, however many polls fail. That no address answers is said by the connection.
    fn complain(&self, error: &ClientError) {
        let complained = &mut self.scale().complained;
        let due = complained.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL);
        if due && !matches!(error, ClientError::Unreachable { .. }) {
            *complained = Some(Instant::now());
            tracing::warn!(%error, "polling fails, trying on");
        }
    }

    /// Waits until all polls have come back, after the worker was stopped.
    pub(super) async fn ended(&self) {
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }

    pub(super) fn info(&self) -> WorkerPollerInfo {
        let scale = self.scale();
        WorkerPollerInfo {
            current_pollers: (*self.running.borrow()).try_into().unwrap_or(i32::MAX),
            last_successful_poll_time: scale.last_success.map(Into::into),
            is_autoscaling: scale.range.start() < scale.range.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(range: RangeInclusive<usize>, seen: &[(PollOutcome, Option<i32>, u64)]) -> Vec<usize> {
        let mut scale = Scale::new(&range, 10);
        let step = |&(found, advice, millis): &_| {
            scale.observe(found, advice, Duration::from_millis(millis));
            scale.target
        };
        seen.iter().map(step).collect()
    }

    /// A task that met a poll that was waiting for it.
    const TASK: PollOutcome = PollOutcome::Task(Duration::from_millis(2));

    #[test]
    fn polls_follow_what_they_find() {
        use PollOutcome::{Failed, Nothing};
        let seen = [(TASK, None, 1), (TASK, None, 1), (TASK, None, 1), (TASK, None, 500), (TASK, None, 20_000)];
        assert_eq!(targets(2..=4, &seen), [3, 4, 4, 4, 3]);
        assert_eq!(targets(1..=9, &[(TASK, None, 1), (Nothing, None, 60_000), (Nothing, None, 60_000)]), [2, 1, 1]);
        assert_eq!(targets(2..=9, &[(TASK, None, 1), (Failed, None, 1)]), [3, 2]);
    }

    #[test]
    fn polls_grow_while_tasks_wait_however_slowly_the_server_answers() {
        let backlog = PollOutcome::Task(Duration::from_millis(900));
        assert_eq!(targets(2..=9, &[(backlog, None, 300), (backlog, None, 300), (TASK, None, 300)]), [3, 4, 4]);
    }

    #[test]
    fn the_servers_advice_counts_more() {
        let seen = [(TASK, Some(3), 5_000), (TASK, None, 1), (TASK, Some(-1), 1), (PollOutcome::Nothing, None, 1)];
        assert_eq!(targets(1..=9, &seen), [4, 4, 3, 2]);
    }

    #[test]
    fn slots_bound_the_range() {
        let bounds = |range, most| Scale::new(&range, most).range;
        assert_eq!(bounds(2..=20, 10), 2..=10);
        assert_eq!(bounds(5..=20, 1), 1..=1);
        assert_eq!(bounds(0..=0, 10), 1..=1);
    }
}
