//! The way of a request: admitted on the node that received it, run at the leader it is for, tried again until its
//! deadline when leaders change. A retry carries the same proposal id, so that it never acts twice; what a leader
//! refuses is refused for good.

use crate::{
    Frontend,
    budget::Slot,
    client::{Caller, Client, PLAN},
    deadline::Deadline,
    erased::{AnyLocalRequest, AnyRequest, EncodedResponse, Handler, Outgoing, Respond},
    handover::Handovers,
    observe::Observed,
    rpc::Method,
    validate::Admission,
};
use bytes::Bytes;
use prost::{DecodeError, Message, Name};
use std::{future::Future, sync::Arc, time::Duration};
use tenure_api::{
    common::v1::SearchAttributes,
    enums::v1::NamespaceState,
    error::{ApiError, Code},
    nested,
    workflowservice::v1 as api,
};
use tenure_engine::{
    NamespaceId, Process, ProposalId, QueueKey, WorkflowKey, chain::StartOptions, command::Poll,
    search_attributes::Registry, system::namespace, token::TaskToken,
};
use tenure_limits::{CALL_DEADLINE, WAIT_DEADLINE};
use tenure_shard::{
    AttemptError, Attempted, CommandError, HeldPoll, Leader, LeaderHandle, ListQuery, Namespace, NodeId, PageToken,
    QueryToken, Question, SYSTEM_SHARD, ShardId, Shards, TokenKey, TokenUse, WorkerPoll, new_proposal_id,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Response, Status, metadata::MetadataValue};
use uuid::Uuid;

/// The namespace of requests that act in none.
const NO_NAMESPACE: NamespaceId = NamespaceId(Uuid::nil());

/// An RPC that is run by the leader of a shard; implemented by its request.
pub(crate) trait Rpc: Message + Name + Default + 'static {
    /// A message of the API, or one that is encoded already.
    type Response: Respond;
    type Target: Target;

    /// The namespace it acts in.
    fn scope(&self) -> Scope<'_>;

    fn kind(&self) -> Kind {
        Kind::Call
    }

    /// The states in which its namespace serves it.
    fn allowed_states(&self) -> &'static [NamespaceState] {
        namespace::SERVING
    }

    /// Other namespaces that it names; the request is refused if one does not exist.
    fn also_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Search attributes that it gives to workflows of its namespace.
    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        Vec::new()
    }

    /// Checks the form, fills in what the caller left to us, and finds who answers. Runs on the receiving node, and
    /// again where the request is forwarded to: nothing is taken on trust from a peer.
    fn admit(&mut self, admission: &Admission<'_>) -> Result<Self::Target, ApiError>;

    /// Runs at the leader of the target's shard. The request is shared by the attempts.
    fn run(
        self: Arc<Self>,
        target: Self::Target,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Response, CommandError>> + Send;

    /// The worker instance that polls, by its own key; empty if it did not say. A poll ends when that worker goes.
    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        None
    }

    /// The poll that it is, of a worker that is connected to a process.
    fn poll(&self, _queue: &Self::Target, _process: Process) -> Option<(QueueKey, Poll)> {
        None
    }

    /// A caller that asks again gets the same task again.
    const REDELIVERS_TASKS: bool = false;

    /// Takes a started task out of an encoded response, because its owner gave it up meanwhile. `token` is the task's in
    /// the response. A poll's response is nothing without its task.
    fn withdraw(_response: Bytes, _token: &[u8]) -> Result<Bytes, DecodeError> {
        Ok(Bytes::new())
    }

    /// Changes a response for a client that does not know all that it may hold. On the node that holds its connection.
    fn suit(&self, response: Bytes, _client: &Client) -> Result<Bytes, DecodeError> {
        Ok(response)
    }
}

/// An RPC that any node answers by itself.
pub(crate) trait LocalRpc: Message + Name + Default + 'static {
    type Response: Message + Default + 'static;

    fn kind(&self) -> Kind {
        Kind::Call
    }

    /// The worker that polls, as [`Rpc::polling_worker`] tells.
    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        None
    }

    /// The query of a list or a count, for a caller that wants to know how it is answered.
    fn search(&self) -> Option<Search> {
        None
    }

    /// The namespace that it describes, for a caller that wants to know how far the removal of a deleted one is.
    fn described(&self) -> Option<&api::DescribeNamespaceRequest> {
        None
    }

    fn answer(
        self,
        frontend: &Frontend,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Response, ApiError>> + Send;
}

