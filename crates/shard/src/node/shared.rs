//! What all leaders of a process share: the other nodes, who leads what, and the leaders that are here.

use crate::{
    leader::cache::StateCache,
    leader::executions::Engine,
    leader::runtime::LeaderRuntime,
    node::deliveries::Deliveries,
    node::namespaces::Namespaces,
    node::polled::{Polled, Taken},
    node::token_key::KnownKey,
    node::workers::Workers,
    options::Options,
    seam::messages::{Answer, Request},
    seam::replica::{CallFailed, Leadership, Mesh, NodeId, NotLeader, Replica, SYSTEM_SHARD, ShardId},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::error::{ApiError, Code};
use tenure_engine::{TaskKind, codec};
use tenure_limits::{COMMANDS, LONG_COMMANDS};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

/// A leader that says it does not lead may be coming up; it is asked again after this time if nothing changes.
const RETRY: Duration = Duration::from_millis(25);
/// A call to a leader that still leads is given up after this time, and made again.
const LEADER_CALL: Duration = Duration::from_secs(10);

pub(crate) struct Shared {
    pub(crate) mesh: Arc<dyn Mesh>,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) states: Arc<StateCache>,
    pub(crate) deliveries: Deliveries,
    pub(crate) namespaces: Namespaces,
    pub(crate) token_key: KnownKey,
    pub(crate) workers: Arc<Workers>,
    /// For commands that read whole histories.
    pub(crate) long_commands: Arc<Semaphore>,
    /// Commands of clients that wait or run.
    pub(crate) commands: Semaphore,
    replicas: BTreeMap<ShardId, Arc<dyn Replica>>,
    leaders: RwLock<BTreeMap<ShardId, Arc<LeaderRuntime>>>,
    /// Counts changes of `leaders`.
    changed: watch::Sender<u64>,
}

/// Who leads.
#[derive(Clone)]
pub(crate) enum Leader {
    Here(Arc<LeaderRuntime>),
    At { node: NodeId, term: u64 },
}

/// No leader was known by the deadline.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("shard {shard} has no leader")]
pub struct NoLeader {
    pub shard: ShardId,
}

/// How a request was served; a started task stays an object until it has to travel.
pub(crate) enum Served {
    Answer(Answer),
    Started(Polled),
}

/// What came of asking a shard's leader once.
pub(crate) enum Attempt {
    Served(Served),
    /// There was nobody to ask.
    NoLeader,
    /// No answer; it may have acted all the same.
    Failed,
}

impl Served {
    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Served {
        Served::Answer(Answer::Refused(ApiError::new(code, message)))
    }
}

