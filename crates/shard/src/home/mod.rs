//! The home's side of dispatch: tasks that owners offer are matched with the polls that wait here, and started at
//! their owners.
//!
//! What a home loses of offers, their owners find by their sweeps (`owner/dispatch.rs`). A poll and a task that wait
//! beside each other are matched by the notice of either; [`Home::tick`] looks again. A poll whose answer is lost has
//! a deadline, and its task an owner that checks its handover (`owner/starts.rs`).

mod lent;
pub(crate) mod queue;
mod worker_table;
pub(crate) mod workers;

use crate::{
    leader::context::LeaderContext,
    node::{
        attempts::Attempted,
        batches::Batches,
        idle_polls::{IdlePolls, TakenPoll},
        polled::{Polled, Served},
    },
    seam::{
        error::CommandError,
        messages::{Answer, LastPoll, Offered, Request, StartRequest, TaskKey, new_proposal_id},
        replica::{NodeId, ShardId},
    },
};
use metrics::{counter, gauge};
use parking_lot::Mutex;
use queue::{HomeQueue, PollRequest, PollerDetails, QueueMatch, UNLIMITED, WaitingPoll, keep_waiting, limit_of};
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenure_api::taskqueue::v1::{PollerInfo, TaskQueueConfig};
use tenure_engine::{
    FeatureLevel, ProposalId, QueueKey,
    proto::Encoded,
    queue_config,
    rows::{ReadError, ReadyTask},
};
use tenure_queue::{LimitSource, Match, Next, PollId, Pollers};
use tokio::{sync::oneshot, time::Instant};

/// A task that its owner could not start for a reason of its own is tried again after this time.
const COOL_DOWN: Duration = Duration::from_secs(1);

/// What a queue's home knows of it.
#[derive(Clone, Debug, Default)]
pub struct QueueDescription {
    pub pollers: Vec<PollerInfo>,
    /// Age of the oldest task that waits at the home.
    pub backlog_age: std::time::Duration,
    /// Tasks a second, over the last minute or so.
    pub add_rate: f32,
    pub dispatch_rate: f32,
    /// What an operator set; `None` if nothing ever was.
    pub config: Option<TaskQueueConfig>,
    /// How many tasks a second are handed out at most, and who says so.
    pub rate_limit: Option<(f64, LimitSource)>,
}

/// The queues that are homed on this shard.
pub(crate) struct Home {
    context: Arc<LeaderContext>,
    queues: Mutex<HashMap<QueueKey, HomeQueue>>,
    /// Polls that the nodes which they came to are to hear of.
    lent: Batches<NodeId, (QueueKey, ProposalId)>,
    /// Polls made to an earlier home are unknown here: no sticky worker is called dead before they had time to come.
    since: Instant,
}

impl Home {
    pub(crate) fn new(context: Arc<LeaderContext>) -> Self {
        Home { context, queues: Mutex::default(), lent: Batches::default(), since: Instant::now() }
    }

    /// Nobody has polled the sticky queue for so long that its worker counts as gone.
    fn is_deserted(&self, queue: &HomeQueue, now: Instant) -> bool {
        if queue.polls() > 0 {
            return false;
        }
        let polled = queue.pollers.last_access(now.into_std()).map_or(self.since, Instant::from_std);
        now.duration_since(polled.max(self.since)) >= self.context.options().sticky_alive
    }

    /// Who polled a queue last.
    pub(crate) fn last_poll(&self, queue: &QueueKey) -> LastPoll {
        let now = std::time::Instant::now();
        let queues = self.queues.lock();
        let Some(queue) = queues.get(queue) else { return LastPoll::default() };
        let last = queue.pollers.last(now);
        LastPoll {
            ago: last.map(|(at, _)| now.saturating_duration_since(at)),
            identity: last.map(|(_, identity)| identity.to_owned()),
            rate_limit: queue.matcher.limit.effective().map(|(rate, _)| rate).filter(|rate| *rate < UNLIMITED),
        }
    }

    /// Gives all polls back: their frontends ask the new home.
    pub(crate) fn give_back(&self) {
        let mut queues = self.queues.lock();
        let polls: Vec<WaitingPoll> = queues.values_mut().flat_map(HomeQueue::take_all).collect();
        drop(queues);
        drop(polls);
    }

    pub(crate) fn waiting_polls(&self) -> usize {
        self.queues.lock().values().map(HomeQueue::polls).sum()
    }
}

