//! One shard's Raft group, as seen from this node's replica.

use crate::{
    log_store::LogStore,
    options::Options,
    pulse::Pulse,
    read_rounds::ReadRounds,
    recent::Recent,
    room::{Room, SharedRoom},
    state_machine::Rows,
    steps::Steps,
    types::{Payload, Raft, Term, TypeConfig},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use openraft::{
    Instant as _,
    async_runtime::WatchReceiver,
    errors::{ClientWriteError, Fatal, ForwardReason, ForwardToLeader},
    impls::ProgressResponder,
};
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_limits::{ENTRY, TERM_LEAP};
use tenure_storage::{Latencies, ShardId, ShardReader};
use tenure_vital::FatalHook;
use tokio::sync::watch;

/// Who leads a group, as far as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    pub leader: Option<u64>,
    /// The highest term that this replica has seen; where it leads, the term in which it leads.
    pub term: u64,
    /// This node leads. It may have been deposed without knowing: proposals and linearizable reads find out.
    pub is_leader: bool,
}

/// Why a proposal was not applied here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was not even appended: this node does not lead in that term.
    #[error("not the leader; the leader is {leader:?}")]
    NotLeader { leader: Option<u64> },
    /// It was not even appended: no entry is that large.
    #[error("transaction size of {0} bytes exceeds limit of {ENTRY} bytes")]
    TooLarge(usize),
    /// The leadership was lost while the entry was on its way: it may or may not have been committed.
    #[error("leadership was lost; the outcome is unknown; the leader is {leader:?}")]
    Lost { leader: Option<u64> },
    /// The group is shut down or dead; the outcome is unknown.
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

/// Why rows were not written at the first try.
enum Unwritten {
    /// No majority has acknowledged anything that was sent within the lease. Where followers' disks are slow, an answer is
    /// nearly as old as that when it comes.
    LeaseExpired,
    Other(ProposeError),
}

impl From<ProposeError> for Unwritten {
    fn from(error: ProposeError) -> Self {
        Unwritten::Other(error)
    }
}

impl From<Unwritten> for ProposeError {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::LeaseExpired => ProposeError::NotLeader { leader: None },
            Unwritten::Other(error) => error,
        }
    }
}

/// How long a leader whose lease has expired is believed to be one still, as long as it hears of no other; and when it is
/// asked again.
const LEASE_PATIENCE: Duration = Duration::from_secs(1);
const LEASE_PAUSE: Duration = Duration::from_millis(10);

/// Why the rows here cannot be read as the latest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("not the leader; the leader is {leader:?}")]
    NotLeader { leader: Option<u64> },
    /// A majority did not confirm the leadership in time.
    #[error("no contact with a majority")]
    NoQuorum,
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

/// Why a leadership was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("this node does not lead shard {0}")]
    NotLeader(ShardId),
    #[error("node {node} has no replica of shard {shard}")]
    NoReplica { node: u64, shard: ShardId },
    #[error("node {node} lags {entries} entries behind")]
    Lagging { node: u64, entries: u64 },
    #[error("node {0} does not answer")]
    Silent(u64),
    #[error("node {to} did not take over in time, and node {instead} leads instead")]
    TookOver { to: u64, instead: u64 },
    #[error("node {0} did not take over in time")]
    TimedOut(u64),
}

/// A group's numbers, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    pub leadership: Leadership,
    /// `leader`, `follower`, `candidate` or `learner`.
    pub role: &'static str,
    pub last_log_index: u64,
    pub committed_index: u64,
    pub applied_index: u64,
    pub purged_index: u64,
    pub voters: Vec<u64>,
    /// How many entries each other replica lacks, where this node leads; `None` for one that was not heard yet.
    pub lag: Vec<(u64, Option<u64>)>,
    /// Time since a majority last confirmed this node, where it leads.
    pub since_quorum: Option<Duration>,
}

/// A shard's group. Cheap to clone.
#[derive(Clone)]
pub struct Group(Arc<Inner>);

/// How far a replica has applied its log, what the last entries wrote, and how long entries took lately.
pub(crate) struct Applied {
    pub(crate) index: watch::Receiver<u64>,
    pub(crate) recent: Option<Recent>,
    pub(crate) commits: Arc<Latencies>,
}

