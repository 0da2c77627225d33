//! The way to all leaders and nodes, from wherever in this process. This node is asked like any other, without a message.

use crate::{
    node::polled::{Polled, Served, Taken},
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        replica::{CallFailed, Mesh, NodeId, NotLeader, Replica, SYSTEM_SHARD, ShardId},
    },
};
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_engine::{TaskKind, codec};
use tokio::time::Instant;

/// A leader that did not answer is asked again after this time.
const RETRY: Duration = Duration::from_millis(25);
/// A call to a leader that still leads is given up after this time, and made again.
const LEADER_CALL: Duration = Duration::from_secs(10);

/// Asks nodes and leaders; there is one per process.
pub(crate) struct Router {
    pub(crate) mesh: Arc<dyn Mesh>,
    replicas: BTreeMap<ShardId, Arc<dyn Replica>>,
    call_timeout: Duration,
    /// This node.
    here: Weak<dyn Serve>,
}

/// Answers what is asked of a node, or of a leader that is here.
pub(crate) trait Serve: Send + Sync {
    /// Boxed, because serving may ask in turn.
    fn serve(self: Arc<Self>, request: Request) -> BoxFuture<'static, Served>;
}

/// The result of asking a shard's leader once.
pub(crate) enum Attempt {
    Served(Served),
    /// There was nobody to ask.
    NoLeader,
    /// No answer; it may have acted all the same.
    Failed,
}

impl Router {
    pub(crate) fn new(mesh: Arc<dyn Mesh>, call_timeout: Duration, here: Weak<dyn Serve>) -> Arc<Router> {
        let replicas = mesh.replicas().into_iter().map(|replica| (replica.shard(), replica)).collect();
        Arc::new(Router { mesh, replicas, call_timeout, here })
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Arc<dyn Replica>> {
        self.replicas.values()
    }

    pub(crate) fn replica(&self, shard: ShardId) -> Option<&Arc<dyn Replica>> {
        self.replicas.get(&shard)
    }

    /// All shards but the system shard.
    pub(crate) fn data_shards(&self) -> Vec<ShardId> {
        self.replicas.keys().copied().filter(|shard| *shard != SYSTEM_SHARD).collect()
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
        let polled = match (answer, &request) {
            (Answer::Started { response, token }, Request::Start(start)) => {
                Polled::decode(start.kind, response, Taken::Task(token), self)
            }
            (Answer::QueryStarted { response }, Request::StartQuery { token, .. }) => {
                Polled::decode(TaskKind::Workflow, response, Taken::Query(token.clone()), self)
            }
            (answer, _) => return Ok(Served::Answer(answer)),
        };
        polled.map(Served::Started).ok_or_else(|| failed("a malformed poll response".into()))
    }

    /// Asks a shard's leader once; gives up early when it is replaced.
    pub(crate) async fn ask_once(self: &Arc<Self>, shard: ShardId, request: Request) -> Attempt {
        let Some(replica) = self.replica(shard) else { return Attempt::NoLeader };
        let mut leadership = replica.leadership();
        let asked = *leadership.borrow_and_update();
        let node = match asked.leader {
            _ if asked.is_leader => self.mesh.node(),
            Some(leader) if leader != self.mesh.node() => leader,
            _ => return Attempt::NoLeader,
        };
        let replaced = leadership.wait_for(|now| (now.leader, now.term) != (asked.leader, asked.term));
        tokio::select! {
            biased;
            served = self.ask_within(node, request, LEADER_CALL) => served.map_or(Attempt::Failed, Attempt::Served),
            _ = replaced => Attempt::Failed,
        }
    }

    /// Asks a shard's leader until it answers. For requests that may be repeated.
    pub(crate) async fn ask_leader(
        self: &Arc<Self>,
        shard: ShardId,
        request: Request,
        deadline: Instant,
    ) -> Result<Served, NoLeader> {
        let mut wait = RETRY;
        loop {
            let attempt = tokio::time::timeout_at(deadline, self.ask_once(shard, request.clone())).await;
            match attempt {
                Ok(Attempt::Served(Served::Answer(Answer::NotLeader(_))) | Attempt::NoLeader | Attempt::Failed) => {}
                Ok(Attempt::Served(served)) => return Ok(served),
                Err(_) => return Err(NoLeader { shard }),
            }
            if Instant::now() + wait >= deadline {
                return Err(NoLeader { shard });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(500));
        }
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
