//! What the frontend asks of a shard's leader.

use crate::{error::CommandError, replica::ShardId};
use std::sync::Arc;
use tenure_api::{error::ApiError, history::v1::History, taskqueue::v1::PollerInfo, workflowservice::v1 as api};
use tenure_engine::{
    Envelope, ProposalId, QueueKey, Reply, RunKey, StateReader, Timestamp, WorkflowKey,
    command::{Poll, WorkflowTaskStarted},
    rows::ReadError,
    state::ExecutionState,
    token::TaskToken,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The leader of one shard, while it leads; every call fails with `NotLeader` after that.
#[derive(Clone)]
pub struct LeaderHandle {
    shard: ShardId,
}

/// A long poll for a task.
#[derive(Clone, Debug)]
pub struct PollRequest {
    pub queue: QueueKey,
    pub poll: Poll,
    /// The queue is a sticky one.
    pub sticky: bool,
    /// The node that holds the worker's connection.
    pub node: u64,
    /// The caller's deadline; the poll ends a bit earlier.
    pub deadline: Instant,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct HistoryRequest {
    pub workflow: WorkflowKey,
    /// The current run where there is neither this nor a token.
    pub run_id: Option<Uuid>,
    /// Zero: as many as fit a page.
    pub page_size: usize,
    pub wait_new_event: bool,
    /// Only the event that closes the run.
    pub close_event_only: bool,
    pub next_page_token: bytes::Bytes,
    /// The caller's deadline.
    pub deadline: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    pub history: History,
    /// Empty at the end.
    pub next_page_token: bytes::Bytes,
}

/// What a queue's home knows of it.
#[derive(Clone, Debug, Default)]
pub struct QueueDescription {
    pub pollers: Vec<PollerInfo>,
    /// Ready tasks in all shards.
    pub backlog: i64,
    /// Age of the oldest task that waits at the home.
    pub backlog_age: std::time::Duration,
    /// Tasks a second, over the last minute or so.
    pub add_rate: f32,
    pub dispatch_rate: f32,
}

impl LeaderHandle {
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The leader's time.
    pub fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    /// Runs a command and answers once its entry is applied. Dropping the future does not stop the command.
    pub async fn execute(&self, _envelope: Envelope) -> Result<Reply, CommandError> {
        Err(ApiError::unimplemented("execute").into())
    }

    /// Runs `read` over rows that hold all that was acknowledged before the call.
    pub async fn read<T>(
        &self,
        _read: impl FnOnce(&dyn StateReader) -> Result<T, ReadError> + Send,
    ) -> Result<T, CommandError> {
        Err(ApiError::unimplemented("read").into())
    }

    /// A run's state, linearizable; the current run where `run_id` is `None`. NOT_FOUND if there is none.
    pub async fn execution(
        &self,
        _workflow: &WorkflowKey,
        _run_id: Option<Uuid>,
    ) -> Result<(RunKey, Arc<ExecutionState>), CommandError> {
        Err(ApiError::unimplemented("execution").into())
    }

    /// A page of history in order; waits for new events if asked to.
    pub async fn history(&self, _request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        Err(ApiError::unimplemented("history").into())
    }

    /// A page of history, newest event first.
    pub async fn history_reverse(&self, _request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        Err(ApiError::unimplemented("history_reverse").into())
    }

    /// Asks a worker; `deadline` is the caller's.
    pub async fn query(
        &self,
        _workflow: &WorkflowKey,
        _request: api::QueryWorkflowRequest,
        _deadline: Instant,
    ) -> Result<api::QueryWorkflowResponse, CommandError> {
        Err(ApiError::unimplemented("query").into())
    }

    /// A worker's answer to a query that was handed out on its own ([`crate::QueryToken`] routes it here).
    pub async fn complete_query(
        &self,
        _token: crate::QueryToken,
        _request: api::RespondQueryTaskCompletedRequest,
    ) -> Result<(), CommandError> {
        Err(ApiError::unimplemented("complete_query").into())
    }

    /// Waits for a workflow task of a queue that is homed here. `None`: nothing came in time. Dropping the future
    /// takes the poll back.
    pub async fn poll_workflow(
        &self,
        _request: PollRequest,
    ) -> Result<Option<api::PollWorkflowTaskQueueResponse>, CommandError> {
        Err(ApiError::unimplemented("poll_workflow").into())
    }

    /// Waits for an activity task of a queue that is homed here.
    pub async fn poll_activity(
        &self,
        _request: PollRequest,
    ) -> Result<Option<api::PollActivityTaskQueueResponse>, CommandError> {
        Err(ApiError::unimplemented("poll_activity").into())
    }

    /// The response for a task that was started by a completion (`Reply::WorkflowTaskCompleted::new_task`); `node`
    /// holds the worker's connection and will confirm its delivery.
    pub async fn workflow_task_response(
        &self,
        _started: &WorkflowTaskStarted,
        _node: u64,
    ) -> Result<api::PollWorkflowTaskQueueResponse, CommandError> {
        Err(ApiError::unimplemented("workflow_task_response").into())
    }

    /// Pollers, backlog and rates of a queue that is homed here.
    pub async fn describe_queue(&self, _queue: &QueueKey) -> Result<QueueDescription, CommandError> {
        Err(ApiError::unimplemented("describe_queue").into())
    }

    /// The worker of a sticky queue that is homed here goes: its tasks move to their normal queues at once.
    pub fn worker_gone(&self, _sticky: &QueueKey) {}
}

/// A task handed to a worker, and whether it got there. On the node that holds the worker's connection.
///
/// Dropped without word, the task is returned: no byte of it was sent.
#[must_use]
pub struct Delivery {
    _token: TaskToken,
}

impl Delivery {
    /// The response was handed over whole.
    pub fn sent(self) {}

    /// Some bytes went out, but not all: a workflow task is returned, an activity is left to its timeouts.
    pub fn broken(self) {}
}

/// A proposal id for a request of our own.
pub fn new_proposal_id() -> ProposalId {
    ProposalId(Uuid::new_v4().as_u128())
}