impl IdlePolls for Home {
    fn take(self: Arc<Self>, name: &QueueKey) -> Option<TakenPoll> {
        let now = std::time::Instant::now();
        let (id, waiting) = {
            let mut queues = self.queues.lock();
            queues.get_mut(name)?.matcher.take_poll(now)?
        };
        let (poll, name) = (waiting.request.poll.clone(), name.clone());
        Some(TakenPoll::new(poll, move |polled| {
            let Some(polled) = polled else {
                self.with_queue(&name, |queue| {
                    queue.matcher.limit.give_back();
                    keep_waiting(queue, id, waiting);
                });
                // Where the process is ending, nothing is started any more.
                if tokio::runtime::Handle::try_current().is_ok() {
                    self.match_queue(&name);
                }
                return;
            };
            self.with_queue(&name, |queue| {
                queue.added.count(1, now);
                queue.dispatched.count(1, now);
            });
            // A poll that has gone meanwhile gives it back by dropping it.
            _ = waiting.reply.send(Some(polled));
        }))
    }
}

/// A poll that was given up, in whatever way its future ended, leaves the matcher.
struct PollGuard<'a> {
    answer: oneshot::Receiver<Option<Polled>>,
    home: &'a Home,
    queue: QueueKey,
    identity: String,
    id: PollId,
}

impl PollGuard<'_> {
    /// False if the poll does not wait any more: it was matched.
    fn take_back(&self) -> bool {
        self.home.queues.lock().get_mut(&self.queue).is_some_and(|queue| queue.give_up(self.id))
    }
}

impl Drop for PollGuard<'_> {
    fn drop(&mut self) {
        // First, so that a match that came to nothing does not put the poll back behind our back.
        self.answer.close();
        if let Some(queue) = self.home.queues.lock().get_mut(&self.queue) {
            queue.give_up(self.id);
            queue.pollers.left(&self.identity, std::time::Instant::now());
        }
    }
}

impl Home {
    /// Waits for a task. `None`: nothing came in time.
    pub(crate) async fn poll(self: &Arc<Self>, request: PollRequest) -> Result<Option<Polled>, CommandError> {
        let now = Instant::now();
        let expires = self.context.options().poll_expires(now, request.deadline);
        let last_call = request.deadline.checked_sub(self.context.options().long_poll_margin / 2).unwrap_or(now);
        let (reply, answer) = oneshot::channel();
        let mut guard = {
            let mut queues = self.queues.lock();
            let at = now.into_std();
            let queue = self.queue(&mut queues, &request.queue, at)?;
            let id = queue.matcher.poll_id();
            let (deployment, queue_rate) = (request.poll.deployment.clone(), request.queue_rate);
            queue.pollers.arrived(&request.poll.identity, PollerDetails { deployment, queue_rate }, at);
            if let Some(rate) = queue_rate {
                queue.matcher.limit.set_by_worker(rate);
            }
            let (identity, name) = (request.poll.identity.clone(), request.queue.clone());
            queue.matcher.poll(id, WaitingPoll { request, reply });
            PollGuard { answer, home: self, queue: name, identity, id }
        };
        self.match_queue(&guard.queue);
        self.lend(&guard);
        let polled = tokio::select! {
            biased;
            polled = &mut guard.answer => polled,
            () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
            () = tokio::time::sleep_until(expires) => {
                if guard.take_back() {
                    return Ok(None);
                }
                // Matched just now: the start is on its way.
                match tokio::time::timeout_at(last_call.max(expires), &mut guard.answer).await {
                    Ok(polled) => polled,
                    Err(_) => return Ok(None),
                }
            }
        };
        // The matcher drops a poll unanswered only when it gives all of them back.
        polled.map_err(|_| self.context.not_leader().into())
    }

    /// Lends a poll for which nothing is here to the node that it came to, whose leaders may start a task for it.
    fn lend(self: &Arc<Self>, guard: &PollGuard<'_>) {
        if self.context.level() < FeatureLevel::LENT_POLLS {
            return;
        }
        let here = self.context.router().mesh.node();
        let lent = self.queues.lock().get_mut(&guard.queue).and_then(|queue| queue.lend(guard.id, here));
        let Some((node, name)) = lent else { return };
        if !self.lent.add(node, (guard.queue.clone(), name)) {
            return;
        }
        let home = self.clone();
        tokio::spawn(async move {
            while let Some(polls) = home.lent.take(node) {
                let request = Request::LendPolls { polls: polls.clone() };
                let known = matches!(home.context.router().ask(node, request).await, Ok(Served::Answer(Answer::Done)));
                let mut names = HashSet::new();
                for (name, poll) in polls {
                    home.with_queue(&name, |queue| if known { queue.lent.known(poll) } else { queue.take_back(poll) });
                    names.insert(name);
                }
                // For tasks that came meanwhile.
                names.iter().for_each(|name| home.match_queue(name));
            }
        });
    }

