//! Linearizable reads: a leader makes sure that it still leads, in rounds that many reads share.
//!
//! A leader that has passed a barrier of openraft in its term has applied all that earlier leaders acknowledged, and what it
//! acknowledges itself it has applied before. Its rows lack something only if there is a later leader. There was none when
//! a read began if a majority still has voted in no later term when it is asked afterwards. That question goes to the
//! logs of the replicas, past the cores of openraft, and what all groups ask one peer shares frames. Whenever it is not
//! answered as hoped, openraft confirms the leadership, or says why it cannot.

use crate::{
    codec,
    group::ReadError,
    links::Links,
    log_store::LogStore,
    network::Kind,
    options::Options,
    types::{Raft, TypeConfig},
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use openraft::{
    ReadPolicy,
    async_runtime::WatchReceiver,
    errors::{ForwardToLeader, LinearizableReadError, RaftError},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tenure_peer::Order;
use tenure_storage::ShardId;
use tenure_vital::FatalHook;
use tokio::sync::oneshot;

/// The rounds of one group. Clones share them.
#[derive(Clone)]
pub(crate) struct ReadRounds(Arc<Inner>);

struct Inner {
    shard: ShardId,
    node: u64,
    raft: Raft,
    log: LogStore,
    links: Links,
    /// Rows of this group are read at followers, too, which may have applied what the leader has not: only openraft's
    /// barrier waits for that.
    read_everywhere: bool,
    /// How long peers may take to tell their votes, before openraft is asked instead.
    patience: Duration,
    /// The last term in which this node has passed a barrier of openraft as the leader.
    established: AtomicU64,
    waiting: Mutex<Waiting>,
    on_fatal: FatalHook,
    rounds: metrics::Counter,
    fallbacks: metrics::Counter,
}

/// Readers that wait for the next round: all that came while one was on its way share it.
#[derive(Default)]
struct Waiting {
    running: bool,
    readers: Vec<oneshot::Sender<Result<(), ReadError>>>,
}

impl ReadRounds {
    pub(crate) fn new(
        shard: ShardId,
        raft: Raft,
        log: LogStore,
        links: Links,
        read_everywhere: bool,
        options: &Options,
    ) -> ReadRounds {
        ReadRounds(Arc::new(Inner {
            shard,
            node: options.node_id,
            raft,
            log,
            links,
            read_everywhere,
            patience: options.heartbeat,
            established: AtomicU64::new(0),
            waiting: Mutex::default(),
            on_fatal: options.on_fatal.clone(),
            rounds: metrics::counter!("tenure_raft_read_rounds_total"),
            fallbacks: metrics::counter!("tenure_raft_read_rounds_by_heartbeat_total"),
        }))
    }

    /// Returns once the rows here show everything that was acknowledged before the call.
    pub(crate) async fn pass(&self) -> Result<(), ReadError> {
        self.join().await.unwrap_or_else(|_| Err(ReadError::Stopped("the reader is gone".into())))
    }

    fn join(&self) -> oneshot::Receiver<Result<(), ReadError>> {
        let (told, wait) = oneshot::channel();
        let mut waiting = self.0.waiting.lock();
        waiting.readers.push(told);
        if !waiting.running {
            waiting.running = true;
            self.0.on_fatal.spawn("the reader", self.clone().run());
        }
        wait
    }

    async fn run(self) {
        loop {
            let readers = {
                let mut waiting = self.0.waiting.lock();
                waiting.running = !waiting.readers.is_empty();
                std::mem::take(&mut waiting.readers)
            };
            if readers.is_empty() {
                return;
            }
            let outcome = self.round().await;
            for reader in readers {
                // The reader may have given up.
                let _ = reader.send(outcome.clone());
            }
        }
    }

    async fn round(&self) -> Result<(), ReadError> {
        self.0.rounds.increment(1);
        let term = self.own_term();
        if let Some(term) = term
            && !self.0.read_everywhere
            && term == self.0.established.load(Ordering::Acquire)
            && self.nobody_voted_later(term).await
        {
            return Ok(());
        }
        self.0.fallbacks.increment(1);
        match self.0.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => {
                // The same term before and after is the one in which it passed.
                if let Some(term) = term.filter(|_| term == self.own_term()) {
                    self.0.established.store(term, Ordering::Release);
                }
                Ok(())
            }
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                Err(ReadError::NotLeader { leader: self.other_leader(&to) })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ReadError::NoQuorum),
            Err(RaftError::Fatal(fatal)) => Err(ReadError::Stopped(fatal.to_string())),
        }
    }

    /// The term in which this replica has voted last, if that was for itself.
    fn own_term(&self) -> Option<u64> {
        let vote = self.0.log.vote()?;
        (vote.leader_id.voted_for == self.0.node).then_some(vote.leader_id.term)
    }

    /// Whether a majority tells in time that it has voted in no term after this one.
    async fn nobody_voted_later(&self, term: u64) -> bool {
        let inner = &self.0;
        let voters = inner.raft.metrics().borrow_watched().membership_config.membership().get_joint_config().clone();
        let peers: BTreeSet<u64> = voters.iter().flatten().copied().filter(|voter| *voter != inner.node).collect();
        let asked = peers.into_iter().filter_map(|peer| {
            let link = inner.links.get(peer)?;
            let call = link.call(inner.shard, Kind::VotedTerm as u32, Bytes::new(), Order::Ahead).ok()?;
            Some(async move { (peer, call.await.ok().and_then(|answer| codec::decode::<u64>(&answer).ok())) })
        });
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut faithful = BTreeSet::from([inner.node]);
        let majority = async {
            while !voters.iter().all(|voters| is_majority(&faithful, voters)) {
                match answers.next().await {
                    Some((peer, Some(voted))) if voted <= term => faithful.insert(peer),
                    Some(_) => continue,
                    None => return false,
                };
            }
            true
        };
        tokio::time::timeout(inner.patience, majority).await.unwrap_or(false)
    }

    /// Whether a replica's node answers within this time.
    pub(crate) async fn is_answered_by(&self, peer: u64, patience: Duration) -> bool {
        let Some(link) = self.0.links.get(peer) else { return false };
        let call = link.call(self.0.shard, Kind::VotedTerm as u32, Bytes::new(), Order::Ahead);
        let Ok(call) = call else { return false };
        tokio::time::timeout(patience, call).await.is_ok_and(|answer| answer.is_ok())
    }

    /// openraft may name this node as the leader (of another term); that is no help to a caller.
    fn other_leader(&self, to: &ForwardToLeader<TypeConfig>) -> Option<u64> {
        to.leader_id.filter(|leader| *leader != self.0.node)
    }
}

fn is_majority(some: &BTreeSet<u64>, of: &BTreeSet<u64>) -> bool {
    some.intersection(of).count() * 2 > of.len()
}
