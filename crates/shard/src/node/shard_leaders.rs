//! Who leads which shard, as this node knows it.

use crate::seam::{
    error::NoLeader,
    replica::{Leadership, NodeId, Replica, ShardId},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// A node that said it does not lead may be coming up; it is asked again after this time if nothing changes.
const COMING_UP: Duration = Duration::from_millis(25);

/// Where a shard's leader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    /// In this process, and ready.
    Here,
    /// At another node, in this term as far as this node knows.
    At { node: NodeId, term: u64 },
}

impl Leader {
    /// True for a leader at the same node in the same term or an earlier one: whoever said in `denied` that it does not
    /// lead would say so again.
    pub(crate) fn is_denied_by(self, denied: Leader) -> bool {
        match (self, denied) {
            (Leader::At { node, term }, Leader::At { node: denying, term: in_term }) => {
                node == denying && term <= in_term
            }
            _ => false,
        }
    }
}

/// Why an attempt gave no answer; another one may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// Whoever was asked does not lead (any more), in the term that it knows. Where it led while it was asked, the
    /// request may have been carried out.
    #[error("the leader is changing")]
    NotLeader(Leader),
    /// No answer came; the request may have been carried out.
    #[error("no answer from node {node}, its leader: {cause}")]
    NoAnswer { node: NodeId, cause: String },
}

/// The leaders of all shards.
pub(crate) struct ShardLeaders {
    node: NodeId,
    replicas: BTreeMap<ShardId, Arc<dyn Replica>>,
    /// The terms of the leaders that are ready in this process.
    ready: watch::Sender<BTreeMap<ShardId, u64>>,
}

impl ShardLeaders {
    pub(crate) fn new(node: NodeId, replicas: Vec<Arc<dyn Replica>>) -> ShardLeaders {
        let replicas = replicas.into_iter().map(|replica| (replica.shard(), replica)).collect();
        ShardLeaders { node, replicas, ready: watch::Sender::default() }
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Arc<dyn Replica>> {
        self.replicas.values()
    }

    pub(crate) fn replica(&self, shard: ShardId) -> Option<&Arc<dyn Replica>> {
        self.replicas.get(&shard)
    }

    /// Records that a leader of that term is ready here; `None`: that it has ended.
    pub(crate) fn set_ready(&self, shard: ShardId, term: Option<u64>) {
        self.ready.send_modify(|ready| {
            match term {
                Some(term) => ready.insert(shard, term),
                None => ready.remove(&shard),
            };
        });
    }

    /// The leader that is known now.
    pub(crate) fn known(&self, shard: ShardId) -> Option<Leader> {
        let now = *self.replica(shard)?.leadership().borrow();
        self.leader_of(shard, now)
    }

    /// Waits until a leader is known. Where one said that it does not lead, another one is waited for, but not for long,
    /// because it may have come up by now.
    pub(crate) async fn find(
        &self,
        shard: ShardId,
        deadline: Instant,
        denied: Option<Leader>,
    ) -> Result<Leader, NoLeader> {
        let no_leader = NoLeader { shard };
        let mut leadership = self.replica(shard).ok_or(no_leader)?.leadership();
        let mut ready = self.ready.subscribe();
        let patience = deadline.min(Instant::now() + COMING_UP);
        loop {
            ready.mark_unchanged();
            let now = *leadership.borrow_and_update();
            let found = self.leader_of(shard, now);
            let is_denied = found.zip(denied).is_some_and(|(found, denied)| found.is_denied_by(denied));
            let wake = if is_denied { patience } else { deadline };
            match found {
                Some(found) if !is_denied || Instant::now() >= patience => return Ok(found),
                None if Instant::now() >= deadline => return Err(no_leader),
                _ => {}
            }
            tokio::select! {
                gone = leadership.changed() => if gone.is_err() { return Err(no_leader) },
                _ = ready.changed() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    fn leader_of(&self, shard: ShardId, now: Leadership) -> Option<Leader> {
        if now.is_leader {
            return (self.ready.borrow().get(&shard) == Some(&now.term)).then_some(Leader::Here);
        }
        let node = now.leader.filter(|leader| *leader != self.node)?;
        Some(Leader::At { node, term: now.term })
    }

    /// Runs an attempt at a leader, no longer than that is known to lead. (One that is here ends its calls itself.)
    pub(crate) async fn while_leading<T>(
        &self,
        shard: ShardId,
        leader: Leader,
        attempt: impl Future<Output = Result<T, AttemptError>>,
    ) -> Result<T, AttemptError> {
        let (Leader::At { node, term }, Some(replica)) = (leader, self.replica(shard)) else { return attempt.await };
        let mut leadership = replica.leadership();
        tokio::select! {
            biased;
            outcome = attempt => outcome,
            // An error means that the replica is gone, and with it what was known.
            _ = leadership.wait_for(|now| (now.leader, now.term) != (Some(node), term)) => {
                Err(AttemptError::NoAnswer { node, cause: "it was replaced".into() })
            }
        }
    }
}
