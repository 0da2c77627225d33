//! What is kept of a schedule.

use crate::{
    codec::{field, is_default},
    outbox::ClosePolicy,
    proto::Encoded,
    row::{RowKey, SchedulePart},
    subject::Lane,
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::{collections::VecDeque, sync::Arc};
use tenure_api::{
    common::v1::{Memo, Payloads, SearchAttributes},
    enums::v1::{ScheduleOverlapPolicy, WorkflowExecutionStatus},
    failure::v1::Failure,
    schedule::v1::{self as api, Schedule},
};
use tenure_limits::SCHEDULE_DUE;
use uuid::Uuid;

/// The value of a schedule's core row: what changes with each action.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ScheduleState {
    /// The schedule's own id, which no other schedule ever has.
    #[cbor(n(0), with = "field")]
    pub id: Uuid,
    #[n(1)]
    pub created_at: Timestamp,
    #[n(2)]
    pub updated_at: Option<Timestamp>,
    /// Grows with each change that an update must not undo unseen.
    #[n(3)]
    pub conflict_token: i64,
    /// The id of the request that has created it.
    #[cbor(n(18), with = "field")]
    pub created_by: Arc<str>,
    /// The ids of the last requests that changed it, the latest last.
    #[n(4)]
    pub requests: VecDeque<String>,
    /// The times of its specification up to here were dealt with.
    #[n(5)]
    pub processed_to: Timestamp,
    /// When its timer row is due; `None` while there is nothing to wait for.
    #[n(6)]
    pub timer: Option<Timestamp>,
    #[n(7)]
    pub paused: bool,
    #[n(8)]
    pub notes: String,
    /// Whether only so many actions by the specification are to be taken as remain.
    #[n(9)]
    pub limited: bool,
    #[n(19)]
    pub remaining: i64,
    /// Starts that are due and wait, for the end of what runs or for their turn.
    #[n(10)]
    pub due: Vec<BufferedStart>,
    /// Ranges of times that are being made up for.
    #[n(11)]
    pub backfills: VecDeque<Backfill>,
    /// Starts that were sent and are not answered yet.
    #[n(12)]
    pub starting: Vec<Starting>,
    /// Workflows that were started, and whose end is waited for.
    #[n(13)]
    pub running: Vec<RunningWorkflow>,
    /// The last actions, the latest last.
    #[n(14)]
    pub recent: VecDeque<Action>,
    #[n(15)]
    pub counts: Counts,
    /// Why the last start was refused, if it was.
    #[cbor(n(16), skip_if = "is_default")]
    pub refused: Option<String>,
    /// The number of the last start that was sent.
    #[n(17)]
    pub last_start: u64,
}

/// What became of the actions of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Workflows that were started.
    #[n(0)]
    pub actions: i64,
    /// Times that were noticed later than the catch-up window allows.
    #[n(1)]
    pub missed: i64,
    /// Starts that were skipped because of what was running.
    #[n(2)]
    pub overlap_skipped: i64,
    /// Starts for which there was no room among those that wait.
    #[n(3)]
    pub buffer_dropped: i64,
}

/// A start that is due.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BufferedStart {
    /// The time that the specification names.
    #[n(0)]
    pub nominal: Timestamp,
    /// The same with jitter: when it was to be started.
    #[n(1)]
    pub due: Timestamp,
    /// Its own `ScheduleOverlapPolicy`; zero: the schedule's, whatever that is when it is its turn.
    #[n(2)]
    pub overlap_policy: i32,
    /// A client asked for it: neither a pause nor the number of remaining actions keeps it back.
    #[n(3)]
    pub manual: bool,
}

/// A range of times that a client asked to make up for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Backfill {
    /// The times after this one are still to be made up for.
    #[n(0)]
    pub after: Timestamp,
    #[n(1)]
    pub to: Timestamp,
    #[n(2)]
    pub overlap_policy: i32,
}

/// A start that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Starting {
    #[n(0)]
    pub number: u64,
    #[cbor(n(1), with = "field")]
    pub workflow_id: Arc<str>,
    /// When it was to be started.
    #[n(2)]
    pub due: Timestamp,
    /// Whether later starts wait for its end.
    #[n(3)]
    pub alone: bool,
}

