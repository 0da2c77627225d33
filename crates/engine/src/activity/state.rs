//! One pending activity, and its transition table.
//!
//! | phase | start | return | fail, retried | time-out or retry due | pause | unpause | run paused | run unpaused |
//! |---|---|---|---|---|---|---|---|---|
//! | `Ready` | `Started` | - | - | - | `Paused` | - | `Held` | - |
//! | `Started` | - | `Ready` | `Backoff`, next attempt | `Backoff`, next attempt | `Started` | `Started` | - | - |
//! | `Backoff` | - | - | - | `Ready` | `Paused` | - | - | - |
//! | `Held` | - | - | - | - | `Paused` | - | - | `Ready` |
//! | `Paused` | - | - | - | - | - | `Ready` or `Backoff` | - | - |
//!
//! A started activity that is paused goes on until its attempt ends, and is `Paused` then. While the run is paused, what
//! would be `Ready` is `Held`, except further attempts of activities that were started before; when it is unpaused, what is
//! `Held` is `Ready`.
//!
//! What ends an activity (completed, failed, cancelled, timed out for good) removes it from the pending ones.

use super::{control::Control, timeouts::Timeouts};
use crate::{
    codec::{field, is_default},
    failures,
    id::{Process, ProposalId, Stamp},
    pending::{Keyed, Pending},
    poll::Poll,
    proto::Encoded,
    retry::RetryPolicy,
    time::Timestamp,
};
use minicbor::{Decode, Encode};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Payloads, Priority, WorkerVersionCapabilities, WorkerVersionStamp},
    enums::v1::{RetryState, TimeoutType},
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::ActivityTaskScheduledEventAttributes,
};

/// An activity that was scheduled and is not closed. Its input stays in its scheduled event.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PendingActivity {
    #[n(0)]
    pub scheduled_event_id: i64,
    #[cbor(n(1), with = "field")]
    pub activity_id: Arc<str>,
    #[cbor(n(2), with = "field")]
    pub activity_type: Arc<str>,
    #[cbor(n(3), with = "field")]
    pub task_queue: Arc<str>,
    #[n(4)]
    pub timeouts: Timeouts,
    #[n(5)]
    pub retry: RetryPolicy,
    #[n(6)]
    pub scheduled_at: Timestamp,
    /// The current attempt, counted from one.
    #[n(7)]
    pub attempt: i32,
    /// The time when this attempt became ready or, for an attempt in back-off, when it will.
    #[n(8)]
    pub attempt_scheduled_at: Timestamp,
    #[n(9)]
    pub phase: ActivityPhase,
    /// The identity of the worker that got the latest attempt; empty before the first start.
    #[cbor(n(10), with = "field", skip_if = "is_default")]
    pub last_worker_identity: Arc<str>,
    #[n(11)]
    pub last_attempt_completed_at: Option<Timestamp>,
    /// The failure of the previous attempt.
    #[n(12)]
    pub last_failure: Option<Encoded<Failure>>,
    /// The latest heartbeat, of whatever attempt.
    #[n(13)]
    pub heartbeat: Option<Heartbeat>,
    /// The id of the event that requested cancellation.
    #[n(14)]
    pub cancel_requested_event_id: Option<i64>,
    #[n(15)]
    pub last_worker_version: Option<Encoded<WorkerVersionStamp>>,
    #[cbor(n(16), skip_if = "is_default")]
    pub control: Control,
    #[n(17)]
    pub priority: Option<Encoded<Priority>>,
}

/// How far the current attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ActivityPhase {
    /// The activity waits in its queue, as the ready task of this stamp.
    #[n(0)]
    Ready(#[n(0)] Stamp),
    #[n(1)]
    Started(#[n(0)] StartedAttempt),
    /// The next attempt is made ready at `attempt_scheduled_at`.
    #[n(2)]
    Backoff,
    /// Nothing happens until the activity is unpaused, and nothing times out.
    #[n(3)]
    Paused,
    /// The activity waits for the end of its run's pause; its time-outs count.
    #[n(4)]
    Held,
}

/// The start of an attempt for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StartedAttempt {
    /// The stamp of this start; the task token carries it.
    #[n(0)]
    pub stamp: Stamp,
    #[n(1)]
    pub at: Timestamp,
    /// The proposal that started it: a retry of the same one gets the same task again.
    #[n(2)]
    pub proposal: ProposalId,
    /// The process that holds the connection of the worker that got the task.
    #[n(3)]
    pub process: Process,
}

