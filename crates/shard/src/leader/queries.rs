//! Queries: volatile questions to a worker. They ride on the next workflow task if one is on its way, and go through
//! matching on their own otherwise.

use crate::{
    leader::runtime::LeaderRuntime,
    node::polled::Served,
    node::polled::{PollResponse, Polled, Taken},
    seam::error::CommandError,
    seam::messages::{Answer, Offered, Request},
    seam::query_token::QueryToken,
    seam::replica::ShardId,
};
use metrics::counter;
use parking_lot::Mutex;
use prost::Message;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tenure_api::{
    common::v1::Payloads,
    enums::v1::{QueryRejectCondition, QueryResultType, WorkflowExecutionStatus as Status},
    error::{ApiError, Code},
    errordetails::v1::{QueryFailedFailure, WorkflowNotReadyFailure},
    query::v1::{QueryRejected, WorkflowQuery, WorkflowQueryResult},
    workflowservice::v1 as api,
};
use tenure_engine::{QueueKey, RunKey, TaskKind, WorkflowKey, state::ExecutionState};
use tenure_limits::QUERIES;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// A query is not kept waiting behind a workflow task from this attempt on.
const FAILED_ATTEMPTS: i32 = 3;
/// How long a sticky worker has for a query where the worker did not say; then any worker may answer.
const STICKY_PATIENCE: Duration = Duration::from_secs(5);
/// A queue that nobody polled for this long has no worker that could answer.
const POLLED_LATELY: Duration = Duration::from_secs(20);
/// A query waits for so long until a run that has just begun has its first workflow task.
const FIRST_TASK_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of the failure behind a query's error that its asker is told: it is a header of the response, and clients refuse
/// large ones.
const MAX_QUERY_FAILURE: usize = 64 << 10;

/// What an asker is told of an answer beyond the limit of blobs.
const TOO_LARGE: &str = "Blob data size exceeds limit.";

type Outcome = Result<Option<Payloads>, ApiError>;

pub(crate) struct Queries {
    inner: Mutex<Inner>,
    next: AtomicU64,
}

#[derive(Default)]
struct Inner {
    by_id: BTreeMap<u64, Query>,
    by_run: HashMap<RunKey, Vec<u64>>,
}

struct Query {
    run: RunKey,
    query: WorkflowQuery,
    reply: oneshot::Sender<Outcome>,
    place: Place,
}

enum Place {
    /// Waits for the next workflow task.
    Buffered,
    /// Is with the workflow task in flight.
    Riding,
    /// Is offered on its own.
    Offered { home: ShardId, offered: Offered },
    /// A worker has it on its own.
    Handed { home: ShardId, offered: Offered },
}

impl Place {
    fn is_buffered(&self) -> bool {
        matches!(self, Place::Buffered)
    }
}

impl Inner {
    fn remove(&mut self, id: u64) -> Option<Query> {
        let query = self.by_id.remove(&id)?;
        if let Some(ids) = self.by_run.get_mut(&query.run) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_run.remove(&query.run);
            }
        }
        Some(query)
    }

    fn of_run(&mut self, run: &RunKey, mut visit: impl FnMut(u64, &mut Query)) {
        for id in self.by_run.get(run).cloned().unwrap_or_default() {
            if let Some(query) = self.by_id.get_mut(&id) {
                visit(id, query);
            }
        }
    }
}

impl Queries {
    /// Those of a leader in a term. Ids are no earlier leader's: a worker may answer what it was asked before.
    pub(crate) fn new(term: u64) -> Self {
        Queries { inner: Mutex::default(), next: AtomicU64::new(term << 32) }
    }

    /// Queries that are offered to a home, which may have moved.
    pub(crate) fn of_home(&self, home: ShardId) -> Vec<Offered> {
        let inner = self.inner.lock();
        let offered = inner.by_id.values().filter_map(|query| match &query.place {
            Place::Offered { home: at, offered } if *at == home => Some(offered.clone()),
            _ => None,
        });
        offered.collect()
    }

