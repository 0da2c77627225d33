//! What is kept of a run of an activity without a workflow. What becomes of its attempts is that of any activity:
//! [`PendingActivity`] has it.

use crate::{
    activity::{
        control::Control,
        state::{ActivityPhase, DueAction, PendingActivity, StartedAttempt},
        timeouts::Timeouts,
    },
    codec::{field, is_default},
    failures,
    id::ProposalId,
    proto::Encoded,
    retry::RetryPolicy,
    row::{ActivityPart, RowKey},
    subject::Lane,
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Payloads, SearchAttributes},
    enums::v1::{
        ActivityExecutionStatus, ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse,
        PendingActivityState, RetryState,
    },
    failure::v1::Failure,
    workflowservice::v1::StartActivityExecutionRequest,
};

/// The commands that a run remembers, so that one that is tried again acts once.
const REMEMBERED: usize = 32;

/// The value of a run's core row.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct StandaloneState {
    /// How far it has come. Once the run has ended, it is as it was then.
    #[n(0)]
    pub activity: PendingActivity,
    #[n(1)]
    pub created_at: Timestamp,
    /// The time that the first attempt waits.
    #[n(2)]
    pub start_delay: Duration,
    #[n(3)]
    pub end: Option<End>,
    /// The id of the request that started the run.
    #[cbor(n(4), with = "field")]
    pub start_request: Arc<str>,
    /// The proposal that started the run.
    #[n(5)]
    pub started_by: ProposalId,
    /// When the latest attempt was started.
    #[n(6)]
    pub last_started_at: Option<Timestamp>,
    /// Counts what has become of the run; who waits for more says what of it is known.
    #[n(7)]
    pub transitions: i64,
    #[n(8)]
    pub heartbeats: i64,
    #[n(9)]
    pub cancel: Option<CancelRequest>,
    #[n(10)]
    pub requests: Requests,
    /// When the run's timer row is due.
    #[n(11)]
    pub timer: Option<Timestamp>,
    /// The proposals of the last commands that changed the run, the latest last.
    #[cbor(n(12), skip_if = "is_default")]
    pub recent: VecDeque<ProposalId>,
}

/// What the start of a run fixed, in a row of its own.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Fixed {
    /// The request that started the run, as it came.
    #[n(0)]
    pub request: Encoded<StartActivityExecutionRequest>,
    /// The search attributes that it gave, each with its type.
    #[n(1)]
    pub search_attributes: Option<Encoded<SearchAttributes>>,
}

/// How a run ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct End {
    #[n(0)]
    pub how: Ended,
    #[n(1)]
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Ended {
    #[n(0)]
    Completed,
    #[n(1)]
    Failed,
    #[n(2)]
    Canceled,
    #[n(3)]
    Terminated,
    #[n(4)]
    TimedOut,
}

/// A request that asked for a run's cancellation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CancelRequest {
    #[n(0)]
    pub request_id: String,
    #[n(1)]
    pub identity: String,
    #[n(2)]
    pub reason: String,
}

/// The ids of the last requests of each kind that changed a run; empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Requests {
    #[n(0)]
    pub terminate: String,
    #[n(1)]
    pub pause: String,
    #[n(2)]
    pub unpause: String,
    #[n(3)]
    pub reset: String,
    #[n(4)]
    pub options: String,
}

/// A request that was checked, and what its options come to.
#[derive(Clone, Debug)]
pub struct NewActivity {
    pub request: Arc<StartActivityExecutionRequest>,
    pub options: StartOptions,
}

/// The options of a start.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) delay: Duration,
    pub(crate) reuse: Reuse,
    pub(crate) conflict: Conflict,
    /// The search attributes that the request gives, each with its type.
    pub search_attributes: Option<SearchAttributes>,
}

impl StandaloneState {
    pub fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// The attempt that a worker has.
    pub fn started(&self) -> Option<&StartedAttempt> {
        self.activity.started().filter(|_| self.is_running())
    }

    /// The time at which the first attempt could begin.
    pub fn execution_time(&self) -> Timestamp {
        self.created_at.plus(self.start_delay)
    }

    /// Whether no attempt was begun so far, because its time has not come.
    pub(crate) fn is_delayed(&self) -> bool {
        self.last_started_at.is_none()
            && matches!(self.activity.phase, ActivityPhase::Backoff | ActivityPhase::Paused)
            && self.activity.attempt_scheduled_at >= self.execution_time()
            && !self.start_delay.is_zero()
    }

    /// The earliest deadline, and what happens at it. A pause stops none of the run's time-outs.
    pub(crate) fn next_due(&self) -> Option<(Timestamp, DueAction)> {
        if self.is_running() { self.activity.deadline() } else { None }
    }

    /// Whether nothing happens until a worker does something, or some time is over.
    pub fn waits_for_worker(&self) -> bool {
        self.is_running() && matches!(self.activity.phase, ActivityPhase::Ready(_) | ActivityPhase::Started(_))
    }

