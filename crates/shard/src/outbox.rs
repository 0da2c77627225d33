//! The outbox: messages from runs of this shard to other workflow ids, delivered at least once. Rows are the truth;
//! the leader holds the names of the first ones and delivers those of one run to one workflow id in order, all others
//! side by side. What a message does is the engine's.

use crate::{
    error::CommandError,
    executions::own,
    messages::{Answer, Request},
    replica::Rows,
    runtime::LeaderRuntime,
    shared::{Attempt, Served},
};
use futures::{StreamExt, stream::FuturesUnordered};
use metrics::{counter, gauge, histogram};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tenure_api::error::Code;
use tenure_engine::{
    Reply, RowKey, RunKey, ShardCommand, Stamp, WorkflowKey, codec,
    outbox::{OutboxEntry, OutboxMessage},
    rows::ReadError,
};
use tokio::{sync::Notify, time::Instant};

/// First and longest wait before a message is tried again.
const RETRY: Duration = Duration::from_millis(25);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// Unreadable rows are read again after this time.
const RELOAD: Duration = Duration::from_secs(1);

pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// There is something to deliver, or sooner than before.
    changed: Notify,
    window: usize,
}

/// Messages of a lane are delivered one after the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LaneKey {
    from: RunKey,
    to: WorkflowKey,
}

#[derive(Default)]
struct Lane {
    /// With the time at which each was heard of.
    waiting: BTreeMap<Stamp, Instant>,
    /// How often its first message was tried in vain.
    attempts: u32,
}

struct Inner {
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes whose first message is not being delivered, by when it is to be.
    due: BTreeSet<(Instant, LaneKey)>,
    /// Messages in all lanes.
    held: usize,
    /// There are, or may be, messages on disk that are not held. Until they were read no new one is held, so that of
    /// each run the first messages are.
    more: bool,
}

impl Inner {
    fn hold(&mut self, entry: OutboxEntry, now: Instant) {
        let OutboxEntry { from, stamp, to } = entry;
        let key = LaneKey { from, to };
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| {
            self.due.insert((now, key));
            Lane::default()
        });
        if lane.waiting.insert(stamp, now).is_none() {
            self.held += 1;
        }
    }
}

impl Outbox {
    /// `window`: messages whose names are held in memory.
    pub(crate) fn load(rows: &dyn Rows, window: usize) -> Result<Outbox, ReadError> {
        let inner = Inner { lanes: HashMap::new(), due: BTreeSet::new(), held: 0, more: true };
        let outbox = Outbox { inner: Mutex::new(inner), changed: Notify::new(), window };
        outbox.reload(rows)?;
        Ok(outbox)
    }

    /// Reads the first messages; those that are held are among them. Effects wait meanwhile, so none is missed.
    fn reload(&self, rows: &dyn Rows) -> Result<(), ReadError> {
        let mut inner = self.inner.lock();
        let entries = rows.outbox(self.window)?;
        inner.more = entries.len() == self.window;
        let now = Instant::now();
        for entry in entries {
            inner.hold(entry, now);
        }
        Ok(())
    }

    /// A message was written.
    pub(crate) fn ready(&self, entry: OutboxEntry) {
        let mut inner = self.inner.lock();
        if inner.more || inner.held >= self.window {
            inner.more = true;
            return;
        }
        inner.hold(entry, Instant::now());
        drop(inner);
        self.changed.notify_one();
    }

    /// Takes lanes that are due, each with its first message and when that was heard of; tells when the next is due.
    fn take_due(&self, now: Instant, most: usize) -> (Vec<(LaneKey, Stamp, Instant)>, Option<Instant>) {
        let mut inner = self.inner.lock();
        let mut taken = Vec::new();
        while taken.len() < most
            && inner.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, key)) = inner.due.pop_first()
        {
            let first = inner.lanes.get(&key).and_then(|lane| lane.waiting.first_key_value());
            if let Some((&stamp, &since)) = first {
                taken.push((key, stamp, since));
            }
        }
        (taken, inner.due.first().map(|(at, _)| *at))
    }

    /// A lane's first message was answered for good, or is to be tried again.
    fn tried(&self, key: LaneKey, stamp: Stamp, answered: bool) {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let Some(lane) = inner.lanes.get_mut(&key) else { return };
        let mut at = Instant::now();
        if answered {
            lane.attempts = 0;
            if lane.waiting.remove(&stamp).is_some() {
                inner.held -= 1;
            }
            if lane.waiting.is_empty() {
                inner.lanes.remove(&key);
                return;
            }
        } else {
            at += RETRY.saturating_mul(1 << lane.attempts.min(10)).min(LONGEST_RETRY);
            lane.attempts += 1;
        }
        inner.due.insert((at, key));
    }

    fn wants_reload(&self) -> bool {
        let inner = self.inner.lock();
        inner.more && inner.held <= self.window / 4
    }

    fn len(&self) -> usize {
        self.inner.lock().held
    }
}