struct Inner {
    shard: ShardId,
    node: u64,
    raft: Raft,
    log: LogStore,
    rows: Rows,
    leadership: watch::Receiver<Leadership>,
    /// What other nodes say of the leadership.
    heard: watch::Sender<Leadership>,
    applied: Applied,
    reads: ReadRounds,
    pulse: Pulse,
    stopping: AtomicBool,
    receiving: tokio::sync::Mutex<()>,
    changing: Arc<tokio::sync::Mutex<()>>,
    comparing: tokio::sync::Mutex<()>,
    proposing: tokio::sync::RwLock<()>,
    room: SharedRoom,
    /// Why the rows here are not to be relied on.
    damage: RwLock<Option<Arc<str>>>,
    steps: Steps,
    metrics: Metrics,
}

struct Metrics {
    commit_seconds: metrics::Histogram,
    proposals: metrics::Counter,
    proposals_failed: metrics::Counter,
}

impl Group {
    pub(crate) fn new(
        shard: ShardId,
        raft: Raft,
        log: LogStore,
        rows: Rows,
        applied: Applied,
        reads: ReadRounds,
        options: &Options,
    ) -> Group {
        let (tell_leadership, leadership) = watch::channel(Leadership::default());
        let metrics = Metrics {
            commit_seconds: metrics::histogram!("tenure_raft_commit_seconds"),
            proposals: metrics::counter!("tenure_raft_proposals_total"),
            proposals_failed: metrics::counter!("tenure_raft_proposals_failed_total"),
        };
        let group = Group(Arc::new(Inner {
            shard,
            node: options.node_id,
            raft,
            log,
            rows,
            leadership,
            heard: watch::Sender::default(),
            applied,
            reads,
            pulse: Pulse::default(),
            stopping: AtomicBool::new(false),
            receiving: tokio::sync::Mutex::default(),
            changing: Arc::default(),
            comparing: tokio::sync::Mutex::default(),
            proposing: tokio::sync::RwLock::default(),
            room: SharedRoom::default(),
            damage: RwLock::default(),
            steps: options.steps.clone(),
            metrics,
        }));
        let on_fatal = &options.on_fatal;
        on_fatal.spawn("the watch on groups", watch(group.clone(), tell_leadership, on_fatal.clone()));
        group
    }

    pub fn id(&self) -> ShardId {
        self.0.shard
    }

