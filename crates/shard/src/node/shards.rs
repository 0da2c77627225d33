//! The shards as one process sees them: where a slot lives, who leads, and the leaders that are here.

use crate::{
    leader::handle::LeaderHandle,
    node::{
        attempts::Attempts,
        context::Engine,
        gather::{Counted, Gather, Left, SamePlan},
        handovers::{self, Handover},
        held_polls::HeldPoll,
        list_token::{ListToken, malformed_page_token},
        local::LocalNode,
        polled::Served,
        supervisor,
        system_view::{self, Namespace},
        token_key::{TokenKey, TokenUse},
        worker_homes,
        workers::WorkerPoll,
    },
    options::Options,
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        question::{Item, ListQuery, Question},
        replica::{Mesh, NodeId, SYSTEM_SHARD, ShardId},
        worker_query::WorkerQuery,
    },
    time::virtual_time::VirtualTime,
};
use bytes::Bytes;
use std::{collections::BTreeMap, sync::Arc};
use tenure_api::{error::ApiError, worker::v1::WorkerHeartbeat};
use tenure_engine::{FeatureLevel, NamespaceId, Process, ProposalId, QueueKey, command::Poll, token::TaskToken};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The shards as this process sees them; cheap to clone.
#[derive(Clone)]
pub struct Shards {
    node: Arc<LocalNode>,
    stop: CancellationToken,
    supervisors: TaskTracker,
}

/// A page of what all shards have, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// As many as were asked for, or fewer: those that are large, or far to seek, come with the next pages.
    pub items: Vec<Item>,
    /// Sealed; empty after the last item.
    pub next_page_token: Bytes,
}

