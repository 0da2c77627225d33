//! Local activities: run beside the workflow task that asked for them.

use super::WorkerShared;
use crate::{
    Failure,
    activity::{ActivityContext, ActivityInfo},
    execution::Name,
    runtime::LocalCall,
};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Payload, RetryPolicy},
    time::duration_from_proto,
};
use tenure_client::TimeoutType;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::Instrument as _;

type Ended = (u64, Result<Option<Payload>, Failure>);

/// The run that calls them.
#[derive(Clone)]
pub(super) struct LocalRun {
    pub(super) name: Arc<Name>,
    pub(super) workflow_type: Arc<str>,
}

/// Those of one run that have not ended.
#[derive(Default)]
pub(super) struct Locals {
    running: JoinSet<Ended>,
}

impl Locals {
    pub(super) fn start(&mut self, shared: &Arc<WorkerShared>, run: &LocalRun, calls: Vec<LocalCall>) {
        for call in calls {
            let (shared, run) = (shared.clone(), run.clone());
            self.running.spawn(async move {
                shared.metrics.local_activities.increment(1);
                let mut slot = shared.local_slots.acquire().await;
                slot.begin();
                let limit = call.schedule_to_close.unwrap_or(Duration::MAX);
                let late = || Failure::timeout(TimeoutType::ScheduleToClose, "the local activity took too long");
                let result = timeout(limit, attempts(&shared, &run, &call)).await;
                (call.seq, result.unwrap_or_else(|_| Err(late())))
            });
        }
    }

    /// The next one to end before the time is up.
    pub(super) async fn next(&mut self, by: Instant) -> Option<Ended> {
        loop {
            match timeout_at(by, self.running.join_next()).await.ok()?? {
                Ok(ended) => return Some(ended),
                Err(error) => tracing::error!(%error, "a local activity's task is gone"),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.running.abort_all();
    }
}

async fn attempts(shared: &Arc<WorkerShared>, run: &LocalRun, call: &LocalCall) -> Result<Option<Payload>, Failure> {
    for attempt in 1.. {
        let failure = match one(shared, run, call, attempt).await {
            Ok(result) => return Ok(Some(result)),
            Err(failure) => failure,
        };
        match pause(call.retry.as_ref(), attempt, &failure) {
            Some(pause) => sleep(pause).await,
            None => return Err(failure),
        }
    }
    unreachable!("tries until it is told not to")
}

async fn one(
    shared: &Arc<WorkerShared>,
    LocalRun { name, workflow_type }: &LocalRun,
    call: &LocalCall,
    attempt: u32,
) -> Result<Payload, Failure> {
    let Some(run) = shared.activities.call(&call.activity_type) else {
        let message = format!("this worker has no activity {:?}", call.activity_type);
        return Err(Failure::application("UnknownActivity", message).non_retryable());
    };
    let info = ActivityInfo {
        activity_id: call.seq.to_string(),
        activity_type: call.activity_type.clone(),
        attempt,
        workflow_id: name.workflow_id.clone(),
        run_id: name.run_id.clone(),
        workflow_type: workflow_type.to_string(),
        task_queue: shared.task_queue.clone(),
        is_local: true,
        headers: call.headers.clone(),
        ..Default::default()
    };
    let (cx, control) = ActivityContext::new(info, shared.client.clone(), Vec::new());
    let limit = call.start_to_close.unwrap_or(Duration::from_secs(60));
    let began = Instant::now();
    let span = super::activities::span_of(shared, cx.info());
    let running = tokio::spawn(run(cx, call.input.clone()).instrument(span.clone()));
    let abort = running.abort_handle();
    let result = match timeout(limit, running).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(super::activities::of_panic(panic)),
        Err(_) => {
            control.cancel();
            abort.abort();
            Err(Failure::timeout(TimeoutType::StartToClose, "the local activity took too long"))
        }
    };
    if let Some(measures) = shared.metrics.activity(&call.activity_type) {
        measures.local_execution.record(began.elapsed());
        if result.is_err() {
            measures.local_failed.increment(1);
        }
    }
    if let Err(failure) = &result {
        shared.local_slots.count_failed();
        span.in_scope(|| super::activities::tell(failure));
    }
    result
}

/// How long to wait before the next attempt, if there is one.
fn pause(policy: Option<&RetryPolicy>, attempt: u32, failure: &Failure) -> Option<Duration> {
    let policy = policy.cloned().unwrap_or_default();
    let exhausted = policy.maximum_attempts > 0 && i64::from(attempt) >= i64::from(policy.maximum_attempts);
    let named = failure.application_type().is_some_and(|it| policy.non_retryable_error_types.iter().any(|no| no == it));
    if exhausted || named || !failure.is_retryable() {
        return None;
    }
    if let Some(delay) = failure.as_application().and_then(|application| application.next_retry_delay) {
        return Some(delay);
    }
    let initial = duration_from_proto(policy.initial_interval).unwrap_or(Duration::from_secs(1));
    let coefficient = if policy.backoff_coefficient >= 1.0 { policy.backoff_coefficient } else { 2.0 };
    let most = duration_from_proto(policy.maximum_interval).unwrap_or(initial * 100);
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = (initial.as_secs_f64() * coefficient.powi(exponent)).min(most.as_secs_f64());
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_policy_ends_them() {
        let policy = tenure_client::RetryPolicy::default().maximum_attempts(4).never_for(["Declined"]).into_proto();
        let after = |attempt, failure: &Failure| pause(Some(&policy), attempt, failure).map(|pause| pause.as_secs());
        let failure = Failure::msg("x");
        assert_eq!([1, 2, 3, 4].map(|attempt| after(attempt, &failure)), [Some(1), Some(2), Some(4), None]);
        assert_eq!(after(1, &Failure::application("Declined", "")), None);
        assert_eq!(after(1, &failure.clone().non_retryable()), None);
        assert_eq!(after(1, &failure.retry_after(Duration::from_secs(9))), Some(9));
    }
}
