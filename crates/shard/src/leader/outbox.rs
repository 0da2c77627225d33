//! The outbox: messages from subjects of this shard to others, delivered at least once. Rows are the truth;
//! the leader holds the names of the first ones for each shard, so that one that cannot be served holds up nothing but
//! its own, and delivers those of one sender to one address in order, all others side by side. What a message does is
//! the engine's.

use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
    },
    node::{polled::Served, share::Share},
    seam::{
        error::CommandError,
        messages::{Answer, Request},
        replica::{Mesh, Rows, SYSTEM_SHARD, ShardId},
    },
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
    Address, Reply, RowKey, ShardCommand, Stamp, Subject, codec,
    outbox::{OutboxEntry, OutboxMessage},
    rows::ReadError,
};
use tokio::{sync::Notify, time::Instant};

/// First and longest wait before a message is tried again.
const RETRY: Duration = Duration::from_millis(25);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// Unreadable rows are read again after this time.
const RELOAD: Duration = Duration::from_secs(1);

/// Rows that are read at once.
const PAGE: usize = 1000;

/// Delivers the messages of one leader's subjects.
pub(crate) struct Outbox {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    window: Mutex<OutboxWindow>,
    /// Notified when there is something to deliver, or sooner than before.
    changed: Notify,
}

/// Messages of a channel are delivered one after the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ChannelKey {
    from: Subject,
    to: Address,
}

#[derive(Default)]
struct Channel {
    /// The messages, each with the time at which it was written or read.
    waiting: BTreeMap<Stamp, Instant>,
    /// How often the first message was tried in vain.
    attempts: u32,
}

/// The messages for one shard.
#[derive(Default)]
struct Target {
    channels: HashMap<ChannelKey, Channel>,
    /// Channels whose first message is not being delivered, by when it is to be.
    due: BTreeSet<(Instant, ChannelKey)>,
    /// Messages in all channels.
    held: usize,
    /// Messages that are being delivered.
    in_flight: usize,
    held_up_to: HeldUpTo,
}

/// Which of a shard's messages are held. Of each channel the first ones are, whatever it is: a message is not held unless
/// all that come before it in the order of rows are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum HeldUpTo {
    /// All that have been scanned.
    #[default]
    Scan,
    /// All that there are.
    End,
    /// The first ones; the next scan goes on where there is room.
    Window,
}

/// A message's place in the order of rows.
type RowPlace = (u16, Subject, Stamp);

/// The messages whose names are held in memory.
pub(crate) struct OutboxWindow {
    targets: HashMap<ShardId, Target>,
    scan: Scan,
    mesh: Arc<dyn Mesh>,
    /// Messages that are held; all shards have the same part of it.
    size: Share,
    /// Messages for one shard that are being delivered.
    in_flight: usize,
}

/// Rows are read in pages, from the first to the last.
enum Scan {
    Idle,
    /// Rows have been read up to this place.
    At(Option<RowPlace>),
}

impl Target {
    fn hold(&mut self, entry: OutboxEntry, now: Instant, window: usize) {
        if self.held >= window {
            self.held_up_to = HeldUpTo::Window;
            return;
        }
        let OutboxEntry { from, stamp, to } = entry;
        let key = ChannelKey { from, to };
        let channel = self.channels.entry(key.clone()).or_insert_with(|| {
            self.due.insert((now, key));
            Channel::default()
        });
        if channel.waiting.insert(stamp, now).is_none() {
            self.held += 1;
        }
    }

    fn wants_more(&self, window: usize) -> bool {
        self.held_up_to == HeldUpTo::Window && self.held <= window / 4
    }

    /// A channel's first message was answered for good: the next one follows at once.
    fn answered(&mut self, key: ChannelKey, stamp: Stamp) {
        let Some(channel) = self.channels.get_mut(&key) else { return };
        channel.attempts = 0;
        if channel.waiting.remove(&stamp).is_some() {
            self.held -= 1;
        }
        if channel.waiting.is_empty() {
            self.channels.remove(&key);
        } else {
            self.due.insert((Instant::now(), key));
        }
    }

    /// A channel's first message is to be tried again, later each time.
    fn failed(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get_mut(&key) else { return };
        let wait = RETRY.saturating_mul(1 << channel.attempts.min(10)).min(LONGEST_RETRY);
        channel.attempts += 1;
        self.due.insert((Instant::now() + wait, key));
    }
}

/// A message's place among the rows, as storage sorts them.
fn place(entry: &OutboxEntry) -> RowPlace {
    (entry.from.lane.slot(), entry.from.clone(), entry.stamp)
}