    /// A workflow task was started: the queries that wait for it go along.
    pub(crate) fn ride(&self, run: &RunKey) -> BTreeMap<String, WorkflowQuery> {
        let mut riding = BTreeMap::new();
        self.inner.lock().of_run(run, |id, query| {
            if matches!(query.place, Place::Buffered | Place::Riding) {
                query.place = Place::Riding;
                riding.insert(id.to_string(), query.query.clone());
            }
        });
        riding
    }

    fn add(&self, run: &RunKey, query: WorkflowQuery) -> Result<(u64, oneshot::Receiver<Outcome>), ApiError> {
        let (reply, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut inner = self.inner.lock();
        let ids = inner.by_run.entry(run.clone()).or_default();
        if ids.len() >= QUERIES {
            return Err(ApiError::new(Code::ResourceExhausted, "query buffer is full, please retry later"));
        }
        ids.push(id);
        inner.by_id.insert(id, Query { run: run.clone(), query, reply, place: Place::Buffered });
        Ok((id, answer))
    }

    /// Queries that rode on a workflow task which is no more wait for the next.
    fn unseat(&self, run: &RunKey) -> bool {
        let mut any = false;
        self.inner.lock().of_run(run, |_, query| {
            if matches!(query.place, Place::Riding) {
                query.place = Place::Buffered;
            }
            any |= query.place.is_buffered();
        });
        any
    }

    /// Answers a query that `asked` accepts as the one that its worker was asked.
    fn answer(&self, id: u64, asked: impl FnOnce(&Query) -> bool, outcome: Outcome) -> bool {
        let query = {
            let mut inner = self.inner.lock();
            if !inner.by_id.get(&id).is_some_and(asked) {
                return false;
            }
            inner.remove(id)
        };
        // Its asker may have given up.
        query.map(|query| query.reply.send(outcome)).is_some()
    }
}

/// A query leaves with its asker.
struct QueryGuard<'a> {
    runtime: &'a Arc<LeaderRuntime>,
    id: u64,
}

impl Drop for QueryGuard<'_> {
    fn drop(&mut self) {
        let query = self.runtime.queries.inner.lock().remove(self.id);
        if let Some(Query { place: Place::Offered { home, offered }, .. }) = query {
            self.runtime.revoke(home, &offered);
        }
    }
}