/// A workflow that a schedule has started, by the first run of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunningWorkflow {
    #[cbor(n(0), with = "field")]
    pub workflow_id: Arc<str>,
    #[cbor(n(1), with = "field")]
    pub first_run_id: Uuid,
    /// How it was told to end.
    #[n(2)]
    pub told: Option<ClosePolicy>,
}

/// A workflow that was started.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Action {
    /// When it was to be started.
    #[n(0)]
    pub due: Timestamp,
    #[n(1)]
    pub started_at: Timestamp,
    #[cbor(n(2), with = "field")]
    pub workflow_id: Arc<str>,
    #[cbor(n(3), with = "field")]
    pub first_run_id: Uuid,
    /// Its `WorkflowExecutionStatus`, as far as the schedule knows.
    #[n(4)]
    pub status: i32,
    /// The number of its start, by which actions are in order.
    #[n(5)]
    pub number: u64,
}

/// What clients say a schedule is; it changes when they do.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Definition {
    /// Specification (in canonical form), action and policies; the state is in [`ScheduleState`].
    #[n(0)]
    pub schedule: Encoded<Schedule>,
    #[n(1)]
    pub memo: Option<Encoded<Memo>>,
    #[n(2)]
    pub search_attributes: Option<Encoded<SearchAttributes>>,
    /// The namespace's name.
    #[cbor(n(3), with = "field")]
    pub namespace: Arc<str>,
}

/// What clients switch on and off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Switch {
    pub paused: bool,
    pub notes: String,
    /// Whether only so many actions may be taken as remain.
    pub limited: bool,
    pub remaining: i64,
}

/// A request to create a schedule, checked.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    pub definition: Definition,
    pub switch: Switch,
    pub patch: Option<api::SchedulePatch>,
    pub request_id: Arc<str>,
}

/// A request to update a schedule, checked.
#[derive(Clone, Debug)]
pub struct ScheduleUpdate {
    /// As in [`Definition`].
    pub schedule: Encoded<Schedule>,
    pub switch: Switch,
    /// `None`: they stay.
    pub search_attributes: Option<Encoded<SearchAttributes>>,
    /// `None`: it stays.
    pub memo: Option<Encoded<Memo>>,
    /// The token of the description that the update was made from, if it may not undo a later change.
    pub conflict_token: Option<i64>,
    pub request_id: Arc<str>,
}

/// A request to patch a schedule, checked.
#[derive(Clone, Debug)]
pub struct SchedulePatch {
    pub patch: api::SchedulePatch,
    pub request_id: Arc<str>,
}

/// What a schedule's last workflow left to the next.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Carried {
    /// The result of the last one that had any.
    #[n(0)]
    pub result: Option<Encoded<Payloads>>,
    /// The failure of the last one, if it failed.
    #[n(1)]
    pub failure: Option<Encoded<Failure>>,
}

impl BufferedStart {
    /// Its own policy, or `Unspecified`.
    pub fn policy(&self) -> ScheduleOverlapPolicy {
        ScheduleOverlapPolicy::try_from(self.overlap_policy).unwrap_or_default()
    }
}

impl Action {
    /// Its status, as far as the schedule knows.
    pub(crate) fn status(&self) -> WorkflowExecutionStatus {
        WorkflowExecutionStatus::try_from(self.status).unwrap_or_default()
    }
}

impl ScheduleState {
    /// Whether an action by the specification may be taken.
    pub(crate) fn may_act(&self) -> bool {
        !self.paused && (!self.limited || self.remaining > 0)
    }

    /// How many of so many future times will be acted on.
    pub(crate) fn at_most(&self, times: usize) -> usize {
        if self.limited { times.min(usize::try_from(self.remaining).unwrap_or(0)) } else { times }
    }

    /// Whether a backfill can go on: those that are made up for take half of the room of what waits, at most.
    pub(crate) fn can_make_up(&self) -> bool {
        !self.backfills.is_empty() && self.due.len() < SCHEDULE_DUE / 2
    }

    /// Whether something runs whose end later starts wait for.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty() || self.starting.iter().any(|start| start.alone)
    }
}

/// A row of a schedule.
pub(crate) fn row(lane: &Lane, part: SchedulePart) -> RowKey {
    RowKey::Schedule { namespace: lane.namespace, schedule_id: lane.id.clone(), part }
}