impl OutboxWindow {
    /// Messages for one shard that are held.
    fn window(&self) -> usize {
        (self.size.get() / self.targets.len().max(1)).max(1)
    }

    fn wants_scan(&self) -> bool {
        match self.scan {
            Scan::At(_) => true,
            Scan::Idle => self.targets.values().any(|target| target.wants_more(self.window())),
        }
    }

    /// Begins a scan, or goes on with one; gives the place behind which to read.
    fn begin_scan(&mut self) -> Option<RowPlace> {
        if let Scan::At(place) = &self.scan {
            return place.clone();
        }
        let window = self.window();
        for target in self.targets.values_mut().filter(|target| target.wants_more(window)) {
            target.held_up_to = HeldUpTo::Scan;
        }
        self.scan = Scan::At(None);
        None
    }

    fn end_scan(&mut self) {
        for target in self.targets.values_mut().filter(|target| target.held_up_to == HeldUpTo::Scan) {
            target.held_up_to = HeldUpTo::End;
        }
        self.scan = Scan::Idle;
    }

    /// A message that was written just now is not left to a scan that is to come to its place.
    fn was_scanned(&self, place: &RowPlace) -> bool {
        match &self.scan {
            Scan::Idle => true,
            Scan::At(scanned) => scanned.as_ref().is_some_and(|scanned| place <= scanned),
        }
    }

    /// `size`: messages whose names are held in memory; `in_flight`: messages that are delivered at once. All shards
    /// have the same share of both.
    pub(crate) fn load(
        rows: &dyn Rows,
        mesh: Arc<dyn Mesh>,
        size: Share,
        in_flight: usize,
    ) -> Result<OutboxWindow, ReadError> {
        let shards: Vec<_> = mesh.replicas().iter().map(|r| r.shard()).filter(|shard| *shard != SYSTEM_SHARD).collect();
        let in_flight = (in_flight / shards.len().max(1)).max(1);
        let targets = shards.into_iter().map(|shard| (shard, Target::default())).collect();
        let mut window = OutboxWindow { targets, scan: Scan::At(None), mesh, size, in_flight };
        window.scan(rows)?;
        Ok(window)
    }

    /// Reads the next page of rows, if there is room for more messages of some shard. True if there is more to read at
    /// once.
    fn scan(&mut self, rows: &dyn Rows) -> Result<bool, ReadError> {
        if !self.wants_scan() {
            return Ok(false);
        }
        let after = self.begin_scan().map(|(_, from, stamp)| (from, stamp));
        let entries = rows.outbox(after.as_ref(), PAGE)?;
        let more = entries.len() == PAGE;
        if let Some(last) = entries.last() {
            self.scan = Scan::At(Some(place(last)));
        }
        let (now, window) = (Instant::now(), self.window());
        for entry in entries {
            let target = self.targets.entry(self.mesh.shard_of(entry.to.slot())).or_default();
            if target.held_up_to == HeldUpTo::Scan {
                target.hold(entry, now, window);
            }
        }
        if !more {
            self.end_scan();
        }
        Ok(more)
    }

    /// A message was written.
    fn ready(&mut self, entry: OutboxEntry) {
        let (was_scanned, window) = (self.was_scanned(&place(&entry)), self.window());
        let target = self.targets.entry(self.mesh.shard_of(entry.to.slot())).or_default();
        match target.held_up_to {
            HeldUpTo::End => target.hold(entry, Instant::now(), window),
            HeldUpTo::Scan if was_scanned => target.hold(entry, Instant::now(), window),
            HeldUpTo::Scan | HeldUpTo::Window => {}
        }
    }

    /// Takes channels that are due, each with its first message and when that was heard of; tells when the next is due.
    fn take_due(&mut self, now: Instant) -> (Vec<(ChannelKey, Stamp, Instant)>, Option<Instant>) {
        let (mut taken, mut next) = (Vec::new(), None);
        for target in self.targets.values_mut() {
            while target.in_flight < self.in_flight
                && target.due.first().is_some_and(|(at, _)| *at <= now)
                && let Some((_, key)) = target.due.pop_first()
            {
                let first = target.channels.get(&key).and_then(|channel| channel.waiting.first_key_value());
                if let Some((&stamp, &since)) = first {
                    target.in_flight += 1;
                    taken.push((key, stamp, since));
                }
            }
            // A shard that is busy goes on when one of its messages is answered.
            if target.in_flight < self.in_flight {
                next = next.into_iter().chain(target.due.first().map(|(at, _)| *at)).min();
            }
        }
        (taken, next)
    }

