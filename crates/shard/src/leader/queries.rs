//! Queries: volatile questions to a worker. They go with the next workflow task if one is on its way, and go through
//! matching on their own otherwise.
//!
//! The notice that moves a query on is the end of its run's workflow task, or the return of the poll that took it. The
//! sweep is [`Queries::look_again`], of each query by itself and until it is answered: a home or a worker may have
//! lost it, or the run may be gone.

use crate::{
    leader::{
        context::LeaderContext,
        pending_queries::{PendingQueries, Place, Query, QueryResult},
        response::Responses,
        runs::{find_run, no_run},
        waiters::Waiters,
    },
    node::polled::{Polled, Served, Taken},
    owner::dispatch::Dispatch,
    seam::{
        error::CommandError,
        messages::{Answer, Offered, Request},
        query_token::QueryToken,
        replica::ShardId,
    },
};
use metrics::counter;
use prost::Message;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{
    enums::v1::{QueryRejectCondition, QueryResultType, WorkflowExecutionStatus as Status},
    error::{ApiError, Code},
    errordetails::v1::{QueryFailedFailure, WorkflowNotReadyFailure},
    query::v1::{QueryRejected, WorkflowQueryResult},
    workflowservice::v1 as api,
};
use tenure_engine::{QueueKey, RunKey, TaskKind, WorkflowKey, state::ExecutionState};
use tokio::time::Instant;
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

/// A query leaves with its asker.
struct QueryGuard<'a> {
    queries: &'a Queries,
    id: u64,
}

impl Drop for QueryGuard<'_> {
    fn drop(&mut self) {
        let query = self.queries.pending.lock().remove(self.id);
        if let Some(Query { place: Place::Offered { home, offered }, .. }) = query {
            self.queries.dispatch.revoke(home, &offered);
        }
    }
}

/// Puts queries where they can be answered.
pub(crate) struct Queries {
    context: Arc<LeaderContext>,
    pending: Arc<PendingQueries>,
    waiters: Arc<Waiters>,
    dispatch: Arc<Dispatch>,
    responses: Responses,
}

impl Queries {
    pub(crate) fn new(
        context: Arc<LeaderContext>,
        pending: Arc<PendingQueries>,
        waiters: Arc<Waiters>,
        dispatch: Arc<Dispatch>,
        responses: Responses,
    ) -> Queries {
        Queries { context, pending, waiters, dispatch, responses }
    }