/// A query in a namespace, whose plan can be told.
pub(crate) struct Search {
    pub(crate) namespace: String,
    pub(crate) query: String,
    /// The question for its plan.
    pub(crate) explain: fn(ListQuery) -> Question,
}

/// How a request says which namespace it acts in.
pub(crate) enum Scope<'a> {
    Namespace(&'a str),
    /// A worker may leave the name out: the token knows.
    Task {
        namespace: &'a str,
        token: &'a [u8],
    },
    /// The request acts in no namespace.
    Cluster,
}

/// A worker process that polls.
pub(crate) struct PollingWorker<'a> {
    pub(crate) namespace: &'a str,
    /// The key that the worker instance gave itself.
    pub(crate) key: &'a str,
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    /// The request waits for a task; nothing in time is an empty response.
    Poll,
    /// The request waits for something to happen to an execution.
    Wait,
}

/// Whom a request is for, and so which shard's leader runs it.
pub(crate) trait Target: Clone + Send + Sync + 'static {
    fn shard(&self, shards: &Shards) -> ShardId;
}

/// A run: the current one where `run_id` is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunTarget {
    pub(crate) workflow: WorkflowKey,
    pub(crate) run_id: Option<Uuid>,
}

/// A workflow to be started, and what the options of its start come to.
#[derive(Clone, Debug)]
pub(crate) struct StartTarget {
    pub(crate) workflow: WorkflowKey,
    pub(crate) options: StartOptions,
}

/// The system shard.
#[derive(Clone)]
pub(crate) struct System;

impl Target for RunTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.workflow.slot())
    }
}

/// A page of a run's history; the first one where there is no token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageTarget {
    pub(crate) run: RunTarget,
    pub(crate) page: Option<PageToken>,
}

impl Target for PageTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        self.run.shard(shards)
    }
}

impl Target for StartTarget {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.workflow.slot())
    }
}

impl Target for TaskToken {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.run.workflow.slot())
    }
}

impl Target for QueryToken {
    fn shard(&self, _shards: &Shards) -> ShardId {
        self.shard
    }
}

impl Target for QueueKey {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.slot())
    }
}

impl Target for System {
    fn shard(&self, _shards: &Shards) -> ShardId {
        SYSTEM_SHARD
    }
}

/// What a running request knows besides itself.
pub(crate) struct Call {
    pub(crate) leader: LeaderHandle,
    /// The process that received the request, and holds its caller's connection.
    pub(crate) origin: Process,
    /// This node.
    pub(crate) node: NodeId,
    pub(crate) proposal: ProposalId,
    pub(crate) deadline: Instant,
    /// When the request came from its caller.
    pub(crate) arrived: Instant,
    /// What seals the tokens in the response.
    pub(crate) key: TokenKey,
}

impl Frontend {
    /// Serves a request of a client.
    pub(crate) async fn serve(
        &self,
        method: &'static Method,
        message: Bytes,
        caller: Caller,
        slot: &mut Slot,
    ) -> Result<Response<Bytes>, Status> {
        let name = method.name();
        let decoded = method.decoded_size(&message).and_then(|size| slot.grow(size.saturating_sub(message.len())));
        if let Err(refused) = decoded {
            return Err(Observed::refused(name, refused).into());
        }
        match method.handler {
            Some(Handler::Led(decode)) => self.serve_led(name, decode(message), caller, slot).await,
            Some(Handler::Local(decode)) => self.serve_local(name, decode(message), caller, slot).await,
            None => Err(Observed::refused(name, ApiError::unimplemented(name)).into()),
        }
    }

    async fn serve_led(
        &self,
        method: &'static str,
        request: Result<Box<dyn AnyRequest>, DecodeError>,
        Caller { arrived, timeout, client }: Caller,
        slot: &mut Slot,
    ) -> Result<Response<Bytes>, Status> {
        let mut request = request.map_err(|error| unreadable(method, &error))?;
        request.set_client(client);
        let kind = request.kind();
        let mut observed = Observed::begin(method, kind != Kind::Call);
        if let Err(refused) = enter(kind, slot) {
            return refuse(&mut observed, refused);
        }
        let deadline = self.deadline(kind, arrived, timeout);
        let worker = self.worker(request.polling_worker());
        let outcome = {
            let call = self.call(method, &mut *request, deadline);
            self.until_ended(kind, worker, call).await
        };
        let outcome = outcome.unwrap_or_else(|| nothing_more(kind, EncodedResponse::default));
        observed.answered(&outcome);
        let Outgoing { body, handovers } =
            request.hand_over(outcome?, self.shards(), self.token_key(deadline.at).await?)?;
        let mut response = Response::new(body);
        if !handovers.is_empty() {
            response.extensions_mut().insert(Handovers::new(handovers));
        }
        Ok(response)
    }