/// A heartbeat: when it came, and the details that the worker sent with it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Heartbeat {
    #[n(0)]
    pub at: Timestamp,
    #[n(1)]
    pub details: Option<Encoded<Payloads>>,
}

/// The answer to a heartbeat, for the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    pub cancel_requested: bool,
    pub paused: bool,
    /// Whether the attempt was reset to count as the first.
    pub reset: bool,
}

/// The keys by which a pending activity is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityKey {
    Id(Arc<str>),
    /// The activity's earliest deadline.
    Due(Timestamp),
    /// It is paused.
    Paused,
}

impl Keyed for PendingActivity {
    type Key = ActivityKey;

    fn keys(&self) -> impl IntoIterator<Item = ActivityKey> {
        let due = self.next_due().map(|(at, _)| ActivityKey::Due(at));
        let paused = self.control.is_paused().then_some(ActivityKey::Paused);
        [Some(ActivityKey::Id(self.activity_id.clone())), due, paused].into_iter().flatten()
    }

    fn heap_bytes(&self) -> usize {
        let names = [&self.activity_id, &self.activity_type, &self.task_queue, &self.last_worker_identity];
        let heartbeat = self.heartbeat.as_ref().and_then(|heartbeat| heartbeat.details.as_ref());
        names.into_iter().map(|name| name.len()).sum::<usize>()
            + heartbeat.map_or(0, Encoded::size)
            + self.last_failure.as_ref().map_or(0, Encoded::size)
            + self.last_worker_version.as_ref().map_or(0, Encoded::size)
    }
}

/// The action that is due at an activity's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueAction {
    Retry,
    Timeout(TimeoutType),
}

impl PendingActivity {
    /// The pending activity that a scheduled event describes.
    pub(crate) fn scheduled(id: i64, at: Timestamp, event: &ActivityTaskScheduledEventAttributes) -> Self {
        let retry = event.retry_policy.as_ref().and_then(|policy| RetryPolicy::new(policy).ok());
        PendingActivity {
            scheduled_event_id: id,
            activity_id: event.activity_id.as_str().into(),
            activity_type: event.activity_type.as_ref().map_or("", |t| &t.name).into(),
            task_queue: event.task_queue.as_ref().map_or("", |queue| &queue.name).into(),
            priority: event.priority.as_ref().map(Encoded::of),
            timeouts: Timeouts::read_from(event),
            retry: retry.unwrap_or_else(RetryPolicy::unlimited),
            scheduled_at: at,
            attempt: 1,
            attempt_scheduled_at: at,
            phase: ActivityPhase::Ready(Stamp::default()),
            cancel_requested_event_id: None,
            heartbeat: None,
            last_failure: None,
            last_attempt_completed_at: None,
            last_worker_identity: "".into(),
            last_worker_version: None,
            control: Control::default(),
        }
    }

    pub fn started(&self) -> Option<&StartedAttempt> {
        match &self.phase {
            ActivityPhase::Started(started) => Some(started),
            ActivityPhase::Ready(_) | ActivityPhase::Backoff | ActivityPhase::Paused | ActivityPhase::Held => None,
        }
    }

