//! One queue at its home.

use super::lent::LentPolls;
use crate::{
    node::polled::Polled,
    seam::{
        messages::{Offered, TaskKey},
        replica::NodeId,
    },
};
use std::collections::BTreeMap;
use tenure_api::{deployment::v1::WorkerDeploymentOptions, taskqueue::v1::TaskQueueConfig};
use tenure_engine::{ProposalId, QueueKey, command::Poll, proto::Encoded};
use tenure_queue::{Match, Matcher, PollId, Pollers, Rate, RateLimit};
use tokio::{sync::oneshot, time::Instant};

/// Shown as the rate of a worker that wants no limit, as in the reference server.
pub(super) const UNLIMITED: f64 = 100_000.0;

/// A long poll for a task.
#[derive(Clone, Debug)]
pub struct PollRequest {
    pub queue: QueueKey,
    /// Names the poll on the node that it came to.
    pub id: ProposalId,
    pub poll: Poll,
    /// The queue is a sticky one.
    pub sticky: bool,
    /// Tasks a second that the worker wants of the whole queue; `None`: it does not say.
    pub queue_rate: Option<f64>,
    /// The caller's deadline; the poll ends a bit earlier.
    pub deadline: Instant,
}

/// A task that was matched with a poll.
pub(super) type QueueMatch = Match<TaskKey, Offered, WaitingPoll>;

/// What a home holds of one queue.
pub(super) struct HomeQueue {
    pub(super) matcher: Matcher<TaskKey, Offered, WaitingPoll>,
    /// Polls that wait elsewhere for the time being.
    pub(super) lent: LentPolls,
    pub(super) pollers: Pollers<PollerDetails>,
    pub(super) added: Rate,
    pub(super) dispatched: Rate,
    /// When the queue's limit is looked at again.
    pub(super) wakes: Option<Instant>,
}

/// What a worker said of itself.
pub(super) struct PollerDetails {
    pub(super) deployment: Option<Encoded<WorkerDeploymentOptions>>,
    pub(super) queue_rate: Option<f64>,
}

/// A poll that waits for a task.
pub(super) struct WaitingPoll {
    pub(super) request: PollRequest,
    /// `None` ends the poll without a task.
    pub(super) reply: oneshot::Sender<Option<Polled>>,
}

impl HomeQueue {
    /// A queue of a home that leads since `since`: what an earlier home allowed is not known, so nothing is saved up
    /// of the limit at that time.
    pub(super) fn new(config: Option<&TaskQueueConfig>, since: Instant, now: std::time::Instant) -> Self {
        let mut matcher = Matcher::new(RateLimit::new(since.into_std()));
        matcher.limit.set_by_api(config.and_then(limit_of));
        let (added, dispatched) = (Rate::new(now), Rate::new(now));
        HomeQueue { matcher, lent: LentPolls::default(), pollers: Pollers::default(), added, dispatched, wakes: None }
    }

    /// All polls of the queue, but those that are matched.
    pub(super) fn polls(&self) -> usize {
        self.matcher.waiting_polls() + self.lent.len()
    }

    /// Lends a poll to the node that it came to, if nothing here is for it; gives that node, and the poll's name. At least as
    /// many polls stay as are lent. A queue with a limit is dealt out by its home alone.
    pub(super) fn lend(&mut self, id: PollId, here: NodeId) -> Option<(NodeId, ProposalId)> {
        let PollRequest { id: name, poll, .. } = &self.matcher.waiting_poll(id)?.request;
        let (node, name) = (poll.process.node, *name);
        let to_spare = self.matcher.waiting_polls() >= self.lent.len() + 2;
        if node == here || self.is_limited() || !to_spare || self.matcher.waiting_tasks() > 0 {
            return None;
        }
        self.lent.insert(id, self.matcher.cancel(id)?);
        Some((node, name))
    }

    /// The lent polls that are to be called back, by their nodes: for tasks that wait here, or because there is a limit now.
    pub(super) fn recall(&mut self) -> BTreeMap<NodeId, Vec<ProposalId>> {
        let wanted = match (self.is_limited(), self.matcher.waiting_polls()) {
            (true, _) => self.lent.len(),
            (false, 0) => self.matcher.waiting_tasks(),
            (false, _) => 0,
        };
        self.lent.recall(wanted)
    }

    fn is_limited(&self) -> bool {
        self.matcher.limit.effective().is_some_and(|(rate, _)| rate < UNLIMITED)
    }

    /// A poll waits no more. False if it did not: it is matched, or gone.
    pub(super) fn give_up(&mut self, id: PollId) -> bool {
        self.matcher.cancel(id).or_else(|| self.lent.remove(id)).is_some()
    }

    /// Takes out all polls that wait.
    pub(super) fn take_all(&mut self) -> Vec<WaitingPoll> {
        let mut polls = self.matcher.cancel_all();
        polls.extend(self.lent.take_all());
        polls
    }

    /// A lent poll waits here again.
    pub(super) fn take_back(&mut self, name: ProposalId) {
        if let Some((id, poll)) = self.lent.remove_named(name) {
            keep_waiting(self, id, poll);
        }
    }

    /// Nobody would notice if it were forgotten.
    pub(super) fn is_idle(&self, now: std::time::Instant) -> bool {
        self.matcher.is_idle() && self.lent.is_empty() && self.pollers.is_empty() && self.matcher.limit.is_rested(now)
    }
}

/// Tasks a second that an operator allows the whole queue.
pub(super) fn limit_of(config: &TaskQueueConfig) -> Option<f64> {
    let limit = config.queue_rate_limit.as_ref()?.rate_limit?;
    Some(f64::from(limit.requests_per_second))
}

/// A poll that got nothing after all waits on, in its old place.
pub(super) fn keep_waiting(queue: &mut HomeQueue, id: PollId, poll: WaitingPoll) {
    if !poll.reply.is_closed() {
        queue.matcher.poll(id, poll);
    }
}
