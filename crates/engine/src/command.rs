//! The commands of a shard, and their replies. One variant per verb; the logic sits in `commands/<verb>.rs`.

pub use crate::poll::Poll;

use crate::{
    activity::state::HeartbeatAnswer,
    batch::state::Advance,
    chain::start::Start,
    id::{Process, ProposalId, Stamp},
    key::{QueueKey, RunKey},
    outbox::{OutboxMessage, Receipt},
    rows::ReadyTask,
    schedule::state::{NewSchedule, SchedulePatch, ScheduleUpdate},
    standalone::state::NewActivity,
    subject::{Lane, Subject},
    time::Timestamp,
    token::TaskToken,
    update::status::FoundUpdate,
};
use std::sync::Arc;
use tenure_api::{
    activity::v1::ActivityOptions, error::ApiError, taskqueue::v1::TaskQueueConfig,
    workflow::v1::WorkflowExecutionOptions, workflowservice::v1 as api,
};
use uuid::Uuid;

/// A command with its lane, and the id under which it may be tried again.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub lane: Lane,
    pub proposal: ProposalId,
    /// The process that holds the caller's connection; started tasks that the reply carries go there.
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
    PauseWorkflow(RunRequest<api::PauseWorkflowExecutionRequest>),
    UnpauseWorkflow(RunRequest<api::UnpauseWorkflowExecutionRequest>),
    ResetWorkflow(RunRequest<api::ResetWorkflowExecutionRequest>),
    UpdateWorkflow(RunRequest<api::UpdateWorkflowExecutionRequest>),
    /// Starts the workflow, or finds it, and admits the update, in one entry.
    UpdateWithStart {
        start: Box<Start>,
        update: Arc<api::UpdateWorkflowExecutionRequest>,
    },
    /// Starts a ready workflow task for the poll that was matched with it.
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
    /// Moves the task of a sticky queue without pollers to the normal queue; the home of the sticky queue asks for it.
    StickyUnavailable {
        run_id: Uuid,
        stamp: Stamp,
    },
    /// Starts a ready activity task for the poll that was matched with it.
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
    /// Changes what operators set of a task queue; runs in the lane of the workflow id that is the queue's name.
    UpdateQueueConfig {
        queue: QueueKey,
        request: Arc<api::UpdateTaskQueueConfigRequest>,
    },
    /// Returns a started task that never reached a worker: it is ready again, as the same attempt with a new stamp.
    ReturnTask {
        token: TaskToken,
    },
    /// Takes a message from another subject's outbox.
    Receive {
        from: Subject,
        message: Box<OutboxMessage>,
    },
    /// Takes the receiver's answer to a message of the subject's outbox.
    Acknowledge {
        instance: Uuid,
        stamp: Stamp,
        receipt: Receipt,
    },
    /// Makes a run known to lists that was there before they were.
    ListRun {
        run_id: Uuid,
    },
    /// Starts a batch job; runs in the job's lane, as all that is done to it.
    StartBatch(Arc<api::StartBatchOperationRequest>),
    StopBatch(Arc<api::StopBatchOperationRequest>),
    /// Records how far the batch job has come.
    AdvanceBatch(Advance),
    /// Creates a schedule; runs in the schedule's lane, as all that is done to it.
    CreateSchedule(Box<NewSchedule>),
    UpdateSchedule(Box<ScheduleUpdate>),
    PatchSchedule(Box<SchedulePatch>),
    DeleteSchedule,
    /// Starts an activity without a workflow; runs in the activity's lane, as all that is done to it. Its tasks are started,
    /// answered and returned by the commands of all activities.
    StartActivity(Box<NewActivity>),
    RequestCancelActivity(RunRequest<api::RequestCancelActivityExecutionRequest>),
    TerminateActivity(RunRequest<api::TerminateActivityExecutionRequest>),
    PauseStandalone(RunRequest<api::PauseActivityExecutionRequest>),
    UnpauseStandalone(RunRequest<api::UnpauseActivityExecutionRequest>),
    ResetStandalone(RunRequest<api::ResetActivityExecutionRequest>),
    UpdateStandaloneOptions(RunRequest<api::UpdateActivityExecutionOptionsRequest>),
    DeleteActivity {
        run_id: Option<Uuid>,
    },
    /// Takes a run out of a namespace that was deleted: ends one that is running, or removes the next piece of one that is
    /// closed. In the lane of a batch job, a schedule or an activity, removes the next piece of that.
    ReclaimRun {
        run_id: Uuid,
    },
    /// Fires what is due of the subject, whose timer row is.
    TimerDue {
        instance: Uuid,
    },
}

/// A request about one run of the workflow.
#[derive(Clone, Debug, Default)]
pub struct RunRequest<R> {
    /// The run that is meant; `None` is the current one. The request's own field for it is not read again.
    pub run_id: Option<Uuid>,
    pub request: Arc<R>,
}

