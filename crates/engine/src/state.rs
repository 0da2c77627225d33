//! A run's mutable state: everything that the engine knows of it besides its history.

use crate::{
    activity::state::{self as activity, PendingActivity},
    chain::state::Chain,
    child::state::{Lineage, Relations},
    codec::{self, DecodeError},
    pending::{Keyed, NoKey, Pending},
    proposals::Proposals,
    proto::Encoded,
    removal::state::Removal,
    reset::Resets,
    retry::RetryPolicy,
    row::PendingKind,
    time::Timestamp,
    timer::state::{self as timer, UserTimer},
    update::state::Updates,
    workflow_task::state::WorkflowTask,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Memo, Priority, SearchAttributes},
    enums::v1::WorkflowExecutionStatus as Status,
    history::v1::HistoryEvent,
    sdk::v1::UserMetadata,
    workflowservice::v1::DescribeWorkflowExecutionResponse,
};
use uuid::Uuid;

/// Priority of a workflow task among the ready tasks of its queue, where the run has none of its own.
const DEFAULT_PRIORITY: u8 = 3;
const LOWEST_PRIORITY: i32 = 5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionState {
    /// Shared between the copies of a state, because it hardly ever changes.
    pub info: Arc<ExecutionInfo>,
    /// `WorkflowExecutionStatus`.
    status: i32,
    pub closed_at: Option<Timestamp>,
    pub next_event_id: i64,
    /// Bytes of the encoded history.
    pub history_size: i64,
    /// Transitions that changed this state.
    pub transitions: i64,
    pub workflow_task: WorkflowTask,
    pub sticky: Option<Sticky>,
    /// Events that wait for the end of the workflow task that is running, by order of arrival.
    pub buffered: Pending<Encoded<HistoryEvent>>,
    pub next_buffered: i64,
    pub activities: Pending<PendingActivity>,
    pub timers: Pending<UserTimer>,
    pub relations: Relations,
    pub updates: Updates,
    /// Request id of the cancellation that was asked for.
    pub cancel_requested: Option<Arc<str>>,
    pub signals: u64,
    pub proposals: Proposals,
    /// Due time of the run's timer row. Never later than the earliest deadline; it may be earlier, because it is
    /// only moved back when it fires.
    pub timer_row: Option<Timestamp>,
    pub removal: Removal,
    /// What describe goes on to show as pending after the close; only those fields are set.
    pub pending_at_close: Option<Encoded<DescribeWorkflowExecutionResponse>>,
    pub reset: Resets,
}

/// What the start of a run fixed, and what workflow commands seldom change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionInfo {
    /// The namespace's name.
    pub namespace: Arc<str>,
    /// Where a child comes from.
    pub lineage: Option<Lineage>,
    /// First run of the chain (continue-as-new, retries, cron).
    pub first_run_id: Uuid,
    pub chain: Chain,
    /// Request ids of the start and of the starts that were answered with this run and attached to it.
    pub request_ids: Vec<AttachedRequest>,
    pub workflow_type: Arc<str>,
    pub task_queue: Arc<str>,
    pub execution_timeout: Option<Duration>,
    pub run_timeout: Option<Duration>,
    pub task_timeout: Duration,
    /// When the chain of runs has to be closed.
    pub execution_expires_at: Option<Timestamp>,
    /// When this run has to be closed.
    pub run_expires_at: Option<Timestamp>,
    pub retry: Option<RetryPolicy>,
    /// Counts from one over the retries of the workflow.
    pub attempt: i32,
    pub memo: Option<Encoded<Memo>>,
    pub search_attributes: Option<Encoded<SearchAttributes>>,
    pub user_metadata: Option<Encoded<UserMetadata>>,
    pub priority: Option<Encoded<Priority>>,
    pub started_at: Timestamp,
    /// When the first workflow task was or will be scheduled.
    pub execution_at: Timestamp,
}

/// A start request that this run answers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedRequest {
    pub request_id: Arc<str>,
    /// The event that records it; zero while that event is buffered.
    pub event_id: i64,
    /// `EventType` of that event.
    pub event_type: i32,
}

/// The queue of the worker that has the run in its cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    pub queue: Arc<str>,
    pub schedule_to_start: Option<Duration>,
}

impl Keyed for Encoded<HistoryEvent> {
    type Key = NoKey;

    fn keys(&self) -> impl IntoIterator<Item = NoKey> {
        []
    }

    fn heap_bytes(&self) -> usize {
        self.size()
    }
}

