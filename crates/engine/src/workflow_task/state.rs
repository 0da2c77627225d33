//! The state of a run's workflow task.

use crate::{
    codec::{field, is_default},
    id::{Process, ProposalId, Stamp},
    proto::Encoded,
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::{sync::Arc, time::Duration};
use tenure_api::{common::v1::WorkerVersionStamp, history::v1::WorkflowTaskCompletedEventAttributes};
use uuid::Uuid;

/// The workflow task of a run: the pending one, and what the next one has to know.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct WorkflowTask {
    /// The attempt of the pending task, or of the next one; counted from one.
    #[n(0)]
    pub attempt: i32,
    #[n(1)]
    pub pending: Option<PendingTask>,
    /// The started event of the last completed task; zero if none completed.
    #[cbor(n(2), skip_if = "is_default")]
    pub last_completed_started_event_id: i64,
    #[cbor(n(3), skip_if = "is_default")]
    pub build: Build,
    /// The time at which the first task is scheduled, where the start was delayed.
    #[n(4)]
    pub first_at: Option<Timestamp>,
    /// The failure of the last task that history shows; `None` if that task completed.
    #[n(5)]
    pub last_failure: Option<TaskFailure>,
    /// The same failure, once so many tasks in a row failed that it is reported; kept until one completes.
    #[n(6)]
    pub reported_failure: Option<TaskFailure>,
}

/// The build of the worker that completed the last task.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Build {
    #[n(0)]
    pub stamp: Option<Encoded<WorkerVersionStamp>>,
    #[cbor(n(1), with = "field")]
    pub deployment_name: Arc<str>,
}

/// The way in which a task ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TaskFailure {
    /// The task failed with this `WorkflowTaskFailedCause`.
    #[n(0)]
    Failed(#[n(0)] i32),
    #[n(1)]
    TimedOut,
}

impl Default for WorkflowTask {
    fn default() -> Self {
        WorkflowTask {
            attempt: 1,
            pending: None,
            last_completed_started_event_id: 0,
            first_at: None,
            last_failure: None,
            reported_failure: None,
            build: Build::default(),
        }
    }
}

/// A workflow task that was scheduled and has not ended.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PendingTask {
    /// The scheduled event id; for a transient task the id that the event will get.
    #[n(0)]
    pub scheduled_event_id: i64,
    /// Whether its events are not in history, because it is a further attempt, or speculative.
    #[n(1)]
    pub transient: bool,
    #[n(2)]
    pub scheduled_at: Timestamp,
    /// The time when it was scheduled or, in a series of tasks that the worker forced as heartbeats, when the first
    /// was.
    #[n(3)]
    pub original_scheduled_at: Timestamp,
    /// The start-to-close timeout.
    #[n(4)]
    pub timeout: Duration,
    /// The queue in which it waits or waited.
    #[cbor(n(5), with = "field")]
    pub queue: Arc<str>,
    #[n(6)]
    pub sticky: bool,
    /// Whether the previous task could not close the run because of events that its worker had not seen. While this one
    /// runs, signals and updates are refused, so that it can.
    #[n(7)]
    pub retries_close: bool,
    #[n(8)]
    pub phase: TaskPhase,
}

/// How far the pending task has come.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum TaskPhase {
    /// The task waits in its queue, as the ready task of this stamp. In a sticky queue, or if it is speculative, it
    /// waits no longer than to the deadline.
    #[n(0)]
    Ready {
        #[n(0)]
        stamp: Stamp,
        #[n(1)]
        deadline: Option<Timestamp>,
        /// The start that did not reach its worker, where its event is in history: the next start takes the event over.
        #[n(2)]
        undelivered: Option<StartedTask>,
    },
    #[n(1)]
    Started(#[n(0)] StartedTask),
}

/// The start of a task for a worker.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct StartedTask {
    /// The stamp of this start; the task token carries it.
    #[n(0)]
    pub stamp: Stamp,
    #[n(1)]
    pub at: Timestamp,
    /// The proposal that started it: a retry of the same one gets the same task again.
    #[n(2)]
    pub proposal: ProposalId,
    #[n(3)]
    pub event_id: i64,
    #[cbor(n(4), with = "field")]
    pub request_id: Uuid,
    #[n(5)]
    pub identity: String,
    /// The process that holds the connection of the worker that got the task.
    #[n(6)]
    pub process: Process,
    /// Whether its worker has the run in its cache, as the last task left it.
    #[n(7)]
    pub worker_has_cache: bool,
    /// The size of history in bytes that its started event shows.
    #[n(8)]
    pub history_size: i64,
    /// The `SuggestContinueAsNewReason`s that its started event shows.
    #[cbor(n(9), skip_if = "is_default")]
    pub suggestions: Vec<i32>,
}

impl Build {
    pub(crate) fn of(completed: &WorkflowTaskCompletedEventAttributes) -> Build {
        Build {
            stamp: completed.worker_version.as_ref().map(Encoded::of),
            deployment_name: completed.worker_deployment_name.as_str().into(),
        }
    }
}

impl WorkflowTask {
    pub fn started(&self) -> Option<(&PendingTask, &StartedTask)> {
        match &self.pending {
            Some(task @ PendingTask { phase: TaskPhase::Started(started), .. }) => Some((task, started)),
            _ => None,
        }
    }

    /// Whether the pending task is there for updates only: if they are all rejected, it leaves no trace.
    pub fn is_speculative(&self) -> bool {
        self.attempt == 1 && self.pending.as_ref().is_some_and(|task| task.transient)
    }

    pub fn is_started(&self) -> bool {
        self.started().is_some()
    }

    /// Whether the running task was started with this stamp.
    pub(crate) fn is_started_as(&self, stamp: Stamp) -> bool {
        self.started().is_some_and(|(_, started)| started.stamp == stamp)
    }

    /// Whether a worker is about to close the run, which it tried before.
    pub fn is_closing(&self) -> bool {
        self.started().is_some_and(|(task, _)| task.retries_close)
    }

    /// The task for whose end other events have to wait: it is started, or its started event is the last of history.
    pub(crate) fn blocks_events(&self) -> Option<(&PendingTask, &StartedTask)> {
        match &self.pending {
            Some(task) => match &task.phase {
                TaskPhase::Started(started) | TaskPhase::Ready { undelivered: Some(started), .. } => {
                    Some((task, started))
                }
                TaskPhase::Ready { undelivered: None, .. } => None,
            },
            None => None,
        }
    }

    /// The time when the pending task times out, or the delayed first one is due.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.pending {
            None => self.first_at,
            Some(task) => match &task.phase {
                TaskPhase::Ready { deadline, .. } => *deadline,
                TaskPhase::Started(started) => Some(started.at.plus(task.timeout)),
            },
        }
    }
}
