//! What is kept of a run's workflow task.

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

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct WorkflowTask {
    /// Of the task that is pending, or of the next one; counts from one.
    #[n(0)]
    pub attempt: i32,
    #[n(1)]
    pub pending: Option<PendingTask>,
    /// Started event of the last task that completed; zero if none did.
    #[cbor(n(2), skip_if = "is_default")]
    pub last_completed_started_event_id: i64,
    #[cbor(n(3), skip_if = "is_default")]
    pub build: Build,
    /// The start was delayed: the first task is scheduled then.
    #[n(4)]
    pub first_at: Option<Timestamp>,
    /// How the last task ended that history tells of, where that was without success.
    #[n(5)]
    pub failed: Option<Problem>,
    /// The same, once it is worth telling that tasks keep ending so; until one has completed.
    #[n(6)]
    pub problem: Option<Problem>,
}

/// What the worker of the last completed task said of its build.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Build {
    #[n(0)]
    pub stamp: Option<Encoded<WorkerVersionStamp>>,
    #[cbor(n(1), with = "field")]
    pub deployment_name: Arc<str>,
}

/// How a task ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Problem {
    /// `WorkflowTaskFailedCause`.
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
            failed: None,
            problem: None,
            build: Build::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PendingTask {
    /// For a transient task the id that its scheduled event will get.
    #[n(0)]
    pub scheduled_event_id: i64,
    /// Its events are not in history: it is a further attempt, or speculative.
    #[n(1)]
    pub transient: bool,
    #[n(2)]
    pub scheduled_at: Timestamp,
    /// Of the first of a row of tasks that were forced by the worker, which heartbeats with them.
    #[n(3)]
    pub original_scheduled_at: Timestamp,
    /// Start to close.
    #[n(4)]
    pub timeout: Duration,
    /// The queue that it waits or waited in.
    #[cbor(n(5), with = "field")]
    pub queue: Arc<str>,
    #[n(6)]
    pub sticky: bool,
    /// The task before it could not close the run because of events that its worker had not seen. While this one runs,
    /// signals and updates are turned away, so that it can.
    #[n(7)]
    pub retries_close: bool,
    #[n(8)]
    pub phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Phase {
    /// A ready task of this stamp is in the queue. On a sticky queue it waits no longer than to the deadline.
    #[n(0)]
    Ready {
        #[n(0)]
        stamp: Stamp,
        #[n(1)]
        deadline: Option<Timestamp>,
        /// The start that did not reach its worker, where its event is in history: the next start takes it over.
        #[n(2)]
        undelivered: Option<Started>,
    },
    #[n(1)]
    Started(#[n(0)] Started),
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Started {
    /// The token's.
    #[n(0)]
    pub stamp: Stamp,
    #[n(1)]
    pub at: Timestamp,
    /// The proposal that started it: the same one gets the same task again.
    #[n(2)]
    pub proposal: ProposalId,
    #[n(3)]
    pub event_id: i64,
    #[cbor(n(4), with = "field")]
    pub request_id: Uuid,
    #[n(5)]
    pub identity: String,
    /// Holds the connection of the worker that it was started for.
    #[n(6)]
    pub process: Process,
    /// Its worker has the run as the last task left it.
    #[n(7)]
    pub keeps: bool,
    /// Bytes of history that its started event tells.
    #[n(8)]
    pub history_size: i64,
    /// `SuggestContinueAsNewReason`s that its started event tells.
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
    pub fn started(&self) -> Option<(&PendingTask, &Started)> {
        match &self.pending {
            Some(task @ PendingTask { phase: Phase::Started(started), .. }) => Some((task, started)),
            _ => None,
        }
    }

    /// The pending task is there for updates only: if they are all rejected, it never was.
    pub fn is_speculative(&self) -> bool {
        self.attempt == 1 && self.pending.as_ref().is_some_and(|task| task.transient)
    }

    pub fn is_started(&self) -> bool {
        self.started().is_some()
    }

    /// The task that is running was started with this stamp.
    pub(crate) fn is_started_as(&self, stamp: Stamp) -> bool {
        self.started().is_some_and(|(_, started)| started.stamp == stamp)
    }

    /// A worker is about to close the run, which it tried before.
    pub fn is_closing(&self) -> bool {
        self.started().is_some_and(|(task, _)| task.retries_close)
    }

    /// The task whose end other events have to wait for: it is started, or its started event ends history.
    pub(crate) fn begun(&self) -> Option<(&PendingTask, &Started)> {
        match &self.pending {
            Some(task) => match &task.phase {
                Phase::Started(started) | Phase::Ready { undelivered: Some(started), .. } => Some((task, started)),
                Phase::Ready { undelivered: None, .. } => None,
            },
            None => None,
        }
    }

    /// When the pending task times out, or the delayed first one is due.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.pending {
            None => self.first_at,
            Some(task) => match &task.phase {
                Phase::Ready { deadline, .. } => *deadline,
                Phase::Started(started) => Some(started.at.plus(task.timeout)),
            },
        }
    }
}