    /// Whether its worker has sent a heartbeat since this start.
    pub(crate) fn has_heartbeat_since(&self, started: &StartedAttempt) -> bool {
        self.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.at > started.at)
    }

    /// The stamp of its ready task, if it has one.
    pub fn ready(&self) -> Option<Stamp> {
        match self.phase {
            ActivityPhase::Ready(stamp) => Some(stamp),
            ActivityPhase::Started(_) | ActivityPhase::Backoff | ActivityPhase::Paused | ActivityPhase::Held => None,
        }
    }

    /// The deadline of the whole activity, over all attempts.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.timeouts.schedule_to_close.map(|d| self.scheduled_at.plus(d))
    }

    pub(crate) fn start(&mut self, started: StartedAttempt, poll: &Poll) {
        debug_assert!(matches!(self.phase, ActivityPhase::Ready(_)), "only a ready activity is started");
        self.phase = ActivityPhase::Started(started);
        self.last_worker_identity = poll.identity.as_str().into();
        self.last_worker_version = poll.worker_version.as_ref().map(|version| {
            let WorkerVersionCapabilities { build_id, use_versioning, .. } = version.decode();
            Encoded::of(&WorkerVersionStamp { build_id, use_versioning })
        });
    }

    /// Takes back a start that did not reach a worker.
    pub(crate) fn return_task(&mut self, stamp: Stamp, _now: Timestamp) {
        debug_assert!(matches!(self.phase, ActivityPhase::Started(_)), "only a started activity is given back");
        self.phase = ActivityPhase::Ready(stamp);
    }

    pub(crate) fn wake(&mut self, stamp: Stamp, now: Timestamp) {
        debug_assert!(matches!(self.phase, ActivityPhase::Backoff), "only an activity in back-off is woken");
        self.attempt_scheduled_at = now;
        self.phase = ActivityPhase::Ready(stamp);
    }

    pub(crate) fn record_heartbeat(&mut self, now: Timestamp, details: Option<&Payloads>) {
        self.heartbeat = Some(Heartbeat { at: now, details: details.map(Encoded::of) });
    }

    /// Ends the attempt with `failure` and goes into back-off.
    ///
    /// # Errors
    ///
    /// The reason why there is no other attempt.
    pub(crate) fn retry(&mut self, failure: Option<&Failure>, now: Timestamp) -> Result<(), RetryState> {
        let delay = self.retry_delay(failure, now)?;
        debug_assert!(self.started().is_some(), "another attempt follows one that was running");
        self.attempt += 1;
        if self.control.is_paused() {
            self.phase = ActivityPhase::Paused;
        } else {
            self.phase = ActivityPhase::Backoff;
            self.attempt_scheduled_at = now.plus(delay);
        }
        if self.control.attempt_ended() {
            self.heartbeat = None;
        }
        self.last_failure = failure.map(|f| Encoded::of(&failures::kept_in_state(f)));
        self.last_attempt_completed_at = Some(now);
        Ok(())
    }

    fn retry_delay(&self, failure: Option<&Failure>, now: Timestamp) -> Result<Duration, RetryState> {
        if self.cancel_requested_event_id.is_some() {
            return Err(RetryState::CancelRequested);
        }
        let info = failure.and_then(|f| f.failure_info.as_ref());
        if let Some(FailureInfo::TimeoutFailureInfo(info)) = info
            && matches!(info.timeout_type(), TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose)
        {
            return Err(RetryState::Timeout);
        }
        if !self.retry.retries(failure) {
            return Err(RetryState::NonRetryableFailure);
        }
        if self.retry.attempts_exhausted(self.attempt) {
            return Err(RetryState::MaximumAttemptsReached);
        }
        let delay = if let Some(FailureInfo::ApplicationFailureInfo(info)) = info
            && let Some(delay) = &info.next_retry_delay
        {
            // The worker's own delay counts as it is; a negative one is over already. Zero ends the activity, as it
            // does in the reference server.
            match tenure_api::time::optional_duration(Some(delay)) {
                Ok(Some(delay)) => delay,
                Ok(None) => return Err(RetryState::Timeout),
                Err(_) => Duration::ZERO,
            }
        } else {
            self.retry.interval_after(self.attempt)
        };
        match self.expires_at() {
            Some(end) if now.plus(delay) > end => Err(RetryState::Timeout),
            _ => Ok(delay),
        }
    }

    /// The earliest deadline, and what happens at it.
    pub(crate) fn next_due(&self) -> Option<(Timestamp, DueAction)> {
        if self.control.is_paused() { None } else { self.deadline() }
    }

    /// The same as [`PendingActivity::next_due`], of an activity whose time goes on while it is paused.
    pub(crate) fn deadline(&self) -> Option<(Timestamp, DueAction)> {
        let after = |start: Timestamp, timeout: Option<Duration>, kind| {
            timeout.map(|d| (start.plus(d), DueAction::Timeout(kind)))
        };
        let whole = after(self.scheduled_at, self.timeouts.schedule_to_close, TimeoutType::ScheduleToClose);
        let of_phase = match &self.phase {
            ActivityPhase::Ready(_) | ActivityPhase::Held => {
                let start = self.timeouts.schedule_to_start;
                [after(self.attempt_scheduled_at, start, TimeoutType::ScheduleToStart), None]
            }
            ActivityPhase::Started(started) => {
                let alive_at = self.heartbeat.as_ref().map_or(started.at, |h| h.at.max(started.at));
                [
                    after(started.at, self.timeouts.start_to_close, TimeoutType::StartToClose),
                    after(alive_at, self.timeouts.heartbeat, TimeoutType::Heartbeat),
                ]
            }
            ActivityPhase::Backoff => [Some((self.attempt_scheduled_at, DueAction::Retry)), None],
            ActivityPhase::Paused => [None, None],
        };
        // `min_by_key` keeps the first of equals: a timeout of the phase goes before the whole activity's.
        let [first, second] = of_phase;
        [first, whole, second].into_iter().flatten().min_by_key(|&(at, _)| at)
    }
}

