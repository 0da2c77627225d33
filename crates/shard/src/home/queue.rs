//! One queue at its home.

use crate::{
    node::polled::Polled,
    seam::messages::{Offered, TaskKey},
};
use tenure_api::{deployment::v1::WorkerDeploymentOptions, taskqueue::v1::TaskQueueConfig};
use tenure_engine::{QueueKey, command::Poll, proto::Encoded};
use tenure_queue::{Match, Matcher, PollId, Pollers, Rate, RateLimit};
use tokio::{sync::oneshot, time::Instant};

/// A long poll for a task.
#[derive(Clone, Debug)]
pub struct PollRequest {
    pub queue: QueueKey,
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
        HomeQueue { matcher, pollers: Pollers::default(), added, dispatched, wakes: None }
    }

    /// Nobody would notice if it were forgotten.
    pub(super) fn is_idle(&self, now: std::time::Instant) -> bool {
        self.matcher.is_idle() && self.pollers.is_empty() && self.matcher.limit.is_rested(now)
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