    async fn serve_local(
        &self,
        method: &'static str,
        request: Result<Box<dyn AnyLocalRequest>, DecodeError>,
        Caller { arrived, timeout, client }: Caller,
        slot: &mut Slot,
    ) -> Result<Response<Bytes>, Status> {
        let request = request.map_err(|error| unreadable(method, &error))?;
        let kind = request.kind();
        let mut observed = Observed::begin(method, kind != Kind::Call);
        if let Err(refused) = enter(kind, slot) {
            return refuse(&mut observed, refused);
        }
        let deadline = self.deadline(kind, arrived, timeout);
        let worker = self.worker(request.polling_worker());
        let explained = if client.explains { request.search() } else { None };
        let described = if client.explains { request.described().cloned() } else { None };
        let mut plan = None;
        let answer = async {
            client.check()?;
            if let Some(search) = explained {
                plan = Some(Box::pin(self.explain(search, deadline.at)).await?);
            }
            if let Some(described) = described {
                plan = Box::pin(self.left_of(&described, deadline.at)).await?;
            }
            let answer = timeout_at(deadline.at, request.answer(self, deadline.at)).await;
            answer.unwrap_or_else(|_| Err(too_late(method, "no answer in time", deadline.caller_set_it)))
        };
        let outcome = self.until_ended(kind, worker, answer).await;
        let outcome = outcome.unwrap_or_else(|| nothing_more(kind, Bytes::new));
        observed.answered(&outcome);
        let mut response = Response::new(outcome?);
        if let Some(plan) = plan {
            response.metadata_mut().insert_bin(PLAN, MetadataValue::from_bytes(plan.as_bytes()));
        }
        Ok(response)
    }

    /// Until when a request is to be answered whose caller waits that long.
    fn deadline(&self, kind: Kind, arrived: Instant, timeout: Option<Duration>) -> Deadline {
        let (usual, longest) = match kind {
            Kind::Call => (self.options().timeout, CALL_DEADLINE),
            Kind::Poll | Kind::Wait => (self.options().long_timeout, WAIT_DEADLINE),
        };
        Deadline::of(arrived, timeout, usual, longest)
    }

    /// The worker that polls; `None` for one that did not give its key, or one that no worker has.
    fn worker(&self, polling: Option<PollingWorker<'_>>) -> Option<WorkerPoll> {
        let PollingWorker { namespace, key } = polling?;
        let named = !key.is_empty() && key.len() <= self.options().limits.id_length;
        named.then(|| self.shards().polling(namespace, key))
    }

    /// Runs a request. `None`: what it waits for is not to be waited for any longer, because this node stops or the
    /// worker that polls goes.
    async fn until_ended<T>(
        &self,
        kind: Kind,
        worker: Option<WorkerPoll>,
        request: impl Future<Output = T>,
    ) -> Option<T> {
        let gone = async {
            match &worker {
                Some(worker) => worker.gone().await,
                None => std::future::pending().await,
            }
        };
        match kind {
            Kind::Call => Some(request.await),
            Kind::Poll | Kind::Wait => tokio::select! {
                biased;
                () = self.closing().cancelled() => None,
                () = gone => None,
                answer = request => Some(answer),
            },
        }
    }