    /// Calls lent polls back for the tasks that wait in a queue without polls. A node that has started a task for one lets it go.
    fn recall(self: &Arc<Self>, queue: &mut HomeQueue, name: &QueueKey) {
        for (node, polls) in queue.recall() {
            let (home, name) = (self.clone(), name.clone());
            tokio::spawn(async move {
                let request = Request::RecallPolls { queue: name.clone(), polls: polls.clone() };
                let back = match home.context.router().ask(node, request).await {
                    Ok(Served::Answer(Answer::Recalled(polls))) => polls,
                    // Those that the node has used as well give their second task back.
                    _ => polls,
                };
                home.with_queue(&name, |queue| back.into_iter().for_each(|poll| queue.take_back(poll)));
                home.match_queue(&name);
            });
        }
    }

    /// Tasks that were started for polls that this home has lent.
    pub(crate) fn dispatched(&self, tasks: Vec<(QueueKey, usize)>) {
        let now = std::time::Instant::now();
        for (name, count) in tasks {
            self.with_queue(&name, |queue| {
                queue.added.count(count, now);
                queue.dispatched.count(count, now);
            });
        }
    }

    /// Takes an owner's offers and revocations.
    pub(crate) fn take_offers(
        self: &Arc<Self>,
        owner: ShardId,
        offered: Vec<Offered>,
        revoked: Vec<(QueueKey, TaskKey)>,
    ) -> Result<(), ReadError> {
        let now = Instant::now();
        let mut to_match = Vec::new();
        let mut deserted = Vec::new();
        let mut queues = self.queues.lock();
        for (queue, key) in revoked {
            if let Some(queue) = queues.get_mut(&queue) {
                queue.matcher.revoke(&key);
            }
        }
        for offered in offered {
            let at = now.into_std();
            let queue = self.queue(&mut queues, offered.queue(), at)?;
            if offered.is_sticky() && self.is_deserted(queue, now) {
                deserted.push(offered);
                continue;
            }
            let name = offered.queue().clone();
            if queue.matcher.offer(offered.key(owner), offered, at) {
                queue.added.count(1, at);
                if to_match.last() != Some(&name) {
                    to_match.push(name);
                }
            }
        }
        drop(queues);
        self.tell_deserted(owner, deserted);
        for queue in to_match {
            self.match_queue(&queue);
        }
        Ok(())
    }

    /// The offers among these that this home does not hold: their owner makes them anew.
    pub(crate) fn missing(&self, offers: Vec<(QueueKey, TaskKey)>) -> Vec<TaskKey> {
        let queues = self.queues.lock();
        let missing = offers.into_iter().filter(|(name, key)| !queues.get(name).is_some_and(|q| q.matcher.holds(key)));
        missing.map(|(_, key)| key).collect()
    }