    pub(crate) async fn query(
        &self,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
        request: &api::QueryWorkflowRequest,
        deadline: Instant,
    ) -> Result<api::QueryWorkflowResponse, CommandError> {
        counter!("tenure_queries_total").increment(1);
        self.context.barrier().await?;
        // A short time is not used up by the margin.
        let now = Instant::now();
        let last_chance =
            deadline - self.context.options().long_poll_margin.min(deadline.saturating_duration_since(now) / 10);
        let (run, state) = find_run(&*self.context.rows, workflow, run_id)?;
        let state = self.with_first_task(&run, state, last_chance).await?;
        if let Some(rejected) = rejected(request.query_reject_condition, state.shown_status()) {
            return Ok(api::QueryWorkflowResponse { query_rejected: Some(rejected), ..Default::default() });
        }
        answerable(&state)?;
        let query = request.query.clone().ok_or_else(|| ApiError::invalid_argument("Query is not set on request."))?;
        let (id, mut answer) = self.pending.add(&run, query)?;
        let _guard = QueryGuard { queries: self, id };
        self.place_queries(&run, Place::is_buffered);

        let now = Instant::now();
        let last_chance = last_chance.max(now);
        let patience = state.sticky.as_ref().and_then(|s| s.schedule_to_start).unwrap_or(STICKY_PATIENCE);
        let sticky_until = now + patience;
        let mut sticky_tried = false;
        let look_again = self.context.options().query_look_again;
        let mut looks = tokio::time::interval_at(now + look_again, look_again);
        let result = loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    break answer.unwrap_or_else(|_| Err(ApiError::internal("the query was dropped")));
                }
                () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
                () = tokio::time::sleep_until(sticky_until), if !sticky_tried && sticky_until < last_chance => {
                    sticky_tried = true;
                    self.leave_sticky(id);
                }
                _ = looks.tick() => self.look_again(id),
                () = tokio::time::sleep_until(last_chance) => break Err(self.unanswered(id, deadline).await),
            }
        };
        Ok(api::QueryWorkflowResponse { query_result: result?, ..Default::default() })
    }

    /// The run's state once it has a first workflow task; without one where that is long in coming.
    async fn with_first_task(
        &self,
        run: &RunKey,
        state: Arc<ExecutionState>,
        last_chance: Instant,
    ) -> Result<Arc<ExecutionState>, CommandError> {
        if !waits_for_first_task(&state) {
            return Ok(state);
        }
        let until = last_chance.min(Instant::now() + FIRST_TASK_WITHIN);
        let mut waiter = self.waiters.wait(run.into());
        loop {
            let (_, state) = find_run(&*self.context.rows, &run.workflow, Some(run.run_id))?;
            if !waits_for_first_task(&state) || Instant::now() >= until {
                return Ok(state);
            }
            tokio::select! {
                _ = waiter.grown() => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
            }
        }
    }

    /// Why a query got no answer in time; found out before its caller's deadline.
    async fn unanswered(&self, id: u64, deadline: Instant) -> ApiError {
        let late = |why: String| ApiError::new(Code::DeadlineExceeded, format!("context deadline exceeded: {why}"));
        let offered = match self.pending.lock().get_mut(id).map(|query| &query.place) {
            Some(Place::Offered { home, offered }) => Ok((*home, offered.queue().clone())),
            Some(Place::Handed { offered, .. }) => {
                Err(format!("a worker of task queue '{}' has the query and does not answer", offered.queue().name))
            }
            Some(Place::Buffered | Place::WithTask) => {
                Err("the workflow task before the query is not completed".into())
            }
            None => Err("the query is gone".into()),
        };
        let (home, queue) = match offered {
            Ok(offered) => offered,
            Err(why) => return late(why),
        };
        let nobody = format!("no worker of task queue '{}' asks for work", queue.name);
        let now = Instant::now();
        let deadline = now + deadline.saturating_duration_since(now) / 2;
        let asked = self.context.router().ask_leader(home, Request::LastPoll { home, queue }, deadline).await;
        match asked {
            Ok(Served::Answer(Answer::LastPoll { ago: Some(ago), .. })) if ago <= POLLED_LATELY => {
                late(format!("{nobody}, the last one did {} s ago", ago.as_secs()))
            }
            Ok(Served::Answer(Answer::LastPoll { .. })) => {
                ApiError::failed_precondition("no poller seen for task queue recently, worker may be down")
            }
            _ => late(nobody),
        }
    }

    /// Finds out for the queries of a run whose place `waits` whether they go with a workflow task or on their own.
    fn place_queries(&self, run: &RunKey, waits: impl Fn(&Place) -> bool) {
        let state = match self.context.rows.execution(run) {
            Ok(Some(state)) => state,
            // It was removed.
            Ok(None) => return self.pending.fail(run, &no_run(run)),
            Err(error) => {
                tracing::error!(shard = self.context.shard, %error, "a state cannot be read");
                return;
            }
        };
        if state.is_running() && state.workflow_task.pending.is_some() {
            return;
        }
        let mut offers = Vec::new();
        self.pending.lock().of_run(run, |id, query| {
            if waits(&query.place) {
                let (home, offered) = self.direct(run, &state, id, state.sticky.is_some() && state.is_running());
                query.place = Place::Offered { home, offered: offered.clone() };
                offers.push((home, offered));
            }
        });
        for (home, offered) in offers {
            self.dispatch.offer(home, offered);
        }
    }

    fn direct(&self, run: &RunKey, state: &ExecutionState, id: u64, sticky: bool) -> (ShardId, Offered) {
        let name = match &state.sticky {
            Some(worker) if sticky => worker.queue.clone(),
            _ => state.info.task_queue.clone(),
        };
        let namespace = run.workflow.namespace;
        let queue = QueueKey { namespace, kind: TaskKind::Workflow, name };
        let token = QueryToken {
            namespace,
            shard: self.context.shard,
            node: self.context.router().mesh.node(),
            term: self.context.term,
            id,
        };
        (
            self.context.router().mesh.shard_of(queue.slot()),
            Offered::Query { queue, sticky, token, at: self.context.clock.now() },
        )
    }

    /// A query that its sticky worker does not take or answer may be answered by any worker.
    fn leave_sticky(&self, id: u64) {
        let run = match self.pending.lock().get_mut(id) {
            Some(Query { run, place: Place::Offered { offered, .. } | Place::Handed { offered, .. }, .. })
                if offered.is_sticky() =>
            {
                run.clone()
            }
            _ => return,
        };
        let Ok(Some(state)) = self.context.rows.execution(&run) else { return };
        let (home, offered) = self.direct(&run, &state, id, false);
        let before = match self.pending.lock().get_mut(id) {
            Some(query) => std::mem::replace(&mut query.place, Place::Offered { home, offered: offered.clone() }),
            None => return,
        };
        if let Place::Offered { home, offered } = before {
            self.dispatch.revoke(home, &offered);
        }
        self.dispatch.offer(home, offered);
    }

    pub(crate) fn sticky_unavailable(&self, token: &QueryToken) {
        if token.term == self.context.term {
            self.leave_sticky(token.id);
        }
    }

    /// A home has a poll for a query.
    pub(crate) async fn serve_start(&self, token: QueryToken, sticky: bool) -> Served {
        let obsolete = || Served::Answer(Answer::Obsolete);
        let key = match self.context.token_key().await {
            Ok(key) => key,
            Err(error) => return Served::Answer(Answer::Refused(error)),
        };
        if token.term != self.context.term {
            return obsolete();
        }
        let (run, query) = {
            let mut pending = self.pending.lock();
            let Some(query) = pending.get_mut(token.id) else { return obsolete() };
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
        let response = match self.context.rows.execution(&run) {
            Ok(Some(state)) => self.responses.query(&run, &state, query, &token, sticky, key),
            Ok(None) => Err(no_run(&run).into()),
            Err(error) => Err(error.into()),
        };
        match response {
            Ok(response) => {
                let body = response.encode_to_vec().into();
                Served::Started(Polled::new(body, Taken::Query(token), self.context.router().clone()))
            }
            Err(CommandError::Api(error)) => {
                self.pending.answer(token.id, |_| true, Err(error));
                obsolete()
            }
            Err(CommandError::NotLeader(not_leader)) => Served::Answer(Answer::NotLeader(not_leader)),
        }
    }

    /// The poll that took a query has gone: it is offered again.
    pub(crate) fn returned(&self, token: &QueryToken) -> Served {
        if token.term == self.context.term {
            self.look_again(token.id);
        }
        Served::Answer(Answer::Done)
    }

    /// Puts a query where it can be answered: it is offered again if it goes on its own, and goes on its own if there
    /// is no workflow task that it could go with. A home takes no notice of what it has already.
    fn look_again(&self, id: u64) {
        let again = {
            let mut pending = self.pending.lock();
            let Some(query) = pending.get_mut(id) else { return };
            match &query.place {
                Place::Offered { home, offered } | Place::Handed { home, offered } => {
                    let again = (*home, offered.clone());
                    query.place = Place::Offered { home: again.0, offered: again.1.clone() };
                    Ok(again)
                }
                Place::Buffered | Place::WithTask => Err(query.run.clone()),
            }
        };
        match again {
            Ok((home, offered)) => self.dispatch.offer(home, offered),
            Err(run) => self.place_queries(&run, |place| matches!(place, Place::Buffered | Place::WithTask)),
        }
    }

    /// A worker's answer to a query that it got on its own.
    pub(crate) fn complete(
        &self,
        token: &QueryToken,
        request: &api::RespondQueryTaskCompletedRequest,
    ) -> Result<(), CommandError> {
        let limit = self.context.options().limits.blob_size;
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
        let result = query_result(answer, limit);
        let asked = |query: &Query| query.run.workflow.namespace == token.namespace;
        if token.term == self.context.term && self.pending.answer(token.id, asked, result) {
            return Ok(());
        }
        Err(ApiError::not_found("query task not found, or already expired").into())
    }

    /// A workflow task was completed, with the answers of queries that went with it.
    pub(crate) fn workflow_task_completed(&self, run: &RunKey, results: BTreeMap<String, WorkflowQueryResult>) {
        for (id, result) in results {
            if let Ok(id) = id.parse() {
                let limit = self.context.options().limits.blob_size;
                self.pending.answer(id, |query| query.run == *run, query_result(result, limit));
            }
        }
        self.workflow_task_ended(run);
    }

    /// The workflow task in flight is no more; queries that were not answered go another way.
    pub(crate) fn workflow_task_ended(&self, run: &RunKey) {
        if self.pending.detach(run) {
            self.place_queries(run, Place::is_buffered);
        }
    }
}