impl LeaderRuntime {
    pub(crate) async fn query(
        self: &Arc<Self>,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
        request: &api::QueryWorkflowRequest,
        deadline: Instant,
    ) -> Result<api::QueryWorkflowResponse, CommandError> {
        counter!("tenure_queries_total").increment(1);
        self.barrier().await?;
        // A short time is not used up by the margin.
        let now = Instant::now();
        let last_chance = deadline - self.options.long_poll_margin.min(deadline.saturating_duration_since(now) / 10);
        let (run, state) = self.find_run(workflow, run_id)?;
        let state = self.with_first_task(&run, state, last_chance).await?;
        if let Some(rejected) = rejected(request.query_reject_condition, state.status()) {
            return Ok(api::QueryWorkflowResponse { query_rejected: Some(rejected), ..Default::default() });
        }
        answerable(&state)?;
        let query = request.query.clone().ok_or_else(|| ApiError::invalid_argument("Query is not set on request."))?;
        let (id, mut answer) = self.queries.add(&run, query)?;
        let _guard = QueryGuard { runtime: self, id };
        self.place_queries(&run, Place::is_buffered);

        let now = Instant::now();
        let last_chance = last_chance.max(now);
        let patience = state.sticky.as_ref().and_then(|s| s.schedule_to_start).unwrap_or(STICKY_PATIENCE);
        let sticky_until = now + patience;
        let mut sticky_tried = false;
        let look_again = self.options.query_look_again;
        let mut looks = tokio::time::interval_at(now + look_again, look_again);
        let outcome = loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    break answer.unwrap_or_else(|_| Err(ApiError::internal("the query was dropped")));
                }
                () = self.ended.cancelled() => return Err(self.not_leader().into()),
                () = tokio::time::sleep_until(sticky_until), if !sticky_tried && sticky_until < last_chance => {
                    sticky_tried = true;
                    self.leave_sticky(id);
                }
                _ = looks.tick() => self.look_again(id),
                () = tokio::time::sleep_until(last_chance) => break Err(self.unanswered(id, deadline).await),
            }
        };
        Ok(api::QueryWorkflowResponse { query_result: outcome?, ..Default::default() })
    }

    /// The run's state once it has a first workflow task; without one where that is long in coming.
    async fn with_first_task(
        self: &Arc<Self>,
        run: &RunKey,
        state: Arc<ExecutionState>,
        last_chance: Instant,
    ) -> Result<Arc<ExecutionState>, CommandError> {
        if !waits_for_first_task(&state) {
            return Ok(state);
        }
        let until = last_chance.min(Instant::now() + FIRST_TASK_WITHIN);
        let mut waiter = self.waiters.wait(run);
        loop {
            let (_, state) = self.find_run(&run.workflow, Some(run.run_id))?;
            if !waits_for_first_task(&state) || Instant::now() >= until {
                return Ok(state);
            }
            tokio::select! {
                _ = waiter.grown() => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.ended.cancelled() => return Err(self.not_leader().into()),
            }
        }
    }

    /// Why a query got no answer in time; found out before its caller's deadline.
    async fn unanswered(self: &Arc<Self>, id: u64, deadline: Instant) -> ApiError {
        let late = |why: String| ApiError::new(Code::DeadlineExceeded, format!("context deadline exceeded: {why}"));
        let offered = match self.queries.inner.lock().by_id.get(&id).map(|query| &query.place) {
            Some(Place::Offered { home, offered }) => Ok((*home, offered.queue().clone())),
            Some(Place::Handed { offered, .. }) => {
                Err(format!("a worker of task queue '{}' has the query and does not answer", offered.queue().name))
            }
            Some(Place::Buffered | Place::Riding) => Err("the workflow task before the query is not completed".into()),
            None => Err("the query is gone".into()),
        };
        let (home, queue) = match offered {
            Ok(offered) => offered,
            Err(why) => return late(why),
        };
        let nobody = format!("no worker of task queue '{}' asks for work", queue.name);
        let now = Instant::now();
        let deadline = now + deadline.saturating_duration_since(now) / 2;
        let asked = self.node.router.ask_leader(home, Request::LastPoll { home, queue }, deadline).await;
        match asked {
            Ok(Served::Answer(Answer::LastPoll(Some(ago)))) if ago <= POLLED_LATELY => {
                late(format!("{nobody}, the last one did {} s ago", ago.as_secs()))
            }
            Ok(Served::Answer(Answer::LastPoll(_))) => {
                ApiError::failed_precondition("no poller seen for task queue recently, worker may be down")
            }
            _ => late(nobody),
        }
    }

    /// Finds out for the queries of a run whose place `waits` whether they ride on a workflow task or go on their own.
    fn place_queries(self: &Arc<Self>, run: &RunKey, waits: impl Fn(&Place) -> bool) {
        let state = match self.rows.execution(run) {
            Ok(Some(state)) => state,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(shard = self.shard, %error, "a state cannot be read");
                return;
            }
        };
        if state.is_running() && state.workflow_task.pending.is_some() {
            return;
        }
        let mut offers = Vec::new();
        self.queries.inner.lock().of_run(run, |id, query| {
            if waits(&query.place) {
                let (home, offered) = self.direct(run, &state, id, state.sticky.is_some() && state.is_running());
                query.place = Place::Offered { home, offered: offered.clone() };
                offers.push((home, offered));
            }
        });
        for (home, offered) in offers {
            self.offer(home, offered);
        }
    }

    fn direct(&self, run: &RunKey, state: &ExecutionState, id: u64, sticky: bool) -> (ShardId, Offered) {
        let name = match &state.sticky {
            Some(worker) if sticky => worker.queue.clone(),
            _ => state.info.task_queue.clone(),
        };
        let namespace = run.workflow.namespace;
        let queue = QueueKey { namespace, kind: TaskKind::Workflow, name };
        let token =
            QueryToken { namespace, shard: self.shard, node: self.node.router.mesh.node(), term: self.term, id };
        (self.node.router.mesh.shard_of(queue.slot()), Offered::Query { queue, sticky, token, at: self.clock.now() })
    }

    /// A query that its sticky worker does not take or answer may be answered by any worker.
    fn leave_sticky(self: &Arc<Self>, id: u64) {
        let run = match self.queries.inner.lock().by_id.get(&id) {
            Some(Query { run, place: Place::Offered { offered, .. } | Place::Handed { offered, .. }, .. })
                if offered.is_sticky() =>
            {
                run.clone()
            }
            _ => return,
        };
        let Ok(Some(state)) = self.rows.execution(&run) else { return };
        let (home, offered) = self.direct(&run, &state, id, false);
        let before = match self.queries.inner.lock().by_id.get_mut(&id) {
            Some(query) => std::mem::replace(&mut query.place, Place::Offered { home, offered: offered.clone() }),
            None => return,
        };
        if let Place::Offered { home, offered } = before {
            self.revoke(home, &offered);
        }
        self.offer(home, offered);
    }

    pub(crate) fn query_sticky_unavailable(self: &Arc<Self>, token: &QueryToken) {
        if token.term == self.term {
            self.leave_sticky(token.id);
        }
    }

    /// A home has a poll for a query.
    pub(crate) async fn serve_query_start(self: &Arc<Self>, token: QueryToken, sticky: bool) -> Served {
        let obsolete = || Served::Answer(Answer::Obsolete);
        if token.term != self.term {
            return obsolete();
        }
        let (run, query) = {
            let mut inner = self.queries.inner.lock();
            let Some(query) = inner.by_id.get_mut(&token.id) else { return obsolete() };
            match std::mem::replace(&mut query.place, Place::Buffered) {
                // Handed: asked again by a home that did not get our answer.
                Place::Offered { home, offered } | Place::Handed { home, offered } if offered.is_sticky() == sticky => {
                    query.place = Place::Handed { home, offered };
                }
                other => {
                    query.place = other;
                    return obsolete();
                }
            }
            (query.run.clone(), query.query.clone())
        };
        let response = match self.rows.execution(&run) {
            Ok(Some(state)) => self.query_response(&run, &state, query, &token, sticky),
            Ok(None) => return obsolete(),
            Err(error) => Err(error.into()),
        };
        match response {
            Ok(response) => {
                let response = PollResponse::Workflow(Box::new(response));
                Served::Started(Polled::new(response, Taken::Query(token), self.node.router.clone()))
            }
            Err(CommandError::Api(error)) => {
                self.queries.answer(token.id, |_| true, Err(error));
                obsolete()
            }
            Err(CommandError::NotLeader(not_leader)) => Served::Answer(Answer::NotLeader(not_leader)),
        }
    }

    /// The poll that took a query has gone: it is offered again.
    pub(crate) fn query_returned(self: &Arc<Self>, token: &QueryToken) -> Served {
        if token.term == self.term {
            self.look_again(token.id);
        }
        Served::Answer(Answer::Done)
    }

    /// Puts a query where it can be answered: it is offered again if it goes on its own, and goes on its own if there
    /// is no workflow task on which it could ride. A home takes no notice of what it has already.
    fn look_again(self: &Arc<Self>, id: u64) {
        let again = {
            let mut inner = self.queries.inner.lock();
            let Some(query) = inner.by_id.get_mut(&id) else { return };
            match &query.place {
                Place::Offered { home, offered } | Place::Handed { home, offered } => {
                    let again = (*home, offered.clone());
                    query.place = Place::Offered { home: again.0, offered: again.1.clone() };
                    Ok(again)
                }
                Place::Buffered | Place::Riding => Err(query.run.clone()),
            }
        };
        match again {
            Ok((home, offered)) => self.offer(home, offered),
            Err(run) => self.place_queries(&run, |place| matches!(place, Place::Buffered | Place::Riding)),
        }
    }

    /// A worker's answer to a query that it got on its own.
    pub(crate) fn complete_query(
        &self,
        token: &QueryToken,
        request: &api::RespondQueryTaskCompletedRequest,
    ) -> Result<(), CommandError> {
        let limit = self.options.limits.blob_size;
        let mut answer = WorkflowQueryResult {
            result_type: request.completed_type,
            answer: request.query_result.clone(),
            error_message: request.error_message.clone(),
            failure: request.failure.clone(),
        };
        if is_too_large(&answer, limit) {
            answer.result_type = QueryResultType::Failed.into();
            answer.error_message = TOO_LARGE.into();
        }
        let outcome = outcome(answer, limit);
        let asked = |query: &Query| query.run.workflow.namespace == token.namespace;
        if token.term == self.term && self.queries.answer(token.id, asked, outcome) {
            return Ok(());
        }
        Err(ApiError::not_found("query task not found, or already expired").into())
    }

    /// A workflow task was completed, with the answers of queries that rode on it.
    pub(crate) fn workflow_task_completed(
        self: &Arc<Self>,
        run: &RunKey,
        results: BTreeMap<String, WorkflowQueryResult>,
    ) {
        for (id, result) in results {
            if let Ok(id) = id.parse() {
                let limit = self.options.limits.blob_size;
                self.queries.answer(id, |query| query.run == *run, outcome(result, limit));
            }
        }
        self.workflow_task_ended(run);
    }

    /// The workflow task in flight is no more; queries that were not answered go another way.
    pub(crate) fn workflow_task_ended(self: &Arc<Self>, run: &RunKey) {
        if self.queries.unseat(run) {
            self.place_queries(run, Place::is_buffered);
        }
    }
}

