//! What leaders and nodes ask of each other, and what they answer: bodies of `Peer.Ask`, in the engine's codec.

use crate::{
    seam::error::CommandError,
    seam::query_token::QueryToken,
    seam::replica::{NotLeader, ShardId},
};
use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tenure_api::error::ApiError;
use tenure_engine::{
    Process, ProposalId, QueueKey, RunKey, Stamp, TaskKind, Timestamp, WorkflowKey,
    command::{Poll, StartTask},
    outbox::{OutboxMessage, Receipt},
    rows::ReadyTask,
    token::TaskToken,
};
use uuid::Uuid;

/// A proposal id for a request of our own.
pub fn new_proposal_id() -> ProposalId {
    ProposalId(Uuid::new_v4().as_u128())
}

/// A task's name, and its place in the queue at the home: tasks of all shards by priority, then age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TaskKey {
    pub(crate) priority: u8,
    pub(crate) scheduled_at: Timestamp,
    /// The shard that owns the task.
    pub(crate) shard: ShardId,
    pub(crate) stamp: Stamp,
    /// Id of the query; zero for a task.
    pub(crate) query: u64,
}

/// A task or a query that a home may hand out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Offered {
    Task(ReadyTask),
    Query { queue: QueueKey, sticky: bool, token: QueryToken, at: Timestamp },
}

impl Offered {
    pub(crate) fn queue(&self) -> &QueueKey {
        match self {
            Offered::Task(task) => &task.queue,
            Offered::Query { queue, .. } => queue,
        }
    }

    pub(crate) fn is_sticky(&self) -> bool {
        match self {
            Offered::Task(task) => task.sticky && task.queue.kind == TaskKind::Workflow,
            Offered::Query { sticky, .. } => *sticky,
        }
    }

    pub(crate) fn key(&self, owner: ShardId) -> TaskKey {
        match self {
            Offered::Task(task) => TaskKey {
                priority: task.priority,
                scheduled_at: task.scheduled_at,
                shard: owner,
                stamp: task.stamp,
                query: 0,
            },
            // Somebody waits for it: ahead of all tasks.
            Offered::Query { token, at, .. } => TaskKey {
                priority: 0,
                scheduled_at: *at,
                shard: owner,
                stamp: Stamp { term: token.term, counter: 0 },
                query: token.id,
            },
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Owner to home: these may be handed out; those no more.
    Offer { home: ShardId, owner: ShardId, offered: Vec<Offered>, revoked: Vec<(QueueKey, TaskKey)> },
    /// Home to owner: start this task for this poll.
    Start(StartRequest),
    /// Home to owner: a poll takes this query.
    StartQuery { token: QueryToken, sticky: bool },
    /// Home to owner: the poll that took it has gone, nobody works on it.
    ReturnQuery { token: QueryToken },
    /// Home to owner: nobody polls the sticky queue that these are in.
    StickyUnavailable { owner: ShardId, tasks: Vec<(RunKey, Stamp)>, queries: Vec<QueryToken> },
    /// The poll's node to the owner: these starts reached their workers.
    Delivered { owner: ShardId, starts: Vec<Stamp> },
    /// The poll's node or the home to the owner: this one did not, no byte was sent.
    Return { owner: ShardId, token: TaskToken, proposal: ProposalId },
    /// The sender's shard to the receiver's: a message of a run's outbox.
    Deliver { to: ShardId, from: RunKey, message: OutboxMessage },
    /// Owner to the process that holds the poll: what became of this?
    CheckDelivery { token: TaskToken, process: Process },
    /// Home to owner: how many ready tasks does the queue have with you?
    Backlog { owner: ShardId, queue: QueueKey },
    /// Owner to home: when did anybody poll the queue?
    LastPoll { home: ShardId, queue: QueueKey },
    /// A follower to the leader: up to which index must I have applied to know all that is acknowledged?
    ReadIndex { shard: ShardId },
    /// To every node: this worker goes, end its polls.
    EndPolls { namespace: String, worker: String },
    /// To the system shard's leader: see to it that there is a secret for tokens.
    CreateTokenSecret,
}

/// A request to start a task for a poll.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartRequest {
    pub(crate) owner: ShardId,
    pub(crate) kind: TaskKind,
    pub(crate) workflow: WorkflowKey,
    pub(crate) run_id: Uuid,
    pub(crate) stamp: Stamp,
    scheduled_event_id: i64,
    pub(crate) proposal: ProposalId,
    /// The process that holds the poll, and will confirm the delivery.
    pub(crate) process: Process,
    /// The queue that the task was offered in.
    pub(crate) offered_queue: Arc<str>,
    identity: String,
    queue: String,
    worker_version: Option<Bytes>,
    deployment: Option<Bytes>,
}

impl StartRequest {
    pub(crate) fn new(owner: ShardId, task: &ReadyTask, poll: &Poll, proposal: ProposalId) -> Self {
        StartRequest {
            owner,
            kind: task.queue.kind,
            workflow: task.run.workflow.clone(),
            run_id: task.run.run_id,
            stamp: task.stamp,
            scheduled_event_id: task.scheduled_event_id,
            proposal,
            process: poll.process,
            offered_queue: task.queue.name.clone(),
            identity: poll.identity.clone(),
            queue: poll.queue.clone(),
            worker_version: poll.worker_version.as_ref().map(|v| v.encode_to_vec().into()),
            deployment: poll.deployment.as_ref().map(|d| d.encode_to_vec().into()),
        }
    }

    pub(crate) fn start(&self) -> Result<StartTask, prost::DecodeError> {
        Ok(StartTask {
            run_id: self.run_id,
            stamp: self.stamp,
            scheduled_event_id: self.scheduled_event_id,
            poll: Poll {
                identity: self.identity.clone(),
                process: self.process,
                queue: self.queue.clone(),
                worker_version: self.worker_version.clone().map(Message::decode).transpose()?,
                deployment: self.deployment.clone().map(Message::decode).transpose()?,
            },
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    NotLeader(NotLeader),
    Refused(ApiError),
    /// The task or query is no more.
    Obsolete,
    /// Encoded poll response, and the token of the started task.
    Started {
        response: Bytes,
        token: TaskToken,
    },
    /// Encoded poll response that carries the query.
    QueryStarted {
        response: Bytes,
    },
    Delivery(DeliveryState),
    Backlog(u64),
    LastPoll(Option<Duration>),
    ReadIndex(u64),
    /// The receiver's answer to a message of the outbox.
    Received(Receipt),
}

impl From<CommandError> for Answer {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotLeader(not_leader) => Answer::NotLeader(not_leader),
            CommandError::Api(error) => Answer::Refused(error),
        }
    }
}

/// What a node knows of a start that it should hand to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeliveryState {
    Sent,
    /// It is being sent.
    Sending,
    /// Some bytes were sent, or they may have been by an earlier process of the node.
    Broken,
    /// It never got here, and will not be sent if it does.
    Unseen,
}
