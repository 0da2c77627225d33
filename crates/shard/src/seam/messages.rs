//! What leaders and nodes ask of each other, and what they answer: bodies of `Peer.Ask`, in the engine's codec.

use crate::{
    seam::error::CommandError,
    seam::query_token::QueryToken,
    seam::question::{Step, StepRequest, StepsRequest},
    seam::replica::{NotLeader, ShardId},
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::time::Duration;
use tenure_api::{error::ApiError, worker::v1::WorkerHeartbeat, workflowservice::v1::StartBatchOperationRequest};
use tenure_engine::{
    FeatureLevel, NamespaceId, Process, ProposalId, QueueKey, RunKey, Stamp, Subject, SubjectKind, TaskKind, Timestamp,
    WorkflowKey,
    codec::field,
    command::Poll,
    outbox::{OutboxMessage, Receipt},
    proto::Encoded,
    rows::ReadyTask,
    token::TaskToken,
};
use uuid::Uuid;

/// A proposal id for a request of our own.
pub fn new_proposal_id() -> ProposalId {
    ProposalId(Uuid::new_v4().as_u128())
}

/// A task's name, and its place in the queue at the home: tasks of all shards by priority, then age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub(crate) struct TaskKey {
    #[n(0)]
    pub(crate) priority: u8,
    #[n(1)]
    pub(crate) scheduled_at: Timestamp,
    /// The shard that owns the task.
    #[n(2)]
    pub(crate) shard: ShardId,
    #[n(3)]
    pub(crate) stamp: Stamp,
    /// Id of the query; zero for a task.
    #[n(4)]
    pub(crate) query: u64,
}

/// A task or a query that a home may hand out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Offered {
    #[n(0)]
    Task(#[n(0)] ReadyTask),
    #[n(1)]
    Query {
        #[n(0)]
        queue: QueueKey,
        #[n(1)]
        sticky: bool,
        #[n(2)]
        token: QueryToken,
        #[n(3)]
        at: Timestamp,
    },
}