fn is_too_large(answer: &WorkflowQueryResult, limit: usize) -> bool {
    answer.result_type() == QueryResultType::Answered
        && answer.answer.as_ref().is_some_and(|answer| answer.encoded_len() > limit)
}

/// What the asker gets of a worker's answer, which may have `limit` bytes.
fn outcome(answer: WorkflowQueryResult, limit: usize) -> Outcome {
    if is_too_large(&answer, limit) {
        return Err(ApiError::invalid_argument(TOO_LARGE));
    }
    let WorkflowQueryResult { result_type, answer, error_message, failure } = answer;
    match QueryResultType::try_from(result_type) {
        Ok(QueryResultType::Answered) => Ok(answer),
        Ok(QueryResultType::Failed) => {
            let failure = failure.filter(|failure| failure.encoded_len() <= MAX_QUERY_FAILURE);
            Err(ApiError::new(Code::InvalidArgument, error_message).with(&QueryFailedFailure { failure }))
        }
        _ => Err(ApiError::invalid_argument("Invalid QueryResultType on the query's completion.")),
    }
}

/// The caller wants no answer from a run in this status.
fn rejected(condition: i32, status: Status) -> Option<QueryRejected> {
    let reject = match QueryRejectCondition::try_from(condition) {
        Ok(QueryRejectCondition::NotOpen) => status != Status::Running,
        Ok(QueryRejectCondition::NotCompletedCleanly) => !matches!(status, Status::Running | Status::Completed),
        _ => false,
    };
    reject.then_some(QueryRejected { status: status as i32 })
}

/// The run has no first workflow task yet: it is held back.
fn waits_for_first_task(state: &ExecutionState) -> bool {
    let task = &state.workflow_task;
    state.is_running() && task.last_completed_started_event_id == 0 && task.pending.is_none()
}

/// Whether a worker can have, or get, a state to answer from.
fn answerable(state: &ExecutionState) -> Result<(), ApiError> {
    let not_ready = |message: &str| ApiError::failed_precondition(message).with(&WorkflowNotReadyFailure::default());
    let task = &state.workflow_task;
    let never_ran = task.last_completed_started_event_id == 0;
    if !state.is_running() && never_ran {
        return Err(not_ready("workflow closed before first workflow task was completed"));
    }
    if waits_for_first_task(state) {
        return Err(not_ready("Workflow task is not scheduled yet."));
    }
    if state.is_running() && task.attempt >= FAILED_ATTEMPTS {
        return Err(not_ready("Unable to query workflow due to Workflow Task in failed state."));
    }
    Ok(())
}