impl<R> RunRequest<R> {
    pub fn new(run_id: Option<Uuid>, request: impl Into<Arc<R>>) -> Self {
        RunRequest { run_id, request: request.into() }
    }
}

/// Starts a task for a poll. Tried again with the same proposal id it gives the same task again.
#[derive(Clone, Debug)]
pub struct StartTask {
    pub run_id: Uuid,
    /// The stamp that names the ready task.
    pub stamp: Stamp,
    /// The scheduled event id of the ready task; an activity is found by it.
    pub scheduled_event_id: i64,
    pub poll: Poll,
}

impl StartTask {
    pub fn of(task: &ReadyTask, poll: Poll) -> Self {
        let ReadyTask { stamp, scheduled_event_id, .. } = *task;
        StartTask { run_id: task.run.run_id, stamp, scheduled_event_id, poll }
    }
}

/// The name of the activity that a worker reports on.
#[derive(Clone, Debug)]
pub enum ActivityRef {
    Token(TaskToken),
    /// A pending activity's id; `run_id` is `None` for the current run.
    ById {
        run_id: Option<Uuid>,
        activity_id: String,
    },
}

/// The reply to a command, sent once its entry is applied.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    /// The subject's timer row stays as it is, though it is due: it is to be fired again after a while.
    TimerKept,
    WorkflowStarted {
        run_id: Uuid,
        /// The first run of the chain.
        first_run_id: Uuid,
        /// Whether this request started the run; otherwise the run was there before.
        started: bool,
        /// Whether the run has an event with the request's id.
        attached: bool,
        /// The run's status (`WorkflowExecutionStatus`).
        status: i32,
        /// The first task, if it was started for the caller (`request_eager_execution`).
        task: Option<Box<WorkflowTaskStarted>>,
    },
    ActivityStarted {
        run_id: Uuid,
        /// Whether this request started the run; otherwise the run was there before.
        started: bool,
    },
    WorkflowSignaled {
        /// The run that received the signal, now or when the request was tried before.
        run_id: Uuid,
    },
    WorkflowReset {
        /// The new run.
        run_id: Uuid,
    },
    /// The update's status, and the run to wait at.
    Update {
        run_id: Uuid,
        found: FoundUpdate,
    },
    UpdateWithStart {
        run_id: Uuid,
        /// Whether this request started the run; otherwise it was there before.
        started: bool,
        /// The run's status (`WorkflowExecutionStatus`).
        status: i32,
        found: FoundUpdate,
    },
    WorkflowTaskStarted(Box<WorkflowTaskStarted>),
    WorkflowTaskCompleted {
        /// The next task, if it was started for the same worker (`return_new_workflow_task`).
        new_task: Option<Box<WorkflowTaskStarted>>,
        /// The activities that were started for the same worker (`request_eager_execution`).
        activities: Vec<TaskToken>,
        reset_history_event_id: i64,
    },
    /// A poll response that lacks nothing but the namespace's name.
    ActivityTaskStarted(Box<api::PollActivityTaskQueueResponse>),
    ActivityHeartbeat(HeartbeatAnswer),
    /// The workflow's options after the change.
    WorkflowOptions(Box<WorkflowExecutionOptions>),
    /// The activity's options after the change.
    ActivityOptions(Box<ActivityOptions>),
    /// The task queue's settings after the change.
    QueueConfig(Box<TaskQueueConfig>),
    /// The receipt of an outbox message.
    Received(Receipt),
    /// The error that the caller gets although the command was applied: a completion with a bad command fails its
    /// workflow task, and the worker learns why.
    Failed(ApiError),
}

/// Everything that a poll response needs of a started workflow task, besides history that is read from rows.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowTaskStarted {
    pub token: TaskToken,
    pub run: RunKey,
    pub workflow_type: String,
    /// The run's normal task queue.
    pub task_queue: String,
    pub attempt: i32,
    /// The started event of the last completed task; zero if there is none.
    pub previous_started_event_id: i64,
    pub started_event_id: i64,
    /// The last event that history rows hold for this task (the task's history ends at its started event; events of
    /// a transient task come from `transient_events`).
    pub last_event_id: i64,
    /// Scheduled and started events that are not in history yet, encoded as `History`.
    pub transient_events: Vec<u8>,
    pub scheduled_at: Timestamp,
    pub started_at: Timestamp,
    /// Whether the worker has the history up to `previous_started_event_id`: it polled its sticky queue, or has just
    /// completed the previous task.
    pub sticky: bool,
    /// Whether the task carries updates.
    pub updates: bool,
}

#[cfg(test)]
impl WorkflowTaskStarted {
    /// The decoded `transient_events`.
    pub(crate) fn transient(&self) -> Vec<tenure_api::history::v1::HistoryEvent> {
        prost::Message::decode(self.transient_events.as_slice())
            .map(|history: tenure_api::history::v1::History| history.events)
            .expect("an encoded history")
    }
}