impl ExecutionInfo {
    /// The run's priority key (1 is the most urgent), or the default.
    pub(crate) fn task_priority(&self) -> u8 {
        let key = self.priority.as_ref().map_or(0, |p| p.decode().priority_key);
        match key {
            ..=0 => DEFAULT_PRIORITY,
            key => key.min(LOWEST_PRIORITY) as u8,
        }
    }
}

impl ExecutionState {
    pub fn new(info: ExecutionInfo) -> Self {
        ExecutionState {
            info: Arc::new(info),
            status: Status::Running.into(),
            closed_at: None,
            next_event_id: 1,
            history_size: 0,
            transitions: 0,
            workflow_task: WorkflowTask::default(),
            sticky: None,
            buffered: Pending::default(),
            next_buffered: 1,
            activities: Pending::default(),
            timers: Pending::default(),
            relations: Relations::default(),
            updates: Updates::default(),
            cancel_requested: None,
            signals: 0,
            proposals: Proposals::default(),
            timer_row: None,
            removal: Removal::default(),
            pending_at_close: None,
            reset: Resets::default(),
        }
    }

    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or(Status::Unspecified)
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.status = status.into();
    }

    pub fn is_running(&self) -> bool {
        self.status() == Status::Running
    }

    /// When something of the run is due by time alone.
    pub(crate) fn earliest_deadline(&self) -> Option<Timestamp> {
        if !self.is_running() {
            return self.removal.due;
        }
        let timers = timer::earliest_deadline(&self.timers);
        let activities = activity::earliest_deadline(&self.activities);
        [self.info.run_expires_at, self.workflow_task.deadline(), timers, activities].into_iter().flatten().min()
    }

    /// When something of a running run is due by time alone.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.earliest_deadline().filter(|_| self.is_running())
    }

    /// A worker has something of it, or could get it at once.
    pub fn waits_for_worker(&self) -> bool {
        self.workflow_task.pending.is_some() || activity::any_with_worker(&self.activities)
    }

    /// Nobody sees the run any more; its rows go in a while.
    pub fn is_deleted(&self) -> bool {
        self.removal.deleted
    }

    /// Bytes in memory of all that is pending, about: what may be in rows besides the core row.
    pub fn pending_bytes(&self) -> usize {
        self.buffered.bytes()
            + self.activities.bytes()
            + self.timers.bytes()
            + self.relations.children.bytes()
            + self.updates.in_flight.bytes()
            + self.proposals.pages.bytes()
    }

    /// Last event in history; zero before the first.
    pub fn last_event_id(&self) -> i64 {
        self.next_event_id - 1
    }

    /// The core row's value.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// Reads a core row. `spilled` gives all [`RowKey::Pending`](crate::RowKey::Pending) rows of the run and that
    /// kind; it is asked only for kinds that have any.
    pub fn decode<E>(
        core: &[u8],
        mut spilled: impl FnMut(PendingKind) -> Result<Vec<(i64, Bytes)>, E>,
    ) -> Result<Result<Self, DecodeError>, E> {
        let mut state: ExecutionState = match codec::decode(core) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        let mut fill = || -> Result<Result<(), DecodeError>, E> {
            if state.activities.missing() > 0
                && let Err(error) = state.activities.load(PendingKind::Activity, spilled(PendingKind::Activity)?)
            {
                return Ok(Err(error));
            }
            if state.timers.missing() > 0
                && let Err(error) = state.timers.load(PendingKind::Timer, spilled(PendingKind::Timer)?)
            {
                return Ok(Err(error));
            }
            if state.buffered.missing() > 0
                && let Err(error) =
                    state.buffered.load(PendingKind::BufferedEvent, spilled(PendingKind::BufferedEvent)?)
            {
                return Ok(Err(error));
            }
            if state.relations.children.missing() > 0
                && let Err(error) = state.relations.children.load(PendingKind::Child, spilled(PendingKind::Child)?)
            {
                return Ok(Err(error));
            }
            if state.updates.in_flight.missing() > 0
                && let Err(error) = state.updates.in_flight.load(PendingKind::Update, spilled(PendingKind::Update)?)
            {
                return Ok(Err(error));
            }
            if state.proposals.pages.missing() > 0
                && let Err(error) = state.proposals.pages.load(PendingKind::Proposals, spilled(PendingKind::Proposals)?)
            {
                return Ok(Err(error));
            }
            let missing = [
                state.activities.missing(),
                state.timers.missing(),
                state.buffered.missing(),
                state.relations.children.missing(),
                state.updates.in_flight.missing(),
                state.proposals.pages.missing(),
            ];
            let missing: usize = missing.into_iter().sum();
            Ok(if missing == 0 { Ok(()) } else { Err(DecodeError::MissingRows(missing)) })
        };
        Ok(fill()?.map(|()| state))
    }
}