impl Shards {
    /// Follows the leadership of all shards from now on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(mesh: Arc<dyn Mesh>, options: Options) -> Shards {
        Self::with_engine(mesh, options, tenure_engine::transition::transition)
    }

    pub(crate) fn with_engine(mesh: Arc<dyn Mesh>, options: Options, engine: Engine) -> Shards {
        let (node, confirmed) = LocalNode::new(mesh, options, engine);
        let on_fatal = node.context.options.on_fatal.clone();
        on_fatal.spawn("confirmations", handovers::confirm_handovers(Arc::downgrade(&node.handovers), confirmed));
        on_fatal.spawn(
            "the view of the system shard",
            system_view::follow(Arc::downgrade(&node.context.system), node.context.options.known_level),
        );
        let (stop, supervisors) = (CancellationToken::new(), TaskTracker::new());
        for replica in node.context.router.replicas() {
            let supervise = supervisor::supervise(node.clone(), replica.clone(), stop.clone());
            supervisors.spawn(on_fatal.watch("the supervisor of a shard", supervise));
        }
        supervisors.close();
        Shards { node, stop, supervisors }
    }

    pub fn node(&self) -> NodeId {
        self.node.context.router.mesh.node()
    }

    /// This process of the node; tasks for workers that are connected here are started for it.
    pub fn process(&self) -> Process {
        self.node.context.router.mesh.process()
    }

    pub fn shard_of(&self, slot: u16) -> ShardId {
        self.node.context.router.mesh.shard_of(slot)
    }

    /// The clock of all leaders, where time is skipped.
    pub fn virtual_time(&self) -> Option<&Arc<VirtualTime>> {
        self.node.context.options.virtual_time.as_ref()
    }

    /// The shards that own slots.
    pub fn data_shards(&self) -> Vec<ShardId> {
        self.node.context.router.data_shards()
    }

    /// The attempts to reach a shard's leader.
    pub fn attempts(&self, shard: ShardId, deadline: Instant) -> Attempts {
        self.node.context.router.attempts(shard, deadline)
    }

    /// The leader of a shard if it is here and ready.
    pub fn local(&self, shard: ShardId) -> Option<LeaderHandle> {
        self.node.leaders.local(shard).map(LeaderHandle::new)
    }

    /// The leaders that are here.
    pub fn led(&self) -> Vec<ShardId> {
        self.node.leaders.all().iter().map(|leader| leader.context.shard).collect()
    }

    /// A namespace by name; what is not known here is looked for at the system shard's leader. `None`: there is none.
    pub async fn namespace(&self, name: &str, deadline: Instant) -> Result<Option<Arc<Namespace>>, NoLeader> {
        self.node.context.system.find(name, deadline).await
    }

    /// A namespace that this node knows of.
    pub fn namespace_by_id(&self, id: NamespaceId) -> Option<Arc<Namespace>> {
        self.node.context.system.by_id(id)
    }

    /// All namespaces, in the order of their ids; shows all that was acknowledged before the call.
    pub async fn namespaces(&self, deadline: Instant) -> Result<Vec<Arc<Namespace>>, NoLeader> {
        self.node.context.system.refresh(deadline).await?;
        Ok(self.node.context.system.all())
    }

    /// Raises the cluster's feature level as far as all its nodes know it, and tells it.
    pub async fn raise_feature_level(&self, deadline: Instant) -> Result<FeatureLevel, ApiError> {
        let router = &self.node.context.router;
        let served = router.ask_leader(SYSTEM_SHARD, Request::RaiseLevel, deadline).await;
        match served.map_err(|error| ApiError::unavailable(error.to_string()))? {
            Served::Answer(Answer::Level(level)) => Ok(level),
            Served::Answer(Answer::Refused(error)) => Err(error),
            _ => Err(ApiError::internal("an answer to something else")),
        }
    }

    /// What seals and opens the tokens of this cluster. A node that does not know it yet asks the system shard's leader.
    pub async fn token_key(&self, deadline: Instant) -> Result<TokenKey, ApiError> {
        self.node.context.token_key(deadline).await
    }

    /// A page of the answers of all shards that it concerns to a question whose parts are items; the first one without a token. Each
    /// shard is read at points of its own, after the call began: an item that does not change is on one page, whatever
    /// leaders do between them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a token that is none of this question, UNAVAILABLE if a shard does not answer by the caller's
    /// deadline.
    pub async fn list(
        &self,
        question: Question,
        page_token: &[u8],
        size: usize,
        deadline: Instant,
    ) -> Result<ListPage, ApiError> {
        let key = self.token_key(deadline).await?;
        let shards = self.concerned(&question)?;
        let places = if page_token.is_empty() {
            shards.into_iter().map(|shard| (shard, None)).collect()
        } else {
            let content = key.open(TokenUse::ListPage, page_token);
            let places = content.and_then(|content| ListToken::decode(content, &question, &shards));
            places.ok_or_else(malformed_page_token)?
        };
        let gather = Gather::new(self.node.context.clone(), question.clone(), deadline);
        let (items, places) = gather.page(places, size).await?;
        let next_page_token = key.seal(TokenUse::ListPage, &ListToken::new(&question, places).encode()?);
        Ok(ListPage { items, next_page_token })
    }

    /// The shards that may have part of an answer.
    fn concerned(&self, question: &Question) -> Result<Vec<ShardId>, ApiError> {
        if let Question::Workers(query) = question
            && let Some(queue) = query.filter()?.queue()
        {
            return Ok(vec![worker_homes::home_of(&self.node.context.router, query.namespace, queue)]);
        }
        Ok(self.data_shards())
    }

    /// Keeps what workers of a namespace say of themselves, at the homes of their queues.
    ///
    /// # Errors
    /// UNAVAILABLE if a home does not answer by the caller's deadline.
    pub async fn workers_said(
        &self,
        namespace: NamespaceId,
        heartbeats: &[WorkerHeartbeat],
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let context = &self.node.context;
        worker_homes::tell(&context.router, self.level(), namespace, heartbeats, deadline).await
    }

    /// The cluster's feature level, as far as this node knows.
    pub fn level(&self) -> FeatureLevel {
        self.node.context.system.level()
    }

    /// How many workers fit a query.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a bad query, UNAVAILABLE if a shard does not answer by the caller's deadline.
    pub async fn count_workers(&self, query: WorkerQuery, deadline: Instant) -> Result<u64, ApiError> {
        Gather::new(self.node.context.clone(), Question::CountWorkers(query), deadline).sum().await
    }

    /// How many subjects fit a query, all of them and for each value of the attribute by which it groups them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a bad query and for too many groups, UNAVAILABLE if a shard does not answer by the caller's
    /// deadline.
    pub async fn count(&self, query: ListQuery, deadline: Instant) -> Result<Counted, ApiError> {
        Gather::new(self.node.context.clone(), Question::Count(query), deadline).count().await
    }

    /// How shards answer a list or a count, a text for each plan.
    ///
    /// # Errors
    /// Those of [`Shards::count`].
    pub async fn explain(&self, question: Question, deadline: Instant) -> Result<BTreeMap<String, SamePlan>, ApiError> {
        Gather::new(self.node.context.clone(), question, deadline).plans().await
    }

    /// Waits until something in a namespace's lists has changed, which is when its number is not `since` any more, and gives
    /// that; the same one if nothing has by `until`. It may change without anything to be seen.
    ///
    /// # Errors
    /// FAILED_PRECONDITION where the cluster's feature level has no such thing, UNAVAILABLE if shards could not be asked.
    pub async fn changed(&self, namespace: NamespaceId, since: Option<u64>, until: Instant) -> Result<u64, ApiError> {
        self.node.watches.changed(&self.node.context, namespace, since, until).await
    }

    /// What is left of a namespace that was deleted.
    ///
    /// # Errors
    /// UNAVAILABLE if a shard does not answer by the caller's deadline.
    pub async fn left_of(&self, namespace: NamespaceId, deadline: Instant) -> Result<Left, ApiError> {
        Gather::new(self.node.context.clone(), Question::Left { namespace, count: true }, deadline).left().await
    }

    /// To be held while a poll of this worker instance waits on this node.
    pub fn polling(&self, namespace: &str, worker: &str) -> WorkerPoll {
        self.node.workers.polling(namespace, worker)
    }

    /// Has a poll that sets out for a home on another node answered by the leaders of this one as well, once the home has
    /// nothing for it. To be held while it waits.
    pub fn hold_poll(&self, queue: QueueKey, id: ProposalId, poll: Poll) -> HeldPoll {
        self.node.context.held_polls.hold(queue, id, poll)
    }

    /// When a long poll that came now, with this deadline of its caller, ends without a task.
    pub fn poll_expires(&self, deadline: Instant) -> Instant {
        self.node.context.options.poll_expires(Instant::now(), deadline)
    }

    /// Answers the body of a `Peer.Ask` call with the body of its reply.
    pub async fn answer(&self, body: Bytes) -> Bytes {
        self.node.serve_encoded(body).await
    }

    /// To be called on the node that holds the worker's connection, before a started task is sent. `None`: the owner
    /// has given the task up meanwhile, it must not be sent.
    pub fn hand_over(&self, token: TaskToken) -> Option<Handover> {
        self.node.handovers.hand_over(token)
    }

    /// As [`Shards::hand_over`], for a task that its caller may ask for again when the answer was lost.
    pub fn hand_over_again(&self, token: TaskToken) -> Option<Handover> {
        self.node.handovers.hand_over_again(token)
    }

    /// Ends all leaders that are here; their calls fail with `NotLeader`.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.supervisors.wait().await;
    }
}