    /// Who leads, and changes of that. Terms never go back; a change may be skipped when others follow it quickly.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.clone()
    }

    /// Another node leads, as it says itself. It counts while the replica here has seen no such term: its own core may wait for
    /// the disk.
    pub(crate) fn hear_of(&self, leadership: Leadership) {
        self.0.heard.send_if_modified(|heard| {
            let newer = leadership.term > heard.term;
            if newer {
                *heard = leadership;
            }
            newer
        });
    }

    /// Replicates encoded write sets ([`tenure_storage::write_set::encode`]), if this node leads in `term`. Returns
    /// the entry's index once its rows are applied here. Dropping the future does not take the proposal back.
    pub fn propose(&self, term: u64, writes: Bytes) -> BoxFuture<'static, Result<u64, ProposeError>> {
        self.clone().replicate(term, writes).boxed()
    }

    async fn replicate(self, term: u64, writes: Bytes) -> Result<u64, ProposeError> {
        let begin = Instant::now();
        self.0.metrics.proposals.increment(1);
        if writes.len() > ENTRY {
            self.0.metrics.proposals_failed.increment(1);
            return Err(ProposeError::TooLarge(writes.len()));
        }
        let outcome = loop {
            match self.write(term, writes.clone()).await {
                Err(Unwritten::LeaseExpired) if begin.elapsed() < LEASE_PATIENCE && self.leads_in(term) => {
                    tokio::time::sleep(LEASE_PAUSE).await;
                }
                outcome => break outcome.map_err(ProposeError::from),
            }
        };
        match &outcome {
            Ok(_) => {
                let took = begin.elapsed();
                self.0.metrics.commit_seconds.record(took);
                self.0.applied.commits.record(took);
            }
            Err(_) => self.0.metrics.proposals_failed.increment(1),
        }
        outcome
    }

    /// Tries once to replicate rows.
    async fn write(&self, term: u64, writes: Bytes) -> Result<u64, Unwritten> {
        let (responder, outcome) = ProgressResponder::complete_only();
        let proposing = self.0.proposing.read().await;
        let sent = self.0.raft.write(Payload(writes)).with_leader(Term::new(term)).responder(responder).await;
        drop(proposing);
        sent.map_err(|fatal| ProposeError::Stopped(fatal.to_string()))?;
        match outcome.await {
            Ok(Ok(written)) => Ok(written.log_id.index),
            Ok(Err(ClientWriteError::ForwardToLeader(to))) => match to.reason {
                ForwardReason::LeaseExpired => Err(Unwritten::LeaseExpired),
                _ => Err(ProposeError::NotLeader { leader: self.other_leader(&to) }.into()),
            },
            Ok(Err(ClientWriteError::LogEntryDiscarded(to))) => {
                Err(ProposeError::Lost { leader: self.other_leader(&to) }.into())
            }
            Ok(Err(other)) => Err(ProposeError::Stopped(other.to_string()).into()),
            Err(_) => Err(ProposeError::Stopped("the core is gone".into()).into()),
        }
    }

    fn leads_in(&self, term: u64) -> bool {
        let now = *self.0.leadership.borrow();
        now.is_leader && now.term == term
    }

    /// Returns once the rows here show everything that was acknowledged before the call: a majority confirms that this
    /// node still leads (ReadIndex).
    pub async fn linearizable(&self) -> Result<(), ReadError> {
        self.0.reads.pass().await
    }

    /// The rows of this replica. A leader's reader stays good as long as it leads; a follower's fails with
    /// `Replaced` when a snapshot is installed.
    pub fn reader(&self) -> ShardReader {
        self.0.rows.current().reader()
    }

    /// Index of the last entry whose rows are applied here.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.0.applied.index.clone()
    }

    /// The encoded rows of the entries after `index` that are applied here; `None` if that is not known (any more), as for
    /// every shard but the system shard.
    pub fn written_since(&self, index: u64) -> Option<Vec<Bytes>> {
        self.0.applied.recent.as_ref()?.since(index)
    }

    /// Fingerprint of the rows here; equal on all replicas that applied the same index. Reads them all.
    pub async fn checksum(&self) -> Result<tenure_storage::RowSum, tenure_storage::StorageError> {
        let rows = self.0.rows.current();
        let sum = tokio::task::spawn_blocking(move || rows.checksum(0, || ())).await;
        sum.unwrap_or_else(|e| Err(std::io::Error::other(e).into()))
    }

    pub fn status(&self) -> GroupStatus {
        let metrics = self.0.raft.metrics().borrow_watched().clone();
        let last = metrics.last_log_index.unwrap_or(0);
        let lag = metrics.replication.iter().flatten().filter(|(node, _)| **node != self.0.node);
        GroupStatus {
            leadership: *self.0.leadership.borrow(),
            role: match metrics.state {
                openraft::ServerState::Leader => "leader",
                openraft::ServerState::Follower => "follower",
                openraft::ServerState::Candidate => "candidate",
                openraft::ServerState::Learner | openraft::ServerState::Shutdown => "learner",
            },
            last_log_index: last,
            committed_index: metrics.local_committed.map_or(0, |id| id.index),
            applied_index: *self.0.applied.index.borrow(),
            purged_index: metrics.purged.map_or(0, |id| id.index),
            voters: metrics.membership_config.membership().voter_ids().collect(),
            lag: lag.map(|(node, at)| (*node, at.map(|id| last.saturating_sub(id.index)))).collect(),
            since_quorum: metrics.last_quorum_acked.map(|at| at.elapsed()),
        }
    }

    /// Whether this node leads, as far as it knows.
    pub(crate) fn leads(&self) -> bool {
        self.0.leadership.borrow().is_leader
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// Notes that the rows here cannot be read, or are not those of the others: another replica is to lead from now on, as long
    /// as there is one.
    pub fn is_damaged(&self, cause: &str) {
        let mut damage = self.0.damage.write();
        if damage.is_none() {
            tracing::error!(shard = self.0.shard, cause, "the replica here is damaged");
            *damage = Some(cause.into());
            self.damaged_gauge().set(1.0);
            self.forbid_election(true);
        }
    }

    /// The rows here are new ones.
    pub(crate) fn is_whole(&self) {
        let mut damage = self.0.damage.write();
        *damage = None;
        self.damaged_gauge().set(0.0);
        self.forbid_election(false);
    }

    fn damaged_gauge(&self) -> metrics::Gauge {
        metrics::gauge!("tenure_shard_damaged", "shard" => self.0.shard.to_string())
    }

    /// Where there is another replica.
    pub(crate) fn forbid_election(&self, forbidden: bool) {
        self.0.raft.runtime_config().elect(!forbidden || self.status().voters.len() <= 1);
    }

    /// Why the rows here are not to be relied on, if that has been noticed.
    pub fn damage(&self) -> Option<Arc<str>> {
        self.0.damage.read().clone()
    }

    /// What there is room for on a majority of the voters' disks.
    pub fn has_room_for(&self) -> Room {
        self.0.room.get()
    }

    pub(crate) fn room(&self) -> &SharedRoom {
        &self.0.room
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.0.raft
    }

    pub(crate) fn reads(&self) -> &ReadRounds {
        &self.0.reads
    }

    pub(crate) fn log(&self) -> &LogStore {
        &self.0.log
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.0.rows
    }

    /// Held while a snapshot is being received: one at a time.
    pub(crate) fn receiving(&self) -> &tokio::sync::Mutex<()> {
        &self.0.receiving
    }

    /// Held to write while no new entries are taken.
    pub(crate) fn proposing(&self) -> &tokio::sync::RwLock<()> {
        &self.0.proposing
    }

    pub(crate) fn steps(&self) -> &Steps {
        &self.0.steps
    }

    /// Held while a step of a change of replicas is taken: one at a time.
    pub(crate) fn changing(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.0.changing
    }

    /// Held while the replicas are compared: one comparison at a time.
    pub(crate) fn comparing(&self) -> &tokio::sync::Mutex<()> {
        &self.0.comparing
    }

    /// The term in which this replica has voted last; zero if in none.
    pub(crate) fn voted_term(&self) -> u64 {
        self.0.log.vote().map_or(0, |vote| vote.leader_id.term)
    }

    /// Refuses a message of a term that no election of this group gets to.
    pub(crate) fn check_term(&self, term: u64) -> Result<(), String> {
        check_term(term, self.voted_term())
    }

    /// The node that this replica is on.
    pub(crate) fn node(&self) -> u64 {
        self.0.node
    }

    pub(crate) async fn shut_down(&self) {
        self.0.stopping.store(true, Ordering::Release);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(shard = self.0.shard, %error, "a group did not shut down cleanly");
        }
    }

    /// openraft may name this node as the leader (of another term); that is no help to a caller.
    fn other_leader(&self, to: &ForwardToLeader<TypeConfig>) -> Option<u64> {
        to.leader_id.filter(|leader| *leader != self.0.node)
    }
}

