//! What the frontend asks of a shard's leader.

use crate::{
    home::{QueueDescription, queue::PollRequest},
    leader::{
        activities::{ActivityRequest, FoundActivity},
        history::{HistoryPage, HistoryRequest},
        runs::find_run,
        runtime::LeaderRuntime,
        updates::{UpdateProgress, UpdateWithStart},
    },
    node::{
        gather::Gather,
        polled::{PollResponse, Polled, Served},
        token_key::TokenKey,
        workers,
    },
    seam::{
        error::CommandError,
        messages::{Answer, LastPoll, Request},
        query_token::QueryToken,
        question::Question,
        replica::ShardId,
    },
};
use std::sync::Arc;
use tenure_api::{
    encoded::PollWorkflowTaskQueueResponse, enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    workflowservice::v1 as api,
};
use tenure_engine::{
    Envelope, Lane, Limits, Process, ProposalId, QueueKey, Reply, RunKey, StateReader, Timestamp, WorkflowKey,
    command::WorkflowTaskStarted,
    rows::ReadError,
    state::ExecutionState,
    system::{SystemCommand, SystemReply},
    token::TaskToken,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The leader of one shard, while it leads; every call fails with `NotLeader` after that.
#[derive(Clone)]
pub struct LeaderHandle(pub(crate) Arc<LeaderRuntime>);

impl LeaderHandle {
    pub(crate) fn new(runtime: Arc<LeaderRuntime>) -> Self {
        LeaderHandle(runtime)
    }

    pub fn shard(&self) -> ShardId {
        self.0.context.shard
    }

    pub fn term(&self) -> u64 {
        self.0.context.term
    }

    /// The leader's time.
    pub fn now(&self) -> Timestamp {
        self.0.context.clock.now()
    }

    /// Runs a command of a client and answers once its entry is applied. Dropping the future does not stop a command
    /// that has begun. RESOURCE_EXHAUSTED if too many wait.
    pub async fn execute(&self, envelope: Envelope) -> Result<Reply, CommandError> {
        self.0.admission.execute(envelope).await
    }

    /// Runs a command of the system shard.
    pub async fn execute_system(
        &self,
        proposal: ProposalId,
        command: SystemCommand,
    ) -> Result<SystemReply, CommandError> {
        self.0.system.execute(proposal, command).await
    }

    /// Runs `read` over rows that show all that was acknowledged before the call.
    pub async fn read<T>(
        &self,
        read: impl FnOnce(&dyn StateReader) -> Result<T, ReadError> + Send,
    ) -> Result<T, CommandError> {
        self.0.context.barrier().await?;
        Ok(read(&*self.0.context.rows)?)
    }

    /// A run and its state, linearizable; the current run where `run_id` is `None`. NOT_FOUND if there is none.
    pub async fn execution(
        &self,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
    ) -> Result<(RunKey, Arc<ExecutionState>), CommandError> {
        self.0.context.barrier().await?;
        find_run(&*self.0.context.rows, workflow, run_id)
    }

    /// A page of history in order; waits for new events if asked to.
    pub async fn history(&self, request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        self.0.histories.page(request).await
    }

    /// A run of an activity without a workflow, once what is waited for has happened; `None` if that takes too long. NOT_FOUND
    /// if there is none.
    pub async fn activity(&self, request: ActivityRequest) -> Result<Option<FoundActivity>, CommandError> {
        self.0.activities.find(request).await
    }

    /// A page of history, newest event first.
    pub async fn history_reverse(&self, request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        self.0.histories.page_reverse(request).await
    }

    /// Asks a worker of a run, the current one where there is no id; `deadline` is the caller's.
    pub async fn query(
        &self,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
        request: &api::QueryWorkflowRequest,
        deadline: Instant,
    ) -> Result<api::QueryWorkflowResponse, CommandError> {
        self.0.owner.queries.query(workflow, run_id, request, deadline).await
    }

    /// Runs [`ShardCommand::UpdateWorkflow`](tenure_engine::ShardCommand) and waits for a stage of the update; answers
    /// with what there is when that takes long.
    pub async fn update(
        &self,
        envelope: Envelope,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateProgress, CommandError> {
        self.0.updates.update(envelope, update_id, wanted).await
    }

    /// Does what [`LeaderHandle::update`] does, for `ShardCommand::UpdateWithStart`.
    pub async fn update_with_start(
        &self,
        envelope: Envelope,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateWithStart, CommandError> {
        self.0.updates.update_with_start(envelope, update_id, wanted).await
    }

    /// Waits for a stage of an update that was asked for before. NOT_FOUND if the run does not know it.
    pub async fn poll_update(
        &self,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateProgress, CommandError> {
        self.0.updates.poll(workflow, run_id, update_id, wanted).await
    }

    /// A worker's answer to a query that was handed out on its own ([`QueryToken`] says where).
    pub fn complete_query(
        &self,
        token: &QueryToken,
        request: &api::RespondQueryTaskCompletedRequest,
    ) -> Result<(), CommandError> {
        self.0.owner.queries.complete(token, request)
    }

    /// Waits for a task, or a query, of a queue that is homed here. `None`: nothing came in time. Dropping the future
    /// takes the poll back. A task's handover is to be confirmed ([`crate::Shards::hand_over`]).
    pub async fn poll(&self, request: PollRequest) -> Result<Option<PollResponse>, CommandError> {
        Ok(self.0.home.poll(request).await?.map(Polled::hand_over))
    }

    /// The response for a task that was started for the caller of a command, together with it. `process` holds the
    /// caller's connection and confirms the handover; `key` seals its tokens. `None` where it cannot be made: the task is returned after a
    /// while.
    pub fn workflow_task_response(
        &self,
        started: &WorkflowTaskStarted,
        process: Process,
        key: TokenKey,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        self.0.owner.starts.expect_workflow_task(started, process, key)
    }

    /// The response that carries a started activity, as [`LeaderHandle::workflow_task_response`] does; `None`, too, if that start is no longer running.
    pub fn activity_task_response(
        &self,
        token: &TaskToken,
        process: Process,
        key: TokenKey,
    ) -> Option<api::PollActivityTaskQueueResponse> {
        self.0.owner.starts.expect_activity_task(token, process, key)
    }

    /// Pollers and rates of a queue that is homed here.
    pub async fn describe_queue(&self, queue: &QueueKey) -> Result<QueueDescription, CommandError> {
        self.0.home.describe(queue).await
    }

    /// Who polled a queue last, wherever it is homed; `None` if its home does not answer in time.
    pub async fn last_poll(&self, queue: &QueueKey, deadline: Instant) -> Option<LastPoll> {
        let router = self.0.context.router();
        let home = router.mesh.shard_of(queue.slot());
        match router.ask_leader(home, Request::LastPoll { home, queue: queue.clone() }, deadline).await {
            Ok(Served::Answer(Answer::LastPoll { ago, identity, rate_limit })) => {
                Some(LastPoll { ago, identity, rate_limit })
            }
            _ => None,
        }
    }

    /// Ready tasks of a queue in all shards, each of which counts no further than to a limit. UNAVAILABLE if one of them
    /// does not answer by the caller's deadline.
    pub async fn backlog(&self, queue: &QueueKey, deadline: Instant) -> Result<i64, CommandError> {
        let question = Question::Backlog { queue: queue.clone() };
        let tasks = Gather::new(self.0.context.node.clone(), question, deadline).sum().await?;
        Ok(i64::try_from(tasks).unwrap_or(i64::MAX))
    }

    /// The worker of a sticky queue that is homed here goes: its tasks move to their normal queues at once.
    pub fn worker_gone(&self, sticky: &QueueKey) {
        self.0.home.worker_gone(sticky);
    }

    /// Checks what a batch job that is to be started depends on besides its own state: that its query can be asked, and
    /// that the namespace has room for another job. Of two that are started at the same time, both may find room.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, RESOURCE_EXHAUSTED; UNAVAILABLE if a shard does not answer by the caller's deadline.
    pub async fn admit_batch(
        &self,
        lane: &Lane,
        proposal: ProposalId,
        request: &api::StartBatchOperationRequest,
        deadline: Instant,
    ) -> Result<(), CommandError> {
        self.0.batches.admit(lane, proposal, request, deadline).await
    }

    /// Ends the polls of a worker instance, on whatever nodes they wait, and those that are still on their way. A node
    /// that does not answer is not waited for long.
    pub async fn end_polls(&self, namespace: &str, worker: &str) {
        workers::end_polls_everywhere(self.0.context.router(), namespace, worker).await;
    }

    /// What requests are held to.
    pub fn limits(&self) -> &Limits {
        &self.0.context.options().limits
    }
}