/// The earliest deadline of the activities.
pub(crate) fn earliest_deadline(activities: &Pending<PendingActivity>) -> Option<Timestamp> {
    due_until(activities, Timestamp::MAX).next().map(|(at, _)| at)
}

/// The deadlines up to this time, the earliest first, with the ids of their activities.
pub(super) fn due_until(
    activities: &Pending<PendingActivity>,
    end: Timestamp,
) -> impl Iterator<Item = (Timestamp, i64)> {
    let due = activities.range(ActivityKey::Due(Timestamp::MIN)..=ActivityKey::Due(end));
    due.filter_map(|(key, id)| match key {
        ActivityKey::Due(at) => Some((*at, id)),
        _ => None,
    })
}

/// Whether a worker has one of the activities, or could get it at once.
pub(crate) fn any_with_worker(activities: &Pending<PendingActivity>) -> bool {
    activities.values().any(|activity| matches!(activity.phase, ActivityPhase::Ready(_) | ActivityPhase::Started(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_api::{common::v1 as common, failure::v1 as failure};

    fn at(seconds: f64) -> Timestamp {
        Timestamp((seconds * 1e9) as i64)
    }

    fn seconds(s: f64) -> Option<Duration> {
        (s > 0.0).then(|| Duration::from_secs_f64(s))
    }

    fn stamp(counter: u64) -> Stamp {
        Stamp { term: 1, counter }
    }

    /// An activity that was scheduled at zero; timeouts in the order schedule-to-close, schedule-to-start,
    /// start-to-close, heartbeat.
    fn activity(timeouts: [f64; 4], maximum_attempts: i32) -> PendingActivity {
        let policy = common::RetryPolicy { maximum_attempts, ..Default::default() };
        let [schedule_to_close, schedule_to_start, start_to_close, heartbeat] = timeouts.map(seconds);
        PendingActivity {
            scheduled_event_id: 5,
            activity_id: "a1".into(),
            activity_type: "A".into(),
            task_queue: "q".into(),
            priority: None,
            timeouts: Timeouts { schedule_to_close, schedule_to_start, start_to_close, heartbeat },
            retry: RetryPolicy::new(&policy).unwrap(),
            scheduled_at: at(0.0),
            attempt: 1,
            attempt_scheduled_at: at(0.0),
            phase: ActivityPhase::Ready(stamp(1)),
            cancel_requested_event_id: None,
            heartbeat: None,
            last_failure: None,
            last_attempt_completed_at: None,
            last_worker_identity: "".into(),
            last_worker_version: None,
            control: Control::default(),
        }
    }

    fn started(timeouts: [f64; 4], maximum_attempts: i32, start: f64) -> PendingActivity {
        let mut activity = activity(timeouts, maximum_attempts);
        activity.start(
            StartedAttempt { stamp: stamp(2), at: at(start), proposal: ProposalId(7), process: Process::default() },
            &Poll::default(),
        );
        activity
    }

    fn application(next_retry_delay: Option<i64>) -> Failure {
        let info = failure::ApplicationFailureInfo {
            r#type: "E".into(),
            next_retry_delay: next_retry_delay.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        };
        Failure { failure_info: Some(FailureInfo::ApplicationFailureInfo(info)), ..Default::default() }
    }

    #[test]
    fn the_earliest_deadline_is_due() {
        #[track_caller]
        fn check(activity: &PendingActivity, expected: Option<(f64, DueAction)>) {
            assert_eq!(activity.next_due(), expected.map(|(t, due)| (at(t), due)));
        }
        use TimeoutType::*;
        check(&activity([0.0; 4], 0), None);
        check(&activity([10.0, 3.0, 5.0, 1.0], 0), Some((3.0, DueAction::Timeout(ScheduleToStart))));
        check(&activity([10.0, 10.0, 10.0, 0.0], 0), Some((10.0, DueAction::Timeout(ScheduleToStart))));
        check(&activity([10.0, 0.0, 10.0, 0.0], 0), Some((10.0, DueAction::Timeout(ScheduleToClose))));
        check(&started([10.0, 3.0, 5.0, 0.0], 0, 1.0), Some((6.0, DueAction::Timeout(StartToClose))));
        check(&started([10.0, 3.0, 5.0, 2.0], 0, 1.0), Some((3.0, DueAction::Timeout(Heartbeat))));
        check(&started([10.0, 10.0, 10.0, 0.0], 0, 1.0), Some((10.0, DueAction::Timeout(ScheduleToClose))));
        check(&started([0.0, 3.0, 0.0, 0.0], 0, 1.0), None);

        let mut beating = started([10.0, 3.0, 5.0, 2.0], 0, 1.0);
        beating.record_heartbeat(at(2.5), None);
        check(&beating, Some((4.5, DueAction::Timeout(Heartbeat))));
        beating.record_heartbeat(at(5.9), None);
        check(&beating, Some((6.0, DueAction::Timeout(StartToClose))));

        let mut failed = started([10.0, 3.0, 5.0, 2.0], 0, 1.0);
        failed.record_heartbeat(at(1.5), None);
        failed.retry(None, at(2.0)).unwrap();
        check(&failed, Some((3.0, DueAction::Retry)));
        failed.wake(stamp(3), at(3.5));
        check(&failed, Some((6.5, DueAction::Timeout(ScheduleToStart))));
        // The heartbeat of an attempt before does not count for this one.
        failed.start(
            StartedAttempt { stamp: stamp(4), at: at(4.0), proposal: ProposalId(8), process: Process::default() },
            &Poll::default(),
        );
        check(&failed, Some((6.0, DueAction::Timeout(Heartbeat))));
    }

    #[test]
    fn an_attempt_that_failed_is_retried_or_not() {
        /// Fails the activity at the given second; expects the time of the next attempt, or why there is none.
        #[track_caller]
        fn check(mut activity: PendingActivity, failure: Option<Failure>, now: f64, expected: Result<f64, RetryState>) {
            let before = activity.clone();
            let got = activity.retry(failure.as_ref(), at(now)).map(|()| activity.attempt_scheduled_at);
            assert_eq!(got, expected.map(at));
            match got {
                Ok(_) => assert_eq!((activity.phase, activity.attempt), (ActivityPhase::Backoff, before.attempt + 1)),
                Err(_) => assert_eq!(activity, before),
            }
        }
        use RetryState::*;
        let limits = [10.0, 10.0, 5.0, 0.0];
        check(started(limits, 0, 1.0), Some(application(None)), 2.0, Ok(3.0));
        check(started(limits, 0, 1.0), None, 2.0, Ok(3.0));
        check(started(limits, 1, 1.0), Some(application(None)), 2.0, Err(MaximumAttemptsReached));
        check(started(limits, 0, 1.0), Some(application(None)), 9.0, Ok(10.0));
        check(started(limits, 0, 1.0), Some(application(None)), 9.5, Err(Timeout));
        check(started([0.0; 4], 0, 1.0), Some(application(None)), 1e6, Ok(1e6 + 1.0));
        check(started(limits, 0, 1.0), Some(application(Some(4))), 2.0, Ok(6.0));
        check(started(limits, 0, 1.0), Some(application(Some(9))), 2.0, Err(Timeout));
        check(started(limits, 0, 1.0), Some(application(Some(0))), 2.0, Err(Timeout));
        check(started(limits, 0, 1.0), Some(application(Some(-1))), 2.0, Ok(2.0));
        check(started(limits, 0, 1.0), Some(failures::timeout(TimeoutType::Heartbeat)), 2.0, Ok(3.0));
        check(started(limits, 1, 1.0), Some(failures::timeout(TimeoutType::ScheduleToClose)), 2.0, Err(Timeout));
        check(started(limits, 0, 1.0), Some(failures::server("too large", true)), 2.0, Err(NonRetryableFailure));

        let mut cancelled = started(limits, 1, 1.0);
        cancelled.cancel_requested_event_id = Some(9);
        check(cancelled, Some(failures::server("too large", true)), 2.0, Err(CancelRequested));
    }
}