    /// Runs an RPC at its leader, wherever that is, by the deadline.
    async fn call(
        &self,
        method: &'static str,
        request: &mut dyn AnyRequest,
        deadline: Deadline,
    ) -> Result<EncodedResponse, ApiError> {
        let (shard, key) = self.admit(request, deadline.at).await?;
        let request = &*request;
        let proposal = new_proposal_id();
        let mut encoded = None;
        let mut held = None;
        let mut attempts = self.shards().attempts(shard, deadline.at);
        while let Some(leader) = attempts.next().await {
            let attempt = async {
                match leader {
                    Leader::Here => {
                        // Where it waits now, the leaders of this node find it.
                        held = None;
                        self.run_here(shard, request, key, proposal, deadline).await
                    }
                    Leader::At { node, .. } => {
                        let message = encoded.get_or_insert_with(|| request.encode()).clone();
                        let forwarded = self.forward_to(node, shard, method, message, proposal, deadline);
                        let held = held.get_or_insert_with(|| request.hold(self.shards(), proposal)).as_mut();
                        or_answered_here(held, forwarded).await
                    }
                }
            };
            // On the heap, for it is large, and moved from one to the other of those who watch over it.
            match attempts.run(leader, Box::pin(attempt)).await {
                Attempted::Answered(outcome) => return outcome,
                Attempted::Failed => {
                    tracing::debug!(method, failure = attempts.failure(), "trying again");
                    metrics::counter!("tenure_request_retries_total", "method" => method).increment(1);
                }
                Attempted::Late if request.kind() == Kind::Poll => return Ok(EncodedResponse::default()),
                Attempted::Late => break,
            }
        }
        Err(too_late(method, &attempts.failure(), deadline.caller_set_it))
    }

    /// Runs a request at the leader that is in this process.
    async fn run_here(
        &self,
        shard: ShardId,
        request: &dyn AnyRequest,
        key: TokenKey,
        proposal: ProposalId,
        Deadline { at: deadline, arrived, .. }: Deadline,
    ) -> Result<Result<EncodedResponse, ApiError>, AttemptError> {
        let node = self.shards().node();
        let denied = |term| AttemptError::NotLeader(Leader::At { node, term });
        let leader = self.shards().local(shard).ok_or(denied(0))?;
        let call = Call { leader, origin: self.shards().process(), node, proposal, deadline, arrived, key };
        match request.run(&call).await {
            Ok(response) => Ok(Ok(response)),
            Err(CommandError::Api(error)) => Ok(Err(error)),
            Err(CommandError::NotLeader(said)) => Err(denied(said.term)),
        }
    }

    /// Finds the namespace, checks the form, and finds the shard whose leader answers; and the key of tokens.
    pub(crate) async fn admit(
        &self,
        request: &mut dyn AnyRequest,
        deadline: Instant,
    ) -> Result<(ShardId, TokenKey), ApiError> {
        let token_key = self.token_key(deadline).await?;
        let namespace = match request.scope() {
            Scope::Namespace(name) => self.namespace_in(name, request.allowed_states(), deadline).await?.id,
            Scope::Task { namespace: "", token } => self.namespace_of_token(token_key, token)?.unwrap_or(NO_NAMESPACE),
            Scope::Task { namespace, .. } => self.namespace(namespace, deadline).await?.id,
            Scope::Cluster => NO_NAMESPACE,
        };
        for name in request.also_names() {
            if !name.is_empty() {
                self.namespace(name, deadline).await?;
            }
        }
        request.check_client()?;
        let given = request.search_attributes();
        let names = given.iter().flat_map(|attributes| attributes.indexed_fields.keys());
        let search_attributes = self.search_attributes(namespace, names, deadline).await?;
        let admission = Admission { namespace, search_attributes, limits: &self.options().limits, token_key };
        Ok((request.admit(&admission, self.shards())?, token_key))
    }

    /// What the namespace has. Names that are not known here may have been added a moment ago.
    async fn search_attributes(
        &self,
        namespace: NamespaceId,
        names: impl Iterator<Item = &String>,
        deadline: Instant,
    ) -> Result<Registry, ApiError> {
        let of = || self.shards().namespace_by_id(namespace).map(|namespace| namespace.search_attributes.clone());
        let known = of().unwrap_or_default();
        let mut names = names;
        if names.all(|name| known.knows(name)) {
            return Ok(known);
        }
        self.refresh_namespaces(deadline).await?;
        Ok(of().unwrap_or_default())
    }

    /// What seals and opens the tokens of this cluster.
    pub(crate) async fn token_key(&self, deadline: Instant) -> Result<TokenKey, ApiError> {
        self.shards().token_key(deadline).await
    }

    /// After this the namespaces are known here as they were acknowledged before the call.
    pub(crate) async fn refresh_namespaces(&self, deadline: Instant) -> Result<(), ApiError> {
        let refreshed = self.shards().namespaces(deadline).await;
        refreshed.map(drop).map_err(|cause| ApiError::unavailable(format!("namespaces: {cause}")))
    }