impl LeaderRuntime {
    /// Delivers messages until the leader ends.
    pub(crate) async fn run_outbox(self: Arc<Self>) {
        let mut delivering = FuturesUnordered::new();
        let pending = gauge!("tenure_outbox_pending", "shard" => self.shard.to_string());
        let ended = self.ended.clone();
        let ended = ended.cancelled();
        tokio::pin!(ended);
        loop {
            let mut wake = Instant::now() + Duration::from_secs(3600);
            if self.outbox.wants_reload()
                && let Err(error) = self.outbox.reload(&*self.rows)
            {
                tracing::error!(shard = self.shard, %error, "the outbox cannot be read");
                wake = Instant::now() + RELOAD;
            }
            let room = self.options.messages_in_flight.saturating_sub(delivering.len());
            let (due, next) = self.outbox.take_due(Instant::now(), room);
            delivering.extend(due.into_iter().map(|(key, stamp, since)| self.deliver(key, stamp, since)));
            if delivering.len() < self.options.messages_in_flight
                && let Some(next) = next
            {
                wake = wake.min(next);
            }
            pending.set(self.outbox.len() as f64);
            tokio::select! {
                () = &mut ended => break,
                () = self.outbox.changed.notified() => {}
                Some((key, stamp, answered)) = delivering.next(), if !delivering.is_empty() => {
                    self.outbox.tried(key, stamp, answered);
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        pending.set(0.0);
    }

    /// Tries to deliver one message, and says whether it was answered and the answer taken.
    async fn deliver(self: &Arc<Self>, key: LaneKey, stamp: Stamp, since: Instant) -> (LaneKey, Stamp, bool) {
        let answered = match self.try_deliver(&key, stamp).await {
            Ok(()) => true,
            Err(error) => {
                let (from, to) = (&key.from.workflow.workflow_id, &key.to.workflow_id);
                tracing::debug!(shard = self.shard, %from, %to, %error, "a message is tried again");
                counter!("tenure_outbox_retries_total").increment(1);
                false
            }
        };
        if answered {
            counter!("tenure_outbox_delivered_total").increment(1);
            histogram!("tenure_outbox_delivery_seconds").record(since.elapsed());
        }
        (key, stamp, answered)
    }

    async fn try_deliver(self: &Arc<Self>, key: &LaneKey, stamp: Stamp) -> Result<(), NotDelivered> {
        let row = RowKey::Outbox { run: key.from.clone(), stamp };
        // It was delivered before this leader heard of it.
        let Some(value) = self.rows.get(&row)? else { return Ok(()) };
        let message: OutboxMessage =
            codec::decode(&value).map_err(|e| ReadError::Corrupt { key: row, cause: e.to_string() })?;
        let to = self.shared.mesh.shard_of(key.to.slot());
        let request = Request::Deliver { to, from: key.from.clone(), message };
        let receipt = match self.shared.ask_once(to, request).await {
            Attempt::Served(Served::Answer(Answer::Received(receipt))) => receipt,
            Attempt::Served(_) | Attempt::NoLeader | Attempt::Failed => return Err(NotDelivered::NoAnswer(to)),
        };
        let command = ShardCommand::Delivered { run_id: key.from.run_id, stamp, receipt };
        let workflow = key.from.workflow.clone();
        self.execute(own(workflow, command)).await?;
        Ok(())
    }

    /// Takes a message for a workflow id of this shard.
    pub(crate) async fn receive(self: &Arc<Self>, from: RunKey, message: OutboxMessage) -> Served {
        let workflow = message.to.clone();
        let command = ShardCommand::Deliver { from, message: Box::new(message) };
        match self.execute(own(workflow, command)).await {
            Ok(Reply::Received(receipt)) => Served::Answer(Answer::Received(receipt)),
            Ok(reply) => Served::refused(Code::Internal, format!("no receipt but {reply:?}")),
            Err(CommandError::NotLeader(not_leader)) => Served::Answer(Answer::NotLeader(not_leader)),
            // It is sent again until the receiver has room for it.
            Err(CommandError::Api(error)) if error.code == Code::ResourceExhausted => {
                Served::Answer(Answer::Refused(error))
            }
            Err(CommandError::Api(error)) => {
                tracing::warn!(shard = self.shard, %error, "a message was refused");
                Served::Answer(Answer::Refused(error))
            }
        }
    }
}

/// Why a message has to be tried again.
#[derive(Debug, thiserror::Error)]
enum NotDelivered {
    #[error("no receipt from shard {0}")]
    NoAnswer(crate::replica::ShardId),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Command(#[from] CommandError),
}
