//! What a shard can be asked to do, and what it answers. One variant per verb; the logic sits in `commands/<verb>.rs`.

pub use crate::poll::{Credit, Poll};

use crate::{
    activity::state::BeatAnswer,
    chain::start::Start,
    id::{Process, ProposalId, Stamp},
    key::{QueueKey, RunKey},
    outbox::{OutboxMessage, Receipt},
    rows::ReadyTask,
    subject::{Lane, Subject},
    time::Timestamp,
    token::TaskToken,
    update::status::Found,
};
use std::sync::Arc;
use tenure_api::{
    activity::v1::ActivityOptions, error::ApiError, taskqueue::v1::TaskQueueConfig,
    workflow::v1::WorkflowExecutionOptions, workflowservice::v1 as api,
};
use uuid::Uuid;

/// A command, for whom, and the id under which it may be tried again.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub lane: Lane,
    pub proposal: ProposalId,
    /// Holds the caller's connection; started tasks that the answer carries go there.
    pub origin: Process,
    pub command: ShardCommand,
}

/// Input of the engine. What needs no state to be checked (lengths, required fields, ids, options) was checked where the
/// request came in, and comes in the form that the check gave it; the engine checks what depends on state. Requests are
/// shared with whoever may have to try them again.
#[derive(Clone, Debug)]
pub enum ShardCommand {
    StartWorkflow(Box<Start>),
    SignalWithStart(Box<Start<api::SignalWithStartWorkflowExecutionRequest>>),
    SignalWorkflow(RunRequest<api::SignalWorkflowExecutionRequest>),
    RequestCancelWorkflow(RunRequest<api::RequestCancelWorkflowExecutionRequest>),
    TerminateWorkflow(RunRequest<api::TerminateWorkflowExecutionRequest>),
    DeleteWorkflow {
        run_id: Option<Uuid>,
    },
    ResetWorkflow(RunRequest<api::ResetWorkflowExecutionRequest>),
    UpdateWorkflow(RunRequest<api::UpdateWorkflowExecutionRequest>),
    /// One entry starts the workflow, or finds it, and admits the update.
    UpdateWithStart {
        start: Box<Start>,
        update: Arc<api::UpdateWorkflowExecutionRequest>,
    },
    /// A poll was matched with a ready workflow task.
    StartWorkflowTask(StartTask),
    CompleteWorkflowTask {
        token: TaskToken,
        request: Arc<api::RespondWorkflowTaskCompletedRequest>,
    },
    FailWorkflowTask {
        token: TaskToken,
        request: Arc<api::RespondWorkflowTaskFailedRequest>,
    },
    ResetStickyTaskQueue {
        run_id: Option<Uuid>,
    },
    /// The home of a sticky queue has no poller for it: the task goes to the normal queue.
    StickyUnavailable {
        run_id: Uuid,
        stamp: Stamp,
    },
    /// A poll was matched with a ready activity task.
    StartActivityTask(StartTask),
    CompleteActivity {
        activity: ActivityRef,
        request: Arc<api::RespondActivityTaskCompletedRequest>,
    },
    FailActivity {
        activity: ActivityRef,
        request: Arc<api::RespondActivityTaskFailedRequest>,
    },
    CancelActivity {
        activity: ActivityRef,
        request: Arc<api::RespondActivityTaskCanceledRequest>,
    },
    HeartbeatActivity {
        activity: ActivityRef,
        request: Arc<api::RecordActivityTaskHeartbeatRequest>,
    },
    PauseActivity(RunRequest<api::PauseActivityRequest>),
    UnpauseActivity(RunRequest<api::UnpauseActivityRequest>),
    ResetActivity(RunRequest<api::ResetActivityRequest>),
    UpdateWorkflowOptions(RunRequest<api::UpdateWorkflowExecutionOptionsRequest>),
    UpdateActivityOptions(RunRequest<api::UpdateActivityOptionsRequest>),
    /// An operator sets something of a task queue; runs in the lane of the workflow id that is the queue's name.
    UpdateQueueConfig {
        queue: QueueKey,
        request: Arc<api::UpdateTaskQueueConfigRequest>,
    },
    /// A started task that never reached a worker: it is ready again, as the same attempt with a new stamp.
    ReturnTask {
        token: TaskToken,
    },
    /// A message of another subject's outbox.
    Deliver {
        from: Subject,
        message: Box<OutboxMessage>,
    },
    /// How the receiver of a message of the subject's outbox answered.
    Delivered {
        instance: Uuid,
        stamp: Stamp,
        receipt: Receipt,
    },
    /// The subject's timer row is due.
    TimerDue {
        instance: Uuid,
    },
}

