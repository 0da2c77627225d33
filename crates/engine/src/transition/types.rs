//! The arguments and the result of a transition.

use crate::{
    command::Reply,
    copy::HistoryCopy,
    feature_level::FeatureLevel,
    id::{Ids, Process, Stamp},
    key::{QueueKey, RunKey},
    limits::Limits,
    outbox::OutboxEntry,
    rows::{ReadError, ReadyTask, WriteSet},
    search_attributes::Registry,
    subject::{Lane, Subject, WrittenState},
    time::Timestamp,
    update::status::UpdateStatus,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{error::ApiError, query::v1::WorkflowQueryResult, taskqueue::v1::TaskQueueConfig};

/// Everything that a transition sees besides rows and its command.
pub struct Context<'a> {
    /// The leader's time; never below the shard's last recorded time.
    pub now: Timestamp,
    pub ids: &'a mut Ids,
    pub limits: &'a Limits,
    /// The level of the forms that may be written.
    pub level: FeatureLevel,
    /// The namespace's retention of closed runs; `None` where this leader does not know it.
    pub retention: Option<Duration>,
    /// The search attributes of the namespace.
    pub search_attributes: &'a Registry,
    /// The process that holds the caller's connection; tasks that are started for the caller are expected to be
    /// confirmed there.
    pub origin: Process,
}

/// The result of one command. An empty write set means that nothing has to be replicated (a duplicate, say).
#[derive(Debug)]
pub struct Transition {
    pub reply: Reply,
    pub writes: WriteSet,
    /// The decoded states that `writes` holds, for the leader's cache.
    pub states: Vec<WrittenState>,
    pub effects: Vec<Effect>,
    /// The history to be copied, piece by piece, before `writes` are replicated: the run that they create begins with
    /// it. A command that copies shares its entry with no other.
    pub copy: Option<HistoryCopy>,
}

/// A volatile hint to the leader, acted on after the entry is applied. Losing one loses nothing: a new leader finds
/// the same in the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The subject's timer row is now at `due`; there is none if that is `None`.
    TimerArmed {
        subject: Subject,
        due: Option<Timestamp>,
    },
    TaskReady(ReadyTask),
    /// The ready task is started or obsolete.
    TaskGone {
        queue: QueueKey,
        stamp: Stamp,
    },
    HistoryGrew {
        run: RunKey,
        next_event_id: i64,
        closed: bool,
    },
    /// The run has a message for another workflow id.
    OutboxReady(OutboxEntry),
    /// A workflow task was completed with results of queries, by the ids of those.
    QueriesAnswered {
        run: RunKey,
        results: BTreeMap<String, WorkflowQueryResult>,
    },
    /// The workflow task in flight ended: queries and updates that it carried and did not answer before this, it never
    /// will.
    WorkflowTaskEnded {
        run: RunKey,
    },
    /// An update was accepted, got its outcome, or was dropped.
    UpdateAdvanced {
        run: RunKey,
        update_id: Arc<str>,
        /// The admission of the update; its id alone may be used again after a rejection.
        admission: i64,
        status: Result<UpdateStatus, ApiError>,
    },
    /// The batch job is to be worked on, or no more.
    BatchChanged {
        job: Lane,
        running: bool,
    },
    /// A run of an activity without a workflow has changed, this many times by now, or is no more.
    ActivityAdvanced {
        run: Subject,
        transitions: i64,
        ended: bool,
    },
    /// A schedule has dealt with times.
    ScheduleActed(Acted),
    /// The settings of a queue by operators have changed.
    QueueConfigured {
        queue: QueueKey,
        config: Box<TaskQueueConfig>,
    },
}

/// What a schedule did about its times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acted {
    /// How late each start by the specification was sent.
    pub late: Vec<Duration>,
    /// Times that were noticed later than the catch-up window allows.
    pub missed: u64,
}

/// The reason why a command was refused; nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Read(#[from] ReadError),
}
