//! A run's mutable state: everything that the engine knows of it besides its history.

use crate::{
    activity::state::{self as activity, PendingActivity},
    child::state::Relations,
    codec::{self, DecodeError, field, is_default},
    info::{ExecutionInfo, Info},
    pause::state::Paused,
    pending::{Keyed, NoKey, Pending, PendingRows},
    proposals::Proposals,
    proto::Encoded,
    removal::state::Removal,
    reset::Resets,
    row::PendingKind,
    time::Timestamp,
    timer::state::{self as timer, UserTimer},
    update::state::Updates,
    workflow_task::state::WorkflowTask,
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    enums::v1::WorkflowExecutionStatus as Status, history::v1::HistoryEvent,
    workflowservice::v1::DescribeWorkflowExecutionResponse,
};

/// The approximate ratio of the memory that a decoded core row and info take, besides the structs themselves, to their
/// encoding.
const DECODED_RATIO: usize = 4;
/// The bytes that a state takes besides: its structs, the empty tables in them, its key, and its places in the tables
/// of a cache.
const STATE_OVERHEAD: usize = size_of::<ExecutionState>() + size_of::<ExecutionInfo>() + 1024;

/// The mutable state of a run. Its encoding is the core row; some of it may spill into rows of its own.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ExecutionState {
    #[n(0)]
    pub info: Info,
    /// The run's `WorkflowExecutionStatus`.
    #[n(1)]
    status: i32,
    #[n(2)]
    pub next_event_id: i64,
    /// The size of the encoded history in bytes.
    #[n(3)]
    pub history_size: i64,
    /// The number of transitions that changed this state.
    #[n(4)]
    pub transitions: i64,
    #[n(5)]
    pub workflow_task: WorkflowTask,
    /// The due time of the run's timer row. It is never later than the earliest deadline; it may be earlier, because it
    /// is only moved back when it fires.
    #[n(6)]
    pub timer_row: Option<Timestamp>,
    #[n(7)]
    pub next_buffered: i64,
    #[cbor(n(8), skip_if = "is_default")]
    pub proposals: Proposals,
    #[n(9)]
    pub sticky: Option<Sticky>,
    #[cbor(n(10), skip_if = "is_default")]
    pub activities: Pending<PendingActivity>,
    #[cbor(n(11), skip_if = "is_default")]
    pub signals: u64,
    #[cbor(n(12), skip_if = "is_default")]
    pub timers: Pending<UserTimer>,
    #[cbor(n(13), skip_if = "is_default")]
    pub relations: Relations,
    #[cbor(n(14), skip_if = "is_default")]
    pub updates: Updates,
    /// The events that wait for the end of the running workflow task, by order of arrival.
    #[cbor(n(15), skip_if = "is_default")]
    pub buffered: Pending<Encoded<HistoryEvent>>,
    #[n(16)]
    pub closed_at: Option<Timestamp>,
    #[cbor(n(17), skip_if = "is_default")]
    pub removal: Removal,
    /// The request id of the requested cancellation; empty in a run that was rebuilt from its history.
    #[cbor(n(18), with = "field")]
    pub cancel_requested: Option<Arc<str>>,
    /// The pending part of the description at the close, which descriptions go on to show; only those fields are set.
    #[n(19)]
    pub pending_at_close: Option<Encoded<DescribeWorkflowExecutionResponse>>,
    #[cbor(n(20), skip_if = "is_default")]
    pub reset: Resets,
    /// Whether the run has a record and rows in indexes, for lists.
    #[cbor(n(21), skip_if = "is_default")]
    pub(crate) listed: bool,
    /// The pause of the run; of a closed one, the pause during which it was closed.
    #[n(22)]
    pub(crate) paused: Option<Paused>,
}

/// The queue of the worker that has the run in its cache.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sticky {
    #[cbor(n(0), with = "field")]
    pub queue: Arc<str>,
    #[n(1)]
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