impl TaskKey {
    pub(crate) fn of_task(task: &ReadyTask, owner: ShardId) -> TaskKey {
        TaskKey { priority: task.priority, scheduled_at: task.scheduled_at, shard: owner, stamp: task.stamp, query: 0 }
    }
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
            Offered::Task(task) => TaskKey::of_task(task, owner),
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

#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Request {
    /// Owner to home: these may be handed out; those no more.
    #[n(0)]
    Offer {
        #[n(0)]
        home: ShardId,
        #[n(1)]
        owner: ShardId,
        #[n(2)]
        offered: Vec<Offered>,
        #[n(3)]
        revoked: Vec<(QueueKey, TaskKey)>,
    },
    /// Home to owner: start this task for this poll.
    #[n(1)]
    Start(#[n(0)] StartRequest),
    /// Home to owner: a poll takes this query.
    #[n(2)]
    StartQuery {
        #[n(0)]
        token: QueryToken,
        #[n(1)]
        sticky: bool,
    },
    /// Home to owner: the poll that took it has gone, nobody works on it.
    #[n(3)]
    ReturnQuery {
        #[n(0)]
        token: QueryToken,
    },
    /// Home to owner: nobody polls the sticky queue that these are in.
    #[n(4)]
    StickyUnavailable {
        #[n(0)]
        owner: ShardId,
        #[n(1)]
        tasks: Vec<(RunKey, Stamp)>,
        #[n(2)]
        queries: Vec<QueryToken>,
    },
    /// The poll's node to the owner: these starts reached their workers.
    #[n(5)]
    Confirm {
        #[n(0)]
        owner: ShardId,
        #[n(1)]
        starts: Vec<Stamp>,
    },
    /// The poll's node or the home to the owner: this one did not, no byte was sent.
    #[n(6)]
    Return {
        #[n(0)]
        owner: ShardId,
        #[n(1)]
        token: TaskToken,
        #[n(2)]
        proposal: ProposalId,
    },
    /// The sender's shard to the receiver's: a message of a subject's outbox.
    #[n(7)]
    Receive {
        #[n(0)]
        to: ShardId,
        #[n(1)]
        from: Subject,
        #[n(2)]
        message: OutboxMessage,
    },
    /// Owner to the process that holds the poll: what became of this?
    #[n(8)]
    CheckHandover {
        #[n(0)]
        token: TaskToken,
        #[n(1)]
        process: Process,
    },
    /// How many ready tasks does the queue have with you? Below [`FeatureLevel::MANY_SHARDS`]; a
    /// [`Question`](crate::Question) from there on.
    #[n(9)]
    Backlog {
        #[n(0)]
        owner: ShardId,
        #[n(1)]
        queue: QueueKey,
    },
    /// Owner to home: who polled the queue last, and when?
    #[n(10)]
    LastPoll {
        #[n(0)]
        home: ShardId,
        #[n(1)]
        queue: QueueKey,
    },
    /// A follower to the leader: up to which index must I have applied to know all that is acknowledged?
    #[n(11)]
    ReadIndex {
        #[n(0)]
        shard: ShardId,
    },
    /// To every node: this worker goes, end its polls.
    #[n(12)]
    EndPolls {
        #[n(0)]
        namespace: String,
        #[n(1)]
        worker: String,
    },
    /// To the system shard's leader: see to it that there is a secret for tokens.
    #[n(13)]
    CreateTokenSecret,
    /// To every node: which feature level does this build know?
    #[n(14)]
    KnownLevel,
    /// To the system shard's leader: raise the feature level as far as all nodes know it.
    #[n(15)]
    RaiseLevel,
    /// To every node: answer once what the system shard's log holds up to this index is what you go by.
    #[n(16)]
    FollowSystem {
        #[n(0)]
        revision: u64,
    },
    /// To a shard's leader: a step of the answer to a question that goes to many shards. From
    /// [`FeatureLevel::MANY_SHARDS`] on.
    #[n(17)]
    Step(#[n(0)] StepRequest),
    /// Owner to home: which of these offers, which you took, do you not hold?
    #[n(18)]
    CheckOffers {
        #[n(0)]
        home: ShardId,
        #[n(1)]
        offers: Vec<(QueueKey, TaskKey)>,
    },
    /// A batch job's leader to that of a target: do the job's operation to it. From [`FeatureLevel::LISTS`] on.
    #[n(19)]
    Operate(#[n(0)] OperateRequest),
    /// A batch job's leader to that of a workflow: which is its current run? From [`FeatureLevel::LISTS`] on.
    #[n(20)]
    CurrentRun {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        workflow: WorkflowKey,
        /// The kind of what has the id, if it is no workflow.
        #[n(2)]
        of: Option<SubjectKind>,
    },
    /// To a node: steps of several shards that it leads. From [`FeatureLevel::LISTS`] on.
    #[n(21)]
    Steps(#[n(0)] StepsRequest),
    /// To the home of their queues: what workers say of themselves. From [`FeatureLevel::WORKERS`] on.
    #[n(22)]
    WorkersSaid {
        #[n(0)]
        home: ShardId,
        #[n(1)]
        namespace: NamespaceId,
        #[n(2)]
        heartbeats: Vec<Encoded<WorkerHeartbeat>>,
    },
    /// Home to the node that these polls came to: they wait here, and nothing is before them. From
    /// [`FeatureLevel::LENT_POLLS`] on.
    #[n(23)]
    LendPolls {
        #[n(0)]
        polls: Vec<(QueueKey, ProposalId)>,
    },
    /// To the home of these queues: so many of their tasks were started for polls that it has lent.
    #[n(24)]
    Dispatched {
        #[n(0)]
        home: ShardId,
        #[n(1)]
        tasks: Vec<(QueueKey, usize)>,
    },
    /// Home to the node that these polls came to, and that they are lent to: I have tasks for them.
    #[n(25)]
    RecallPolls {
        #[n(0)]
        queue: QueueKey,
        #[n(1)]
        polls: Vec<ProposalId>,
    },
}

/// A request to do a batch job's operation to a run. However often it is made, it acts once.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct OperateRequest {
    #[n(0)]
    pub(crate) shard: ShardId,
    #[n(1)]
    pub(crate) run: RunKey,
    /// Names what is done to this target of this job.
    #[cbor(n(2), with = "field")]
    pub(crate) operation_id: Uuid,
    /// The request that started the job, without its targets.
    #[n(3)]
    pub(crate) request: Encoded<StartBatchOperationRequest>,
}

/// A request to start a task for a poll.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct StartRequest {
    #[n(0)]
    pub(crate) owner: ShardId,
    /// The task as it was offered.
    #[n(1)]
    pub(crate) task: ReadyTask,
    /// Its process will confirm the handover.
    #[n(2)]
    pub(crate) poll: Poll,
    #[n(3)]
    pub(crate) proposal: ProposalId,
}

#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Answer {
    #[n(0)]
    Done,
    #[n(1)]
    NotLeader(#[n(0)] NotLeader),
    #[n(2)]
    Refused(#[cbor(n(0), with = "field")] ApiError),
    /// The task or query is no more.
    #[n(3)]
    Obsolete,
    /// Encoded poll response, and the token of the started task.
    #[n(4)]
    Started {
        #[cbor(n(0), with = "field")]
        response: Bytes,
        #[n(1)]
        token: TaskToken,
    },
    /// Encoded poll response that carries the query.
    #[n(5)]
    QueryStarted {
        #[cbor(n(0), with = "field")]
        response: Bytes,
    },
    #[n(6)]
    Handover(#[n(0)] HandoverState),
    #[n(7)]
    Backlog(#[n(0)] u64),
    #[n(8)]
    LastPoll {
        #[n(0)]
        ago: Option<Duration>,
        /// Absent from builds that do not tell it; so is what follows.
        #[n(1)]
        identity: Option<String>,
        #[n(2)]
        rate_limit: Option<f64>,
    },
    #[n(9)]
    ReadIndex(#[n(0)] u64),
    /// The receiver's answer to a message of the outbox.
    #[n(10)]
    Received(#[n(0)] Receipt),
    /// The level that a build knows, or that the cluster is at.
    #[n(11)]
    Level(#[n(0)] FeatureLevel),
    /// A step of the answer to a question that goes to many shards.
    #[n(12)]
    Step(#[n(0)] Step),
    /// Offers that the home does not hold.
    #[n(13)]
    Missing(#[n(0)] Vec<TaskKey>),
    /// The current run of a workflow; `None` if there is none.
    #[n(14)]
    CurrentRun(#[cbor(n(0), with = "field")] Option<Uuid>),
    /// The answers to the requests for these steps, in the same order.
    #[n(15)]
    Steps(#[n(0)] Vec<Answer>),
    /// The polls that are lent no more; no task is started for them here.
    #[n(16)]
    Recalled(#[n(0)] Vec<ProposalId>),
}

/// Who polled a queue last, as far as its home remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastPoll {
    /// The time since then: zero while a poll waits. `None`: nobody did in the last few minutes.
    pub ago: Option<Duration>,
    pub identity: Option<String>,
    /// Tasks a second that are handed out at most; `None`: any number.
    pub rate_limit: Option<f64>,
}

impl From<LastPoll> for Answer {
    fn from(LastPoll { ago, identity, rate_limit }: LastPoll) -> Answer {
        Answer::LastPoll { ago, identity, rate_limit }
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum HandoverState {
    #[n(0)]
    Sent,
    /// It is being sent.
    #[n(1)]
    Sending,
    /// Some bytes were sent, or they may have been by an earlier process of the node.
    #[n(2)]
    Broken,
    /// It never got here, and will not be sent if it does.
    #[n(3)]
    Unseen,
}