/// Tells of changes of leadership until the core ends. A group whose core has died serves nobody and tells nobody: the process
/// must not live on with it.
async fn watch(group: Group, tell: watch::Sender<Leadership>, on_fatal: FatalHook) {
    let (shard, node) = (group.0.shard, group.0.node);
    // These change with votes and leaders; the others with each entry.
    let mut server = group.0.raft.server_metrics();
    let mut heard = group.0.heard.subscribe();
    let changes = metrics::counter!("tenure_raft_leader_changes_total");
    let led = metrics::gauge!("tenure_raft_shards_led");
    loop {
        let now = {
            let metrics = server.borrow_and_update();
            let is_leader = metrics.state.is_leader() && metrics.current_leader == Some(node);
            Leadership { leader: metrics.current_leader, term: metrics.vote.leader_id.term, is_leader }
        };
        let elsewhere = *heard.borrow_and_update();
        let now = if elsewhere.term > now.term { elsewhere } else { now };
        let before = *tell.borrow();
        if before != now {
            tell.send_replace(now);
        }
        if before.leader != now.leader {
            tracing::info!(shard, leader = now.leader, term = now.term, "leader changed");
            changes.increment(u64::from(now.leader.is_some()));
        }
        led.increment(f64::from(u8::from(now.is_leader)) - f64::from(u8::from(before.is_leader)));
        let lives = tokio::select! {
            changed = server.changed() => changed.is_ok(),
            // The group holds the sender.
            _ = heard.changed() => true,
        };
        if !lives {
            led.decrement(f64::from(u8::from(now.is_leader)));
            // Whoever waits must not believe in a leader for ever.
            tell.send_replace(Leadership { leader: None, is_leader: false, ..now });
            break;
        }
    }
    if !group.0.stopping.load(Ordering::Acquire) {
        let metrics = group.0.raft.metrics();
        let cause = metrics.borrow_watched().running_state.clone().err().unwrap_or(Fatal::Stopped);
        on_fatal.report(&format!("the Raft group of shard {shard} died: {cause}"));
    }
}

/// A replica that voted in the highest term there is could never elect a leader again.
fn check_term(term: u64, ours: u64) -> Result<(), String> {
    let is_near = term <= ours.saturating_add(TERM_LEAP);
    is_near.then_some(()).ok_or_else(|| format!("term {term} is more than {TERM_LEAP} beyond term {ours}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_far_beyond_is_refused() {
        assert!(check_term(TERM_LEAP, 0).is_ok());
        assert!(check_term(7 + TERM_LEAP, 7).is_ok());
        for term in [8 + TERM_LEAP, u64::MAX] {
            assert!(check_term(term, 7).unwrap_err().contains("beyond term 7"));
        }
    }
}
