//! The run that follows one that ends: the next attempt by its retry policy, or the next turn of its cron schedule.

use super::{cron, new_run::NewRun};
use crate::{failures, info::ExecutionInfo, retry::RetryPolicy, time::Timestamp, txn::Txn};
use std::time::Duration;
use tenure_api::{
    common::v1::Payloads,
    enums::v1::{ContinueAsNewInitiator as Initiator, RetryState, TimeoutType},
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::WorkflowExecutionStartedEventAttributes,
    time::{duration_to_proto, optional_duration},
};

/// The shortest time from the start of a run to the start of its successor, so that a workflow that does nothing but
/// begin again does not keep the server busy.
const MIN_RUN_TIME: Duration = Duration::from_secs(1);

/// The end of a run that failed or timed out.
pub(crate) struct Ended {
    /// The retry state that its last event shows.
    pub(crate) retry_state: RetryState,
    pub(crate) next: Option<NewRun>,
}

/// The successor after a failure: the next attempt, or else the next turn.
pub(crate) fn after_failure(txn: &mut Txn<'_, '_>, failure: &Failure) -> Ended {
    let (initiator, backoff, retry_state) = match retry_backoff(&txn.state.info, failure, txn.now()) {
        Ok(backoff) => (Initiator::Retry, backoff, RetryState::InProgress),
        Err(retry_state) => match cron_backoff(txn) {
            Some(backoff) => (Initiator::CronSchedule, backoff, retry_state),
            None => return Ended { retry_state, next: None },
        },
    };
    let mut next = successor(txn, initiator, backoff);
    next.started.continued_failure = Some(failure.clone());
    if initiator == Initiator::Retry {
        next.started.attempt = txn.state.info.attempt + 1;
        next.started.last_completion_result = None;
    } else {
        next.started.attempt = 1;
    }
    Ended { retry_state, next: Some(next) }
}

/// The successor after the run has timed out; none after the whole chain has.
pub(crate) fn after_timeout(txn: &mut Txn<'_, '_>) -> Ended {
    match txn.state.info.execution_expires_at {
        // The whole chain has.
        Some(at) if at <= txn.now() => Ended { retry_state: RetryState::Timeout, next: None },
        _ => after_failure(txn, &failures::timeout_with_message(TimeoutType::StartToClose, "workflow timeout".into())),
    }
}

/// The successor after a completion: the next turn.
pub(crate) fn after_completion(txn: &mut Txn<'_, '_>, result: Option<&Payloads>) -> Option<NewRun> {
    let backoff = cron_backoff(txn)?;
    let mut next = successor(txn, Initiator::CronSchedule, backoff);
    next.started.attempt = 1;
    next.started.last_completion_result = result.cloned();
    Some(next)
}

/// A run with the options of this one's first event, whatever became of its memo and search attributes meanwhile. The
/// caller fills in what it carries over from this one's end.
pub(super) fn successor(txn: &mut Txn<'_, '_>, initiator: Initiator, backoff: Duration) -> NewRun {
    let first = WorkflowExecutionStartedEventAttributes::clone(&txn.first_event());
    let backoff = at_least_min_run_time(txn, backoff);
    let started = WorkflowExecutionStartedEventAttributes {
        identity: String::new(),
        continued_execution_run_id: txn.run.run_id.to_string(),
        first_execution_run_id: txn.state.info.first_run_id.to_string(),
        initiator: initiator.into(),
        continued_failure: None,
        first_workflow_task_backoff: Some(backoff).filter(|wait| !wait.is_zero()).map(duration_to_proto),
        eager_execution_accepted: false,
        ..first
    };
    NewRun {
        namespace: txn.state.info.namespace.clone(),
        run_id: txn.cx.ids.run_id(txn.cx.now),
        request_id: txn.cx.ids.uuid().to_string(),
        started,
        user_metadata: None,
        links: Vec::new(),
        signal: None,
        scheduled_by: txn.state.info.chain.scheduled_by.clone(),
    }
}

/// The requested wait, or what is left of [`MIN_RUN_TIME`] if that is longer.
fn at_least_min_run_time(txn: &Txn<'_, '_>, asked: Duration) -> Duration {
    let lived = txn.now().since(at_work_since(&txn.state.info, txn.now()));
    if lived.saturating_add(asked) < MIN_RUN_TIME { MIN_RUN_TIME - lived } else { asked }
}

/// The time from which the run was at work: its turn, or its start if it was woken before.
fn at_work_since(info: &ExecutionInfo, now: Timestamp) -> Timestamp {
    if info.execution_at <= now { info.execution_at } else { info.started_at }
}

fn cron_backoff(txn: &Txn<'_, '_>) -> Option<Duration> {
    let info = &txn.state.info;
    cron::backoff(&info.chain.cron_schedule, at_work_since(info, txn.now()), txn.now())
}

/// The wait before the next attempt, or the reason why there is none.
fn retry_backoff(info: &ExecutionInfo, failure: &Failure, now: Timestamp) -> Result<Duration, RetryState> {
    let Some(policy) = &info.retry else { return Err(RetryState::RetryPolicyNotSet) };
    if !policy.retries(Some(failure)) {
        return Err(RetryState::NonRetryableFailure);
    }
    if policy.attempts_exhausted(info.attempt) {
        return Err(RetryState::MaximumAttemptsReached);
    }
    let backoff = delay_of(failure, policy).unwrap_or_else(|| policy.interval_after(info.attempt));
    match info.execution_expires_at {
        Some(end) if now.plus(backoff) > end => Err(RetryState::Timeout),
        _ => Ok(backoff),
    }
}

/// The delay that the failure asks for, within the policy's maximum; a zero or negative one stands for the maximum.
fn delay_of(failure: &Failure, policy: &RetryPolicy) -> Option<Duration> {
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info else { return None };
    let delay = optional_duration(Some(info.next_retry_delay.as_ref()?)).ok().flatten();
    Some(delay.unwrap_or(policy.maximum_interval).min(policy.maximum_interval))
}
