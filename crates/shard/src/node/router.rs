//! The way to all leaders and nodes, from wherever in this process. This node is asked like any other, without a message.

use crate::{
    node::{
        attempts::{AttemptError, Attempted, Attempts, Leader},
        polled::{Polled, Served, Taken},
    },
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        replica::{CallFailed, Leadership, Mesh, NodeId, NotLeader, Replica, SYSTEM_SHARD, ShardId},
    },
};
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_engine::codec;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// A node that said it does not lead may be coming up; it is asked again after this time if nothing changes.
const COMING_UP: Duration = Duration::from_millis(25);
/// A call to a leader that still leads is given up after this time, and made again.
const LEADER_CALL: Duration = Duration::from_secs(10);

/// Asks nodes and leaders; there is one per process.
pub(crate) struct Router {
    pub(crate) mesh: Arc<dyn Mesh>,
    replicas: BTreeMap<ShardId, Arc<dyn Replica>>,
    call_timeout: Duration,
    /// This node.
    here: Weak<dyn Serve>,
    /// Counts how often a leader came or went here.
    leaders_here: watch::Sender<u64>,
}

/// Answers what is asked of a node, or of a leader that is here.
pub(crate) trait Serve: Send + Sync {
    /// Boxed, because serving may ask in turn.
    fn serve(self: Arc<Self>, request: Request) -> BoxFuture<'static, Served>;

    /// True if this node leads the shard in that term and is ready to.
    fn leads(&self, shard: ShardId, term: u64) -> bool;
}

impl Router {
    pub(crate) fn new(mesh: Arc<dyn Mesh>, call_timeout: Duration, here: Weak<dyn Serve>) -> Arc<Router> {
        let replicas = mesh.replicas().into_iter().map(|replica| (replica.shard(), replica)).collect();
        Arc::new(Router { mesh, replicas, call_timeout, here, leaders_here: watch::Sender::new(0) })
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

    /// To be called when a leader is ready here, or has ended.
    pub(crate) fn leaders_changed(&self) {
        self.leaders_here.send_modify(|changes| *changes += 1);
    }

    /// Waits until a leader is known. Where one said that it does not lead, another one is waited for, but not for long,
    /// because it may have come up by now.
    pub(crate) async fn find_leader(
        &self,
        shard: ShardId,
        deadline: Instant,
        denied: Option<Leader>,
    ) -> Result<Leader, NoLeader> {
        let no_leader = NoLeader { shard };
        let mut leadership = self.replica(shard).ok_or(no_leader)?.leadership();
        let mut here = self.leaders_here.subscribe();
        let patience = deadline.min(Instant::now() + COMING_UP);
        loop {
            here.mark_unchanged();
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
                _ = here.changed() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    fn leader_of(&self, shard: ShardId, now: Leadership) -> Option<Leader> {
        if now.is_leader {
            return self.here.upgrade()?.leads(shard, now.term).then_some(Leader::Here);
        }
        let node = now.leader.filter(|leader| *leader != self.mesh.node())?;
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

    /// Asks a leader.
    pub(crate) async fn ask_at(self: &Arc<Self>, leader: Leader, request: Request) -> Result<Served, AttemptError> {
        let node = match leader {
            Leader::Here => self.mesh.node(),
            Leader::At { node, .. } => node,
        };
        match self.ask_within(node, request, LEADER_CALL).await {
            Ok(Served::Answer(Answer::NotLeader(said))) => {
                Err(AttemptError::NotLeader(Leader::At { node, term: said.term }))
            }
            Ok(served) => Ok(served),
            Err(CallFailed { node, cause }) => Err(AttemptError::NoAnswer { node, cause }),
        }
    }

    /// Asks a shard's leader once; `None` if there is nobody to ask, or no answer.
    pub(crate) async fn ask_once(self: &Arc<Self>, shard: ShardId, request: Request) -> Option<Served> {
        let now = *self.replica(shard)?.leadership().borrow();
        let leader = self.leader_of(shard, now)?;
        self.while_leading(shard, leader, self.ask_at(leader, request)).await.ok()
    }

    /// Asks a shard's leader until it answers. For requests that may be repeated.
    pub(crate) async fn ask_leader(
        self: &Arc<Self>,
        shard: ShardId,
        request: Request,
        deadline: Instant,
    ) -> Result<Served, NoLeader> {
        let mut attempts = Attempts::new(self.clone(), shard, deadline);
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