    /// A channel's first message is not being delivered any more. Gives the messages for the same shard.
    fn attempt_ended(&mut self, key: &ChannelKey) -> &mut Target {
        let target = self.targets.entry(self.mesh.shard_of(key.to.slot())).or_default();
        target.in_flight = target.in_flight.saturating_sub(1);
        target
    }

    fn len(&self) -> usize {
        self.targets.values().map(|target| target.held).sum()
    }
}

impl Outbox {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>, window: OutboxWindow) -> Outbox {
        Outbox { context, executions, window: Mutex::new(window), changed: Notify::new() }
    }

    /// A message was written.
    pub(crate) fn ready(&self, entry: OutboxEntry) {
        self.window.lock().ready(entry);
        self.changed.notify_one();
    }

    /// Delivers messages until the leader ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut delivering = FuturesUnordered::new();
        let pending = gauge!("tenure_outbox_pending", "shard" => self.context.shard.to_string());
        let ended = self.context.ended.clone();
        let ended = ended.cancelled();
        tokio::pin!(ended);
        loop {
            let mut wake = Instant::now() + Duration::from_secs(3600);
            // Effects wait meanwhile, so none is missed.
            let scanned = self.window.lock().scan(&*self.context.rows);
            match scanned {
                Ok(true) => wake = Instant::now(),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(shard = self.context.shard, %error, "the outbox cannot be read");
                    wake = Instant::now() + RELOAD;
                }
            }
            let (due, next) = self.window.lock().take_due(Instant::now());
            delivering.extend(due.into_iter().map(|(key, stamp, since)| self.deliver(key, stamp, since)));
            wake = next.map_or(wake, |next| wake.min(next));
            pending.set(self.window.lock().len() as f64);
            tokio::select! {
                () = &mut ended => break,
                () = self.changed.notified() => {}
                Some((key, stamp, answered)) = delivering.next(), if !delivering.is_empty() => {
                    let mut window = self.window.lock();
                    let target = window.attempt_ended(&key);
                    if answered { target.answered(key, stamp) } else { target.failed(key) }
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        pending.set(0.0);
    }

    /// Tries to deliver one message, and says whether it was answered and the answer taken.
    async fn deliver(self: &Arc<Self>, key: ChannelKey, stamp: Stamp, since: Instant) -> (ChannelKey, Stamp, bool) {
        let answered = match self.try_deliver(&key, stamp).await {
            Ok(()) => true,
            Err(error) => {
                let ChannelKey { from, to } = &key;
                tracing::debug!(shard = self.context.shard, %from, ?to, %error, "a message is tried again");
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

    async fn try_deliver(self: &Arc<Self>, key: &ChannelKey, stamp: Stamp) -> Result<(), NotDelivered> {
        let row = RowKey::Outbox { from: key.from.clone(), stamp };
        // It was delivered before this leader heard of it.
        let Some(value) = self.context.rows.get(&row)? else { return Ok(()) };
        let message: OutboxMessage = codec::decode(&value).map_err(|e| ReadError::corrupt(row, e))?;
        let to = self.context.router().mesh.shard_of(key.to.slot());
        let request = Request::Receive { to, from: key.from.clone(), message };
        let served = self.context.router().ask_once(to, request).await;
        let Some(Served::Answer(Answer::Received(receipt))) = served else { return Err(NotDelivered::NoAnswer(to)) };
        let command = ShardCommand::Acknowledge { instance: key.from.instance, stamp, receipt };
        self.executions.execute(own(key.from.lane.clone(), command)).await?;
        Ok(())
    }

    /// Takes a message for a subject of this shard.
    pub(crate) async fn receive(self: &Arc<Self>, from: Subject, message: OutboxMessage) -> Served {
        let Address::Lane(to) = message.to.clone();
        let command = ShardCommand::Receive { from, message: Box::new(message) };
        match self.executions.execute(own(to, command)).await {
            Ok(Reply::Received(receipt)) => Served::Answer(Answer::Received(receipt)),
            Ok(reply) => Served::refused(Code::Internal, format!("no receipt but {reply:?}")),
            Err(error) => {
                // Where the receiver has no room for it, it is sent again until there is.
                if let CommandError::Api(refusal) = &error
                    && refusal.code != Code::ResourceExhausted
                {
                    tracing::warn!(shard = self.context.shard, error = %refusal, "a message was refused");
                }
                Served::Answer(error.into())
            }
        }
    }
}

/// Why a message has to be tried again.
#[derive(Debug, thiserror::Error)]
enum NotDelivered {
    #[error("no receipt from shard {0}")]
    NoAnswer(ShardId),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Command(#[from] CommandError),
}
