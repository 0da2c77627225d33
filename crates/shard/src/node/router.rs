//! The way to all leaders and nodes, from wherever in this process. This node is asked like any other, without a message.

use crate::{
    node::{
        attempts::{Attempted, Attempts},
        polled::{Polled, Served, Taken},
        shard_leaders::{AttemptError, Leader, ShardLeaders},
    },
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        replica::{CallFailed, Mesh, NodeId, NotLeader, Replica, SYSTEM_SHARD, ShardId},
    },
};
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_engine::codec;
use tokio::time::Instant;

/// A call to a leader that still leads is given up after this time, and made again.
const LEADER_CALL: Duration = Duration::from_secs(10);

/// Asks nodes and leaders; there is one per process.
pub(crate) struct Router {
    pub(crate) mesh: Arc<dyn Mesh>,
    leadership: Arc<ShardLeaders>,
    call_timeout: Duration,
    /// This node.
    here: Weak<dyn Serve>,
}

/// Answers what is asked of a node, or of a leader that is here.
pub(crate) trait Serve: Send + Sync {
    /// Boxed, because serving may ask in turn.
    fn serve(self: Arc<Self>, request: Request) -> BoxFuture<'static, Served>;
}

impl Router {
    pub(crate) fn new(mesh: Arc<dyn Mesh>, call_timeout: Duration, here: Weak<dyn Serve>) -> Arc<Router> {
        let leadership = Arc::new(ShardLeaders::new(mesh.node(), mesh.replicas()));
        Arc::new(Router { mesh, leadership, call_timeout, here })
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Arc<dyn Replica>> {
        self.leadership.replicas()
    }

    pub(crate) fn replica(&self, shard: ShardId) -> Option<&Arc<dyn Replica>> {
        self.leadership.replica(shard)
    }

    /// All shards but the system shard.
    pub(crate) fn data_shards(&self) -> Vec<ShardId> {
        self.replicas().map(|replica| replica.shard()).filter(|shard| *shard != SYSTEM_SHARD).collect()
    }

    /// What a node says that does not lead the shard (any more).
    pub(crate) fn not_leader(&self, shard: ShardId) -> NotLeader {
        let now = self.replica(shard).map(|replica| *replica.leadership().borrow()).unwrap_or_default();
        NotLeader { leader: now.leader.filter(|leader| *leader != self.mesh.node()), term: now.term }
    }

    /// Asks a node, possibly this one.
    pub(crate) async fn ask(self: &Arc<Self>, node: NodeId, request: Request) -> Result<Served, CallFailed> {
        self.ask_within(node, request, self.call_timeout).await
    }

    async fn ask_within(
        self: &Arc<Self>,
        node: NodeId,
        request: Request,
        timeout: Duration,
    ) -> Result<Served, CallFailed> {
        let failed = |cause: String| CallFailed { node, cause };
        if node == self.mesh.node() {
            let here = self.here.upgrade().ok_or_else(|| failed("this node stops".into()))?;
            return Ok(here.serve(request).await);
        }
        let body = self.mesh.call(node, codec::encode(&request), timeout).await?;
        let answer = codec::decode(&body).map_err(|e| failed(e.to_string()))?;
        Ok(match (answer, &request) {
            (Answer::Started { response, token }, Request::Start(_)) => {
                Served::Started(Polled::new(response, Taken::Task(token), self.clone()))
            }
            (Answer::QueryStarted { response }, Request::StartQuery { token, .. }) => {
                Served::Started(Polled::new(response, Taken::Query(token.clone()), self.clone()))
            }
            (answer, _) => Served::Answer(answer),
        })
    }

    /// Asks a leader.
    pub(crate) async fn ask_at(self: &Arc<Self>, leader: Leader, request: Request) -> Result<Served, AttemptError> {
        let node = self.node_of(leader);
        match self.ask_within(node, request, LEADER_CALL).await {
            Ok(Served::Answer(Answer::NotLeader(said))) => {
                Err(AttemptError::NotLeader(Leader::At { node, term: said.term }))
            }
            Ok(served) => Ok(served),
            Err(CallFailed { node, cause }) => Err(AttemptError::NoAnswer { node, cause }),
        }
    }

    /// The node that leads a shard, as far as is known now, and how it leads.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<(NodeId, Leader)> {
        let leader = self.leadership.known(shard)?;
        Some((self.node_of(leader), leader))
    }

    fn node_of(&self, leader: Leader) -> NodeId {
        match leader {
            Leader::Here => self.mesh.node(),
            Leader::At { node, .. } => node,
        }
    }

    /// Asks a node that leads these shards once; `None` if it ceases to lead one of them, or there is no answer.
    pub(crate) async fn ask_leading(
        self: &Arc<Self>,
        node: NodeId,
        shards: &[(ShardId, Leader)],
        request: Request,
    ) -> Option<Served> {
        let asked = self.ask_within(node, request, LEADER_CALL);
        let asked = asked.map_err(|CallFailed { node, cause }| AttemptError::NoAnswer { node, cause }).boxed();
        let asked = shards
            .iter()
            .fold(asked, |asked, (shard, leader)| self.leadership.while_leading(*shard, *leader, asked).boxed());
        asked.await.ok()
    }

    /// Asks a shard's leader once; `None` if there is nobody to ask, or no answer.
    pub(crate) async fn ask_once(self: &Arc<Self>, shard: ShardId, request: Request) -> Option<Served> {
        let leader = self.leadership.known(shard)?;
        self.leadership.while_leading(shard, leader, self.ask_at(leader, request)).await.ok()
    }

    /// To be called when a leader of that term is ready here, or with `None` when it has ended.
    pub(crate) fn leads_here(&self, shard: ShardId, term: Option<u64>) {
        self.leadership.set_ready(shard, term);
    }

    /// The attempts to reach a shard's leader.
    pub(crate) fn attempts(&self, shard: ShardId, deadline: Instant) -> Attempts {
        Attempts::new(self.leadership.clone(), shard, deadline)
    }

    /// Asks a shard's leader until it answers. For requests that may be repeated.
    pub(crate) async fn ask_leader(
        self: &Arc<Self>,
        shard: ShardId,
        request: Request,
        deadline: Instant,
    ) -> Result<Served, NoLeader> {
        let mut attempts = self.attempts(shard, deadline);
        while let Some(leader) = attempts.next().await {
            let attempt = self.ask_at(leader, request.clone());
            if let Attempted::Answered(served) = attempts.run(leader, attempt).await {
                return Ok(served);
            }
        }
        Err(NoLeader { shard })
    }

    /// This node's replica of the system shard, with all that was acknowledged before the call.
    pub(crate) async fn system_caught_up(self: &Arc<Self>, deadline: Instant) -> Result<&Arc<dyn Replica>, NoLeader> {
        let no_leader = NoLeader { shard: SYSTEM_SHARD };
        let replica = self.replica(SYSTEM_SHARD).ok_or(no_leader)?;
        let served = self.ask_leader(SYSTEM_SHARD, Request::ReadIndex { shard: SYSTEM_SHARD }, deadline).await?;
        let Served::Answer(Answer::ReadIndex(index)) = served else { return Err(no_leader) };
        let mut applied = replica.applied();
        let caught_up = applied.wait_for(|applied| *applied >= index);
        match tokio::time::timeout_at(deadline, caught_up).await {
            Ok(Ok(_)) => Ok(replica),
            _ => Err(no_leader),
        }
    }
}