impl Shared {
    pub(crate) fn new(mesh: Arc<dyn Mesh>, options: Options, engine: Engine, deliveries: Deliveries) -> Self {
        let replicas: BTreeMap<_, _> = mesh.replicas().into_iter().map(|r| (r.shard(), r)).collect();
        Shared {
            mesh,
            states: StateCache::new(options.state_cache_bytes),
            options,
            engine,
            deliveries,
            namespaces: Namespaces::default(),
            token_key: KnownKey::default(),
            workers: Arc::default(),
            long_commands: Arc::new(Semaphore::new(LONG_COMMANDS)),
            commands: Semaphore::new(COMMANDS),
            replicas,
            leaders: RwLock::default(),
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Arc<dyn Replica>> {
        self.replicas.values()
    }

    pub(crate) fn replica(&self, shard: ShardId) -> Option<&Arc<dyn Replica>> {
        self.replicas.get(&shard)
    }

    /// All shards but the system shard.
    pub(crate) fn data_shards(&self) -> Vec<ShardId> {
        self.replicas.keys().copied().filter(|shard| *shard != crate::seam::replica::SYSTEM_SHARD).collect()
    }

    pub(crate) fn local(&self, shard: ShardId) -> Option<Arc<LeaderRuntime>> {
        self.leaders.read().get(&shard).cloned()
    }

    pub(crate) fn leaders(&self) -> Vec<Arc<LeaderRuntime>> {
        self.leaders.read().values().cloned().collect()
    }

    pub(crate) fn set_leader(&self, shard: ShardId, leader: Option<Arc<LeaderRuntime>>) {
        match leader {
            Some(leader) => _ = self.leaders.write().insert(shard, leader),
            None => _ = self.leaders.write().remove(&shard),
        }
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Waits until a leader is known. `not` said that it does not lead in that term: another one is waited for, but
    /// not for long, because it may have come up by now.
    pub(crate) async fn leader(
        &self,
        shard: ShardId,
        deadline: Instant,
        not: Option<(NodeId, u64)>,
    ) -> Result<Leader, NoLeader> {
        let replica = self.replica(shard).ok_or(NoLeader { shard })?;
        let mut leadership = replica.leadership();
        let mut changed = self.changed.subscribe();
        let patience = Instant::now() + RETRY;
        loop {
            changed.mark_unchanged();
            let now = *leadership.borrow_and_update();
            let mut wake = deadline;
            match self.found(shard, now) {
                Some(found) => {
                    let denied = matches!((&found, not), (Leader::At { node, term }, Some(not)) if (*node, *term) <= not && *node == not.0);
                    if !denied || Instant::now() >= patience {
                        return Ok(found);
                    }
                    wake = deadline.min(patience);
                }
                None if Instant::now() >= deadline => return Err(NoLeader { shard }),
                None => {}
            }
            tokio::select! {
                gone = leadership.changed() => if gone.is_err() { return Err(NoLeader { shard }) },
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(wake) => if wake == deadline && self.found(shard, *leadership.borrow()).is_none() {
                    return Err(NoLeader { shard });
                },
            }
        }
    }

    fn found(&self, shard: ShardId, now: Leadership) -> Option<Leader> {
        if now.is_leader {
            return self.local(shard).filter(|leader| leader.term == now.term).map(Leader::Here);
        }
        let node = now.leader.filter(|leader| *leader != self.mesh.node())?;
        Some(Leader::At { node, term: now.term })
    }

    /// Asks a node, possibly this one.
    pub(crate) async fn ask(self: &Arc<Self>, node: NodeId, request: Request) -> Result<Served, CallFailed> {
        self.ask_within(node, request, self.options.call_timeout).await
    }

    async fn ask_within(
        self: &Arc<Self>,
        node: NodeId,
        request: Request,
        timeout: Duration,
    ) -> Result<Served, CallFailed> {
        if node == self.mesh.node() {
            return Ok(self.clone().serve(request).await);
        }
        let body = self.mesh.call(node, codec::encode(&request), timeout).await?;
        let malformed = |cause: String| CallFailed { node, cause };
        let answer = codec::decode(&body).map_err(|e| malformed(e.to_string()))?;
        let polled = match (answer, &request) {
            (Answer::Started { response, token }, Request::Start(start)) => {
                Polled::decode(start.kind, response, Taken::Task(token), self)
            }
            (Answer::QueryStarted { response }, Request::StartQuery { token, .. }) => {
                Polled::decode(TaskKind::Workflow, response, Taken::Query(token.clone()), self)
            }
            (answer, _) => return Ok(Served::Answer(answer)),
        };
        polled.map(Served::Started).ok_or_else(|| malformed("a malformed poll response".into()))
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

    /// Answers another node's call.
    pub(crate) async fn serve_encoded(self: &Arc<Self>, body: Bytes) -> Bytes {
        let served = match codec::decode::<Request>(&body) {
            Ok(request) => self.clone().serve(request).await,
            Err(error) => Served::refused(Code::InvalidArgument, format!("a malformed message: {error}")),
        };
        let answer = match served {
            Served::Answer(answer) => answer,
            // From here on the caller answers for it; if the reply is lost the owner finds out by asking.
            Served::Started(polled) => {
                let taken = polled.taken().clone();
                let response = polled.hand_over().encode();
                match taken {
                    Taken::Task(token) => Answer::Started { response, token },
                    Taken::Query(_) => Answer::QueryStarted { response },
                }
            }
        };
        codec::encode(&answer)
    }

    /// Boxed, because serving may ask in turn.
    fn serve(self: Arc<Self>, request: Request) -> BoxFuture<'static, Served> {
        Box::pin(async move {
            let shard = match &request {
                Request::AskDelivery { token, process } => {
                    return Served::Answer(Answer::Delivery(self.ask_delivery(token, *process)));
                }
                Request::EndPolls { namespace, worker } => {
                    self.workers.end_polls(namespace, worker);
                    return Served::Answer(Answer::Done);
                }
                Request::Offer { home, .. } | Request::LastPoll { home, .. } => *home,
                Request::Start(start) => start.owner,
                Request::StartQuery { token, .. } | Request::ReturnQuery { token } => token.shard,
                Request::StickyUnavailable { owner, .. }
                | Request::Delivered { owner, .. }
                | Request::Return { owner, .. }
                | Request::Backlog { owner, .. } => *owner,
                Request::Deliver { to, .. } => *to,
                Request::ReadIndex { shard } => *shard,
                Request::CreateTokenSecret => SYSTEM_SHARD,
            };
            match self.local(shard) {
                Some(leader) => leader.serve(request).await,
                None => Served::Answer(Answer::NotLeader(self.not_leader(shard))),
            }
        })
    }

    pub(crate) fn not_leader(&self, shard: ShardId) -> NotLeader {
        let now = self.replica(shard).map(|replica| *replica.leadership().borrow()).unwrap_or_default();
        NotLeader { leader: now.leader.filter(|leader| *leader != self.mesh.node()), term: now.term }
    }
}

impl LeaderRuntime {
    /// Answers what another part of the cluster asks of this leader.
    async fn serve(self: Arc<Self>, request: Request) -> Served {
        match request {
            Request::Offer { owner, offered, revoked, .. } => match self.take_offers(owner, offered, revoked) {
                Ok(()) => Served::Answer(Answer::Done),
                Err(error) => Served::refused(Code::DataLoss, error.to_string()),
            },
            Request::LastPoll { queue, .. } => Served::Answer(Answer::LastPoll(self.home.last_poll(&queue))),
            // The start goes on if its caller dies; then the task finds nobody, and returns.
            Request::Start(start) => match tokio::spawn(async move { self.serve_start(start).await }).await {
                Ok(served) => served,
                Err(error) => Served::refused(Code::Internal, format!("the start ended early: {error}")),
            },
            Request::StartQuery { token, sticky } => self.serve_query_start(token, sticky).await,
            Request::ReturnQuery { token } => self.query_returned(&token),
            Request::StickyUnavailable { tasks, queries, .. } => self.sticky_unavailable(tasks, queries).await,
            Request::Delivered { starts, .. } => {
                self.starts.confirmed(&starts);
                Served::Answer(Answer::Done)
            }
            Request::Return { token, proposal, .. } => self.return_task(token, proposal).await,
            Request::Deliver { from, message, .. } => self.receive(from, message).await,
            Request::Backlog { queue, .. } => match self.dispatch.backlog(&queue, &*self.rows) {
                Ok(tasks) => Served::Answer(Answer::Backlog(tasks)),
                Err(error) => Served::refused(Code::DataLoss, error.to_string()),
            },
            Request::ReadIndex { .. } => match self.replica.linearizable().await {
                Ok(()) => Served::Answer(Answer::ReadIndex(*self.replica.applied().borrow())),
                Err(not_leader) => Served::Answer(Answer::NotLeader(not_leader)),
            },
            Request::AskDelivery { token, process } => {
                Served::Answer(Answer::Delivery(self.shared.ask_delivery(&token, process)))
            }
            Request::EndPolls { namespace, worker } => {
                self.shared.workers.end_polls(&namespace, &worker);
                Served::Answer(Answer::Done)
            }
            Request::CreateTokenSecret => self.create_token_secret().await,
        }
    }
}