fn is_too_large(answer: &WorkflowQueryResult, limit: usize) -> bool {
    answer.result_type() == QueryResultType::Answered
        && answer.answer.as_ref().is_some_and(|answer| answer.encoded_len() > limit)
}

/// What the asker gets of a worker's answer, which may have `limit` bytes.
fn query_result(answer: WorkflowQueryResult, limit: usize) -> QueryResult {
    if is_too_large(&answer, limit) {
        return Err(ApiError::invalid_argument(TOO_LARGE));
    }
    let WorkflowQueryResult { result_type, answer, error_message, failure } = answer;
    match QueryResultType::try_from(result_type) {
        Ok(QueryResultType::Answered) => Ok(answer),
        Ok(QueryResultType::Failed) => {
            let failure = failure.filter(|failure| failure.encoded_len() <= MAX_QUERY_FAILURE);
            Err(ApiError::new(Code::InvalidArgument, error_message).with_detail(&QueryFailedFailure { failure }))
        }
        _ => Err(ApiError::invalid_argument("Invalid QueryResultType on the query's completion.")),
    }
}

/// The run gives no answer in this status, or the caller wants none.
fn rejected(condition: i32, status: Status) -> Option<QueryRejected> {
    let reject = match QueryRejectCondition::try_from(condition) {
        // Its workers get no task.
        _ if status == Status::Paused => true,
        Ok(QueryRejectCondition::NotOpen) => status != Status::Running,
        Ok(QueryRejectCondition::NotCompletedCleanly) => !matches!(status, Status::Running | Status::Completed),
        _ => false,
    };
    reject.then_some(QueryRejected { status: status as i32 })
}

/// The run has no first workflow task yet: it is held back.
fn waits_for_first_task(state: &ExecutionState) -> bool {
    let task = &state.workflow_task;
    state.is_running() && !state.is_paused() && task.last_completed_started_event_id == 0 && task.pending.is_none()
}

/// Whether a worker can have, or get, a state to answer from.
fn answerable(state: &ExecutionState) -> Result<(), ApiError> {
    let not_ready =
        |message: &str| ApiError::failed_precondition(message).with_detail(&WorkflowNotReadyFailure::default());
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