/// A request about one run of the workflow.
#[derive(Clone, Debug, Default)]
pub struct RunRequest<R> {
    /// The current run where it is `None`. What the request itself says of the run is not read again.
    pub run_id: Option<Uuid>,
    pub request: Arc<R>,
}

impl<R> RunRequest<R> {
    pub fn new(run_id: Option<Uuid>, request: impl Into<Arc<R>>) -> Self {
        RunRequest { run_id, request: request.into() }
    }
}

/// Starting a task for a poll. Tried again with the same proposal id it gives the same task again.
#[derive(Clone, Debug)]
pub struct StartTask {
    pub run_id: Uuid,
    /// The ready task's name.
    pub stamp: Stamp,
    /// The ready task's; an activity is found by it.
    pub scheduled_event_id: i64,
    pub poll: Poll,
}

impl StartTask {
    pub fn of(task: &ReadyTask, poll: Poll) -> Self {
        let ReadyTask { stamp, scheduled_event_id, .. } = *task;
        StartTask { run_id: task.run.run_id, stamp, scheduled_event_id, poll }
    }
}

/// How a worker names the activity that it reports on.
#[derive(Clone, Debug)]
pub enum ActivityRef {
    Token(TaskToken),
    /// The current run where `run_id` is `None`.
    ById {
        run_id: Option<Uuid>,
        activity_id: String,
    },
}

/// What a command answers once its entry is applied.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    WorkflowStarted {
        run_id: Uuid,
        /// First run of the chain.
        first_run_id: Uuid,
        /// False when the request was answered with a run that was there before.
        started: bool,
        /// The run has an event that tells the request's id.
        attached: bool,
        /// Status of the run (`WorkflowExecutionStatus`).
        status: i32,
        /// The first task, started for the caller (`request_eager_execution`).
        task: Option<Box<WorkflowTaskStarted>>,
    },
    WorkflowSignaled {
        /// The run that got the signal, now or when the request came before.
        run_id: Uuid,
    },
    WorkflowReset {
        /// The new run.
        run_id: Uuid,
    },
    /// How far the update has come, and where to wait for it.
    Update {
        run_id: Uuid,
        found: Found,
    },
    UpdateWithStart {
        run_id: Uuid,
        /// False when the run was there before.
        started: bool,
        /// Status of the run (`WorkflowExecutionStatus`).
        status: i32,
        found: Found,
    },
    WorkflowTaskStarted(Box<WorkflowTaskStarted>),
    WorkflowTaskCompleted {
        /// The next task, started for the same worker (`return_new_workflow_task`).
        new_task: Option<Box<WorkflowTaskStarted>>,
        /// Activities that were started for the same worker (`request_eager_execution`).
        activities: Vec<TaskToken>,
        reset_history_event_id: i64,
    },
    /// Ready to be sent, but for the namespace's name.
    ActivityTaskStarted(Box<api::PollActivityTaskQueueResponse>),
    ActivityHeartbeat(BeatAnswer),
    /// A workflow's options after they were changed.
    WorkflowOptions(Box<WorkflowExecutionOptions>),
    /// An activity's options after they were changed.
    ActivityOptions(Box<ActivityOptions>),
    /// What is set of a task queue after it was changed.
    QueueConfig(Box<TaskQueueConfig>),
    /// Of a message.
    Received(Receipt),
    /// The command was applied and its caller gets this error: a completion with a bad command fails its workflow
    /// task, and the worker is told why.
    Failed(ApiError),
}

/// All that a poll response needs of a started workflow task, besides history that is read from rows.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowTaskStarted {
    pub token: TaskToken,
    pub run: RunKey,
    pub workflow_type: String,
    /// The normal task queue of the run.
    pub task_queue: String,
    pub attempt: i32,
    /// Started event of the last task that completed; zero if none did.
    pub previous_started_event_id: i64,
    pub started_event_id: i64,
    /// The last event that history rows hold for this task (the task's history ends at its started event; events of
    /// a transient task come from `transient_events`).
    pub last_event_id: i64,
    /// Scheduled and started events that are not in history yet, encoded as `History`.
    pub transient_events: Vec<u8>,
    pub scheduled_at: Timestamp,
    pub started_at: Timestamp,
    /// The worker has the history up to `previous_started_event_id`: it polled its sticky queue, or has just completed
    /// the task before.
    pub sticky: bool,
    /// Updates ride on it.
    pub updates: bool,
}

#[cfg(test)]
impl WorkflowTaskStarted {
    /// Decoded `transient_events`.
    pub(crate) fn transient(&self) -> Vec<tenure_api::history::v1::HistoryEvent> {
        prost::Message::decode(self.transient_events.as_slice())
            .map(|history: tenure_api::history::v1::History| history.events)
            .expect("an encoded history")
    }
}