impl ExecutionState {
    pub fn new(info: ExecutionInfo) -> Self {
        ExecutionState {
            info: Info::new(info),
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
            listed: false,
            paused: None,
        }
    }

    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or(Status::Unspecified)
    }

    /// The status that descriptions and lists show: an open run may be paused.
    pub fn shown_status(&self) -> Status {
        if self.is_paused() { Status::Paused } else { self.status() }
    }

    /// Whether the run is open, and paused.
    pub fn is_paused(&self) -> bool {
        self.is_running() && self.paused.is_some()
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.status = status.into();
    }

    pub fn is_running(&self) -> bool {
        self.status() == Status::Running
    }

    /// The earliest deadline of the run; of a closed one, that of its removal.
    pub(crate) fn earliest_deadline(&self) -> Option<Timestamp> {
        if !self.is_running() {
            return self.removal.due;
        }
        let timers = timer::earliest_deadline(&self.timers);
        let activities = activity::earliest_deadline(&self.activities);
        [self.info.run_expires_at, self.workflow_task.deadline(), timers, activities].into_iter().flatten().min()
    }

    /// The earliest deadline of a running run; `None` once it is closed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.earliest_deadline().filter(|_| self.is_running())
    }

    /// Whether a worker has a task of the run, or could get one at once.
    pub fn waits_for_worker(&self) -> bool {
        self.workflow_task.pending.is_some() || activity::any_with_worker(&self.activities)
    }

    /// Whether the run is hidden from everybody; its rows are removed later.
    pub fn is_deleted(&self) -> bool {
        self.removal.deleted
    }

    /// The approximate size in bytes, in memory, of everything that may be in rows besides the core row.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.buffered.bytes()
            + self.activities.bytes()
            + self.timers.bytes()
            + self.relations.children.bytes()
            + self.updates.in_flight.bytes()
            + self.proposals.pages.bytes()
    }

    /// The approximate size in bytes of the state in memory; `core` is the length of its core row.
    pub(crate) fn memory(&self, core: usize) -> u64 {
        ((core + self.info.row_bytes()) * DECODED_RATIO + self.pending_bytes() + STATE_OVERHEAD) as u64
    }

    /// The id of the last event in history; zero before the first.
    pub fn last_event_id(&self) -> i64 {
        self.next_event_id - 1
    }

    /// The core row's value.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// Everything that may have rows beside the core row, by its kind.
    pub(crate) fn pending(&mut self) -> [(PendingKind, &mut dyn PendingRows); 6] {
        [
            (PendingKind::Activity, &mut self.activities),
            (PendingKind::Timer, &mut self.timers),
            (PendingKind::BufferedEvent, &mut self.buffered),
            (PendingKind::Child, &mut self.relations.children),
            (PendingKind::Update, &mut self.updates.in_flight),
            (PendingKind::Proposals, &mut self.proposals.pages),
        ]
    }

    /// Reads a core row. `info` returns the run's [`RowKey::Info`](crate::RowKey::Info), and `spilled` all
    /// [`RowKey::Pending`](crate::RowKey::Pending) rows of the run and that kind; they are called only for what is not
    /// in the core row.
    pub fn decode<E>(
        core: &[u8],
        info: impl FnOnce() -> Result<Option<Bytes>, E>,
        mut spilled: impl FnMut(PendingKind) -> Result<Vec<(i64, Bytes)>, E>,
    ) -> Result<Result<Self, DecodeError>, E> {
        let mut state: ExecutionState = match codec::decode(core) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        if state.info.has_row() {
            let Some(row) = info()? else { return Ok(Err(DecodeError::MissingInfo)) };
            if let Err(error) = state.info.load(&row) {
                return Ok(Err(DecodeError::Row { row: "info".into(), cause: Box::new(error) }));
            }
        }
        let mut missing = 0;
        for (kind, pending) in state.pending() {
            if pending.missing() > 0
                && let Err(error) = pending.load(kind, spilled(kind)?)
            {
                return Ok(Err(error));
            }
            missing += pending.missing();
        }
        Ok(if missing == 0 { Ok(state) } else { Err(DecodeError::MissingRows(missing)) })
    }
}