    /// A queue of this home, with what operators set of it.
    fn queue<'a>(
        &self,
        queues: &'a mut HashMap<QueueKey, HomeQueue>,
        name: &QueueKey,
        now: std::time::Instant,
    ) -> Result<&'a mut HomeQueue, ReadError> {
        match queues.entry(name.clone()) {
            Entry::Occupied(queue) => Ok(queue.into_mut()),
            Entry::Vacant(place) => {
                let config = queue_config::read(&*self.context.rows, name)?;
                Ok(place.insert(HomeQueue::new(config.as_ref(), self.since, now)))
            }
        }
    }

    /// An operator set something of a queue; it holds from now on.
    pub(crate) fn configured(self: &Arc<Self>, name: &QueueKey, config: &TaskQueueConfig) {
        // Of a queue that is not in memory the row is read when it comes.
        self.with_queue(name, |queue| queue.matcher.limit.set_by_api(limit_of(config)));
        self.match_queue(name);
    }

    /// Looks at a queue again when its limit allows the next task.
    fn wake_at(self: &Arc<Self>, queue: &mut HomeQueue, name: &QueueKey, then: Instant) {
        if queue.wakes.is_some_and(|wakes| wakes <= then) {
            return;
        }
        queue.wakes = Some(then);
        let (home, name) = (self.clone(), name.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = home.context.ended.cancelled() => return,
                () = tokio::time::sleep_until(then) => {}
            }
            home.with_queue(&name, |queue| queue.wakes = queue.wakes.filter(|wakes| *wakes != then));
            home.match_queue(&name);
        });
    }

    /// Starts whatever can be matched.
    fn match_queue(self: &Arc<Self>, name: &QueueKey) {
        let now = std::time::Instant::now();
        loop {
            let next = {
                let mut queues = self.queues.lock();
                let Some(queue) = queues.get_mut(name) else { return };
                self.recall(queue, name);
                match queue.matcher.next(now) {
                    Next::Match(next) => {
                        queue.dispatched.count(1, now);
                        next
                    }
                    Next::Wait(then) => return self.wake_at(queue, name, Instant::from_std(then)),
                    Next::Nothing => return,
                }
            };
            counter!("tenure_tasks_dispatched_total").increment(1);
            if next.waited < Duration::from_millis(5) {
                counter!("tenure_tasks_sync_matched_total").increment(1);
            }
            tokio::spawn(self.clone().start_matched(name.clone(), next));
        }
    }

    /// Has the owner start a matched task, and answers the poll with it.
    async fn start_matched(self: Arc<Self>, name: QueueKey, matched: QueueMatch) {
        let Match { key, task, poll_id, poll, .. } = matched;
        match self.start_at_owner(&task, &key, &poll).await {
            StartResult::Task(polled) => {
                self.with_queue(&name, |queue| queue.matcher.finished(&key));
                // A poll that has gone meanwhile gives it back by dropping it.
                _ = poll.reply.send(Some(polled));
            }
            StartResult::Obsolete => self.with_queue(&name, |queue| {
                queue.matcher.was_obsolete(&key);
                keep_waiting(queue, poll_id, poll);
            }),
            StartResult::Unsent => self.with_queue(&name, |queue| {
                queue.matcher.put_back(key, task, std::time::Instant::now());
                keep_waiting(queue, poll_id, poll);
            }),
            StartResult::Refused => {
                self.with_queue(&name, |queue| keep_waiting(queue, poll_id, poll));
                self.match_queue(&name);
                tokio::time::sleep(COOL_DOWN).await;
                self.with_queue(&name, |queue| queue.matcher.put_back(key, task, std::time::Instant::now()));
            }
            // If it was started after all, the next attempt is told that it is obsolete.
            StartResult::Unknown => {
                self.with_queue(&name, |queue| queue.matcher.put_back(key, task, std::time::Instant::now()));
            }
        }
        self.match_queue(&name);
    }

    /// The same proposal id is kept while the owner's leader changes, so that a start that was committed is found.
    async fn start_at_owner(&self, task: &Offered, key: &TaskKey, poll: &WaitingPoll) -> StartResult {
        let proposal = new_proposal_id();
        let router = self.context.router();
        let mut attempts = router.attempts(key.shard, poll.request.deadline + self.context.options().start_grace);
        // It may have been started although no answer came.
        let mut in_doubt = false;
        while let Some(owner) = attempts.next().await
            && !self.context.ended.is_cancelled()
        {
            if poll.reply.is_closed() && !in_doubt {
                return StartResult::Unsent;
            }
            let attempt = router.ask_at(owner, start_request(task, key, poll, proposal));
            match attempts.run(owner, attempt).await {
                Attempted::Answered(Served::Started(polled)) => return StartResult::Task(polled),
                Attempted::Answered(Served::Answer(Answer::Obsolete)) => return StartResult::Obsolete,
                Attempted::Answered(Served::Answer(Answer::Refused(error))) => {
                    tracing::warn!(shard = key.shard, %error, "a task could not be started");
                    return StartResult::Refused;
                }
                Attempted::Answered(Served::Answer(_)) => {
                    tracing::error!(shard = key.shard, "a start was answered with something else");
                    return StartResult::Refused;
                }
                Attempted::Failed | Attempted::Late => in_doubt = true,
            }
        }
        StartResult::Unknown
    }

    /// Changes a queue that is in memory, as one is for which a match is on its way.
    fn with_queue(&self, name: &QueueKey, change: impl FnOnce(&mut HomeQueue)) {
        if let Some(queue) = self.queues.lock().get_mut(name) {
            change(queue);
        }
    }

    /// Tells owners that nobody polls a sticky queue, so that its tasks move to their normal queues.
    fn tell_deserted(self: &Arc<Self>, owner: ShardId, deserted: Vec<Offered>) {
        if deserted.is_empty() {
            return;
        }
        let (mut tasks, mut queries) = (Vec::new(), Vec::new());
        for offered in deserted {
            match offered {
                Offered::Task(ReadyTask { run, stamp, .. }) => tasks.push((run, stamp)),
                Offered::Query { token, .. } => queries.push(token),
            }
        }
        let shared = self.context.router().clone();
        let request = Request::StickyUnavailable { owner, tasks, queries };
        // If it is lost the owner's sweep finds that they are not here, and offers them again. (Queries are looked after
        // by whoever waits for them.)
        let deadline = Instant::now() + self.context.options().sticky_alive;
        tokio::spawn(async move { shared.ask_leader(owner, request, deadline).await });
    }

    /// A sticky queue's worker said that it goes: its polls end, its tasks move to their normal queues.
    pub(crate) fn worker_gone(self: &Arc<Self>, name: &QueueKey) {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(name) else { return };
        queue.pollers = Pollers::default();
        let tasks = queue.matcher.revoke_where(|_| true);
        for poll in queue.matcher.cancel_all() {
            // One that has gone meanwhile needs no end.
            _ = poll.reply.send(None);
        }
        drop(queues);
        self.tell_owners(tasks);
    }

    fn tell_owners(self: &Arc<Self>, tasks: Vec<(TaskKey, Offered)>) {
        let mut by_owner: HashMap<ShardId, Vec<Offered>> = HashMap::new();
        for (key, offered) in tasks {
            by_owner.entry(key.shard).or_default().push(offered);
        }
        for (owner, deserted) in by_owner {
            self.tell_deserted(owner, deserted);
        }
    }

    /// Now and then: finds sticky queues that lost their worker and tasks that wait beside polls, forgets what is idle,
    /// gives polls back if this home may have been replaced without knowing.
    pub(crate) fn tick(self: &Arc<Self>) {
        let now = Instant::now();
        let (mut deserted, mut to_match) = (Vec::new(), Vec::new());
        let mut queues = self.queues.lock();
        queues.retain(|name, queue| {
            if queue.matcher.waiting_tasks() > 0 && queue.polls() > 0 {
                to_match.push(name.clone());
            }
            if queue.matcher.waiting_tasks() > 0 && self.is_deserted(queue, now) {
                deserted.extend(queue.matcher.revoke_where(Offered::is_sticky));
            }
            queue.pollers.forget(now.into_std());
            !queue.is_idle(now.into_std())
        });
        drop(queues);
        self.tell_owners(deserted);
        for queue in to_match {
            self.match_queue(&queue);
        }
        let waiting = self.waiting_polls();
        gauge!("tenure_pollers_waiting", "shard" => self.context.shard.to_string()).set(waiting as f64);
        if waiting > 0 && !self.context.replica.has_quorum() {
            self.give_back();
        }
    }

    /// Pollers and rates; what waits for them is the owners' to count.
    pub(crate) async fn describe(self: &Arc<Self>, name: &QueueKey) -> Result<QueueDescription, CommandError> {
        self.context.barrier().await?;
        let config = queue_config::read(&*self.context.rows, name)?;
        let now = std::time::Instant::now();
        let unseen = HomeQueue::new(config.as_ref(), self.since, now);
        let mut description =
            QueueDescription { config, rate_limit: unseen.matcher.limit.effective(), ..Default::default() };
        if let Some(queue) = self.queues.lock().get(name) {
            let wall = SystemTime::now();
            let pollers = queue.pollers.iter().map(|(identity, poller)| PollerInfo {
                identity: identity.to_owned(),
                last_access_time: Some((wall - now.saturating_duration_since(poller.last_access)).into()),
                rate_per_second: poller.details.queue_rate.unwrap_or(UNLIMITED),
                deployment_options: poller.details.deployment.as_ref().map(Encoded::decode),
                ..Default::default()
            });
            description.pollers = pollers.collect();
            description.rate_limit = queue.matcher.limit.effective();
            description.backlog_age = queue.matcher.oldest(now).unwrap_or_default();
            description.add_rate = queue.added.per_second(now) as f32;
            description.dispatch_rate = queue.dispatched.per_second(now) as f32;
        }
        Ok(description)
    }
}

/// The result of asking an owner for a start.
enum StartResult {
    Task(Polled),
    Obsolete,
    /// The poll went before the owner was asked.
    Unsent,
    /// The owner cannot start it now.
    Refused,
    Unknown,
}

fn start_request(task: &Offered, key: &TaskKey, poll: &WaitingPoll, proposal: ProposalId) -> Request {
    match task {
        Offered::Task(task) => {
            let (task, poll) = (task.clone(), poll.request.poll.clone());
            Request::Start(StartRequest { owner: key.shard, task, poll, proposal })
        }
        Offered::Query { token, .. } => Request::StartQuery { token: token.clone(), sticky: poll.request.sticky },
    }
}