    /// When something happens by itself, while no worker is waited for.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.next_due().map(|(at, _)| at)
    }

    pub fn status(&self) -> ActivityExecutionStatus {
        match self.end.map(|end| end.how) {
            Some(Ended::Completed) => ActivityExecutionStatus::Completed,
            Some(Ended::Failed) => ActivityExecutionStatus::Failed,
            Some(Ended::Canceled) => ActivityExecutionStatus::Canceled,
            Some(Ended::Terminated) => ActivityExecutionStatus::Terminated,
            Some(Ended::TimedOut) => ActivityExecutionStatus::TimedOut,
            None if self.activity.phase == ActivityPhase::Paused => ActivityExecutionStatus::Paused,
            None => ActivityExecutionStatus::Running,
        }
    }

    /// What a run that has not ended is at.
    pub fn run_state(&self) -> PendingActivityState {
        match &self.activity.phase {
            _ if !self.is_running() => PendingActivityState::Unspecified,
            ActivityPhase::Started(_) if self.cancel.is_some() => PendingActivityState::CancelRequested,
            ActivityPhase::Started(_) if self.activity.control.is_paused() => PendingActivityState::PauseRequested,
            ActivityPhase::Started(_) => PendingActivityState::Started,
            ActivityPhase::Paused => PendingActivityState::Paused,
            ActivityPhase::Ready(_) | ActivityPhase::Backoff | ActivityPhase::Held => PendingActivityState::Scheduled,
        }
    }

    /// The name of what the run is at, in the reference server's errors.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.end.map(|end| end.how) {
            Some(Ended::Completed) => "Completed",
            Some(Ended::Failed) => "Failed",
            Some(Ended::Canceled) => "Canceled",
            Some(Ended::Terminated) => "Terminated",
            Some(Ended::TimedOut) => "TimedOut",
            None if self.cancel.is_none() && self.activity.control.is_reset() => "ResetRequested",
            None => match self.run_state() {
                PendingActivityState::CancelRequested => "CancelRequested",
                PendingActivityState::PauseRequested => "PauseRequested",
                PendingActivityState::Started => "Started",
                PendingActivityState::Paused => "Paused",
                PendingActivityState::Scheduled | PendingActivityState::Unspecified => "Scheduled",
            },
        }
    }

    /// Whether a command with this proposal has changed the run before.
    pub(crate) fn knows(&self, proposal: ProposalId) -> bool {
        proposal != ProposalId::default() && self.recent.contains(&proposal)
    }

    pub(crate) fn remember(&mut self, proposal: ProposalId) {
        if proposal != ProposalId::default() {
            self.recent.push_back(proposal);
            if self.recent.len() > REMEMBERED {
                self.recent.pop_front();
            }
        }
    }

    pub(crate) fn record_heartbeat(&mut self, now: Timestamp, details: Option<&Payloads>) {
        self.heartbeats += 1;
        self.activity.record_heartbeat(now, details);
    }

    /// Ends the attempt with `failure`, and goes into back-off. An attempt that was reset is followed by the first one.
    ///
    /// # Errors
    ///
    /// The reason why there is no other attempt; the run goes on until it is ended.
    pub(crate) fn retry(&mut self, failure: Option<&Failure>, now: Timestamp) -> Result<(), RetryState> {
        let attempt = self.activity.attempt;
        if self.activity.control.is_reset() {
            self.activity.attempt = 0;
        }
        let retried = self.activity.retry(failure, now);
        if retried.is_err() {
            self.activity.attempt = attempt;
        }
        retried
    }

    /// Notes how the last attempt has ended.
    pub(crate) fn attempt_ended(&mut self, failure: Option<&Failure>, now: Timestamp) {
        self.activity.last_attempt_completed_at = Some(now);
        if let Some(failure) = failure {
            self.activity.last_failure = Some(Encoded::of(&failures::kept_in_state(failure)));
        }
    }
}

/// The activity that begins now, and waits for its delay.
pub(crate) fn begin(
    request: &StartActivityExecutionRequest,
    options: &StartOptions,
    now: Timestamp,
) -> PendingActivity {
    let at = now.plus(options.delay);
    PendingActivity {
        scheduled_event_id: 0,
        activity_id: request.activity_id.as_str().into(),
        activity_type: request.activity_type.as_ref().map_or("", |t| &t.name).into(),
        task_queue: request.task_queue.as_ref().map_or("", |queue| &queue.name).into(),
        priority: request.priority.as_ref().map(Encoded::of),
        timeouts: options.timeouts,
        retry: options.retry.clone(),
        scheduled_at: at,
        attempt: 1,
        attempt_scheduled_at: at,
        phase: ActivityPhase::Backoff,
        cancel_requested_event_id: None,
        heartbeat: None,
        last_failure: None,
        last_attempt_completed_at: None,
        last_worker_identity: "".into(),
        last_worker_version: None,
        control: Control::default(),
    }
}

/// A row of an activity.
pub(crate) fn row(lane: &Lane, part: ActivityPart) -> RowKey {
    RowKey::Activity { namespace: lane.namespace, activity_id: lane.id.clone(), part }
}