    /// The namespace of a task or a query; `None` for a token of neither.
    fn namespace_of_token(&self, key: TokenKey, token: &[u8]) -> Result<Option<NamespaceId>, ApiError> {
        let id = namespace_of_token(key, token);
        match id.and_then(|id| self.shards().namespace_by_id(id)) {
            Some(known) => Ok(Some(serving(known, namespace::SERVING)?.id)),
            None => Ok(id),
        }
    }

    /// A namespace by name; NOT_FOUND if there is none, FAILED_PRECONDITION if it was deleted.
    pub(crate) async fn namespace(&self, name: &str, deadline: Instant) -> Result<Arc<Namespace>, ApiError> {
        self.namespace_in(name, namespace::SERVING, deadline).await
    }

    /// The same for a request that a namespace serves in these states.
    async fn namespace_in(
        &self,
        name: &str,
        allowed: &[NamespaceState],
        deadline: Instant,
    ) -> Result<Arc<Namespace>, ApiError> {
        if name.is_empty() {
            return Err(ApiError::invalid_argument("Namespace is empty."));
        }
        if name.len() > self.options().limits.id_length {
            return Err(ApiError::invalid_argument("Namespace length exceeds limit."));
        }
        let found = self.shards().namespace(name, deadline).await;
        let found = found.map_err(|cause| ApiError::unavailable(format!("namespace {name}: {cause}")))?;
        serving(found.ok_or_else(|| namespace::not_found(name))?, allowed)
    }
}

/// What another node answers to a request, unless it is a poll that a leader of this one has a task for.
async fn or_answered_here<E>(
    held: Option<&mut HeldPoll>,
    forwarded: impl Future<Output = Result<Result<EncodedResponse, ApiError>, E>>,
) -> Result<Result<EncodedResponse, ApiError>, E> {
    let Some(held) = held else { return forwarded.await };
    held.sets_out();
    tokio::select! {
        biased;
        answer = forwarded => answer,
        polled = held.answered() => Ok(Ok(Some(polled).into())),
    }
}

/// Refuses a namespace that was deleted.
fn serving(namespace: Arc<Namespace>, allowed: &[NamespaceState]) -> Result<Arc<Namespace>, ApiError> {
    if namespace.is_deleted() { Err(namespace::deleted(&namespace.name, allowed)) } else { Ok(namespace) }
}

/// What waits for something to happen has a place among its like; everything else is work.
fn enter(kind: Kind, slot: &mut Slot) -> Result<(), ApiError> {
    match kind {
        Kind::Call => {
            slot.work();
            Ok(())
        }
        Kind::Poll | Kind::Wait => slot.wait(),
    }
}

fn refuse<T>(observed: &mut Observed, error: ApiError) -> Result<T, Status> {
    let refused = Err(error);
    observed.answered(&refused);
    Ok(refused?)
}

/// The answer to a request that waits no longer.
fn nothing_more<T>(kind: Kind, nothing: impl FnOnce() -> T) -> Result<T, ApiError> {
    match kind {
        Kind::Poll => Ok(nothing()),
        Kind::Call | Kind::Wait => Err(ApiError::unavailable("this node is stopping")),
    }
}

/// The deadline has passed. A caller that set it hears so; one that did not may try again.
fn too_late(method: &str, cause: &str, caller_set_it: bool) -> ApiError {
    let code = if caller_set_it { Code::DeadlineExceeded } else { Code::Unavailable };
    ApiError::new(code, format!("{method}: {cause}"))
}

/// A request that cannot be decoded, in the reference server's words.
fn unreadable(method: &'static str, error: &DecodeError) -> ApiError {
    let refused = match nested::is_too_long(error) {
        true => ApiError::invalid_argument(nested::CHAIN_TOO_LONG),
        false => ApiError::internal(format!("grpc: error unmarshalling request: {error}")),
    };
    Observed::refused(method, refused)
}

/// An answer of another node that this one cannot decode. To ask again would give the same.
pub(crate) fn garbled(node: NodeId, error: &dyn std::fmt::Display) -> ApiError {
    let message = format!("the request was run, but the answer of node {node} cannot be read: {error}");
    ApiError::internal(message)
}

fn namespace_of_token(key: TokenKey, token: &[u8]) -> Option<NamespaceId> {
    let token = key.open(TokenUse::Task, token)?;
    let task = TaskToken::decode(token).map(|token| token.namespace());
    task.or_else(|| QueryToken::decode(token).map(|token| token.namespace))
}
