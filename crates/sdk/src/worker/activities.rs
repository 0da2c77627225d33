//! Activities: from the poll to the answer.

use super::{
    ShutdownPhase, WorkerShared,
    pollers::{self, Queue},
    slots::Slot,
    until,
};
use crate::{
    Failure,
    activity::{ActivityContext, ActivityInfo, Control},
    runtime::message_of,
};
use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::TaskQueueKind,
    taskqueue::v1::{TaskQueue, TaskQueueMetadata},
    time::{duration_from_proto, time_from_proto},
    workflowservice::v1 as api,
};
use tenure_client::{ClientError, Headers, rpc};
use tokio::task::JoinError;
use tracing::Instrument as _;

/// The activities of the task queue.
pub(super) struct Tasks {
    shared: Arc<WorkerShared>,
    request: api::PollActivityTaskQueueRequest,
}

impl Tasks {
    pub(super) fn new(shared: Arc<WorkerShared>) -> Self {
        let queue =
            TaskQueue { name: shared.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() };
        let request = api::PollActivityTaskQueueRequest {
            namespace: shared.client.namespace().to_owned(),
            task_queue: Some(queue),
            identity: shared.client.identity().to_owned(),
            task_queue_metadata: shared
                .options
                .queue_activities_per_second
                .map(|rate| TaskQueueMetadata { max_tasks_per_second: Some(rate) }),
            worker_instance_key: shared.instance_key.clone(),
            deployment_options: shared.options.deployment.as_ref().map(|it| it.to_proto()),
            ..Default::default()
        };
        Tasks { shared, request }
    }
}

impl Queue for Tasks {
    type Task = api::PollActivityTaskQueueResponse;

    async fn poll(&self) -> Result<pollers::PollResult<Self::Task>, ClientError> {
        let client = &self.shared.client;
        let task = rpc!(client.connection(), poll_activity_task_queue, self.request.clone(), client.long()).await?;
        let advice = task.poller_scaling_decision.as_ref().map(|it| it.poll_request_delta_suggestion);
        let queued = pollers::between(task.current_attempt_scheduled_time, task.started_time);
        Ok(pollers::PollResult { task: (!task.task_token.is_empty()).then_some(task), advice, queued })
    }

    async fn work(&self, task: Self::Task, slot: Slot) {
        work(&self.shared, task, slot).await;
    }
}

/// Runs one attempt that came along with another answer.
pub(super) fn spawn(shared: Arc<WorkerShared>, task: api::PollActivityTaskQueueResponse, mut slot: Slot) {
    slot.begin();
    tokio::spawn(async move { work(&shared, task, slot).await });
}

async fn work(shared: &Arc<WorkerShared>, task: api::PollActivityTaskQueueResponse, _slot: Slot) {
    let token = task.task_token.clone();
    let info = info_of(shared, &task);
    let activity_type = info.activity_type.clone();
    let Some(ended) = attempt(shared, task, info).await else { return };
    let size = match &ended {
        Ended::Completed(payload) => payload.data.len(),
        Ended::Failed(failure, _) | Ended::Cancelled(failure) => failure.message.len(),
    };
    let mut responded = respond(shared, token.clone(), ended).await;
    if let Err(error) = &responded
        && error.is_too_large()
    {
        // Another attempt would give as much.
        let message =
            format!("what activity {activity_type:?} gave has {size} bytes, more than the server takes: {error}");
        tracing::warn!(activity_type, "{message}");
        let failure = Failure::application("TooLarge", message).non_retryable();
        responded = respond(shared, token, Ended::Failed(failure, None)).await;
    }
    if let Err(error) = responded {
        // The server has given up on it: timed out, cancelled, or the workflow has closed.
        tracing::debug!(activity_type, %error, "the end of an activity is of no interest");
    }
}

/// How an attempt ended.
enum Ended {
    Completed(Payload),
    /// The activity failed; its last heartbeat goes along if it was not sent yet.
    Failed(Failure, Option<Payloads>),
    Cancelled(Failure),
}

async fn attempt(
    shared: &Arc<WorkerShared>,
    task: api::PollActivityTaskQueueResponse,
    info: ActivityInfo,
) -> Option<Ended> {
    let name = info.activity_type.clone();
    let Some(run) = shared.activities.call(&name) else {
        let known = shared.activities.calls.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("this worker has no activity {name:?}; it has: {known}");
        return Some(Ended::Failed(Failure::application("UnknownActivity", message), None));
    };
    let measures = shared.metrics.activity(&name);
    if let (Some(measures), Some(scheduled), Some(started)) = (measures, info.scheduled, info.started) {
        measures.schedule_to_start.record(started.duration_since(scheduled).unwrap_or_default());
    }
    let (limit, heartbeat_timeout) = (limit_of(&info, &task), info.heartbeat_timeout);
    let last_heartbeat = task.heartbeat_details.map(|it| it.payloads).unwrap_or_default();
    let (cx, control) = ActivityContext::new(info, shared.client.clone(), last_heartbeat);
    let began = Instant::now();
    let span = span_of(shared, cx.info());
    let mut running = tokio::spawn(run(cx, task.input).instrument(span.clone()));
    let mut heartbeats = pin!(heartbeats(shared, &control, task.task_token, heartbeat_timeout));
    let mut phase = shared.phase.subscribe();
    let mut time_is_up = pin!(tokio::time::sleep(limit));
    // Who has asked it to stop: the server, the worker, the time.
    let (mut by_server, mut by_worker, mut by_time) = (false, false, false);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut running => break result,
            () = &mut heartbeats, if !by_server => by_server = true,
            () = until(&mut phase, ShutdownPhase::Cancelling), if !by_worker => by_worker = true,
            () = &mut time_is_up => {
                if by_time {
                    // The server knows. What does not look must not keep its slot for ever.
                    running.abort();
                    tracing::warn!(activity_type = name, "an activity did not end in its time and is dropped");
                    return None;
                }
                by_time = true;
                time_is_up.as_mut().reset(tokio::time::Instant::now() + shared.options.grace);
            }
        }
        control.cancel();
    };
    if let Some(measures) = measures {
        measures.execution.record(began.elapsed());
    }
    let failure = match result {
        Ok(Ok(payload)) => return Some(Ended::Completed(payload)),
        Ok(Err(_)) if control.is_elsewhere() => return None,
        Ok(Err(failure)) => failure,
        Err(error) => of_panic(error),
    };
    if failure.is_cancelled() && by_server {
        if let Some(measures) = measures {
            measures.cancelled.increment(1);
        }
        return Some(Ended::Cancelled(failure));
    }
    shared.activity_slots.count_failed();
    if let Some(measures) = measures {
        measures.failed.increment(1);
    }
    span.in_scope(|| tell(&failure));
    let unsent = control.unsent_heartbeat().map(|payloads| Payloads { payloads });
    if failure.is_cancelled() && by_worker {
        // Nobody asked for it but this worker: another one may try again.
        let failure = Failure::application("WorkerStopped", "the worker stopped").caused_by(failure);
        return Some(Ended::Failed(failure, unsent));
    }
    Some(Ended::Failed(failure, unsent))
}

/// What the log says beside the lines of an activity, its own and the worker's.
pub(super) fn span_of(shared: &WorkerShared, info: &ActivityInfo) -> tracing::Span {
    let ActivityInfo { activity_type, activity_id, attempt, workflow_type, workflow_id, run_id, .. } = info;
    let span = tracing::info_span!("activity", activity_type, activity_id, attempt, workflow_type, workflow_id, run_id);
    shared.interceptors.iter().for_each(|interceptor| interceptor.span(&info.headers, &span));
    span
}

/// Says that an attempt has failed, within its span.
pub(super) fn tell(failure: &Failure) {
    let final_word = if failure.is_retryable() { "" } else { ", for good" };
    if failure.as_application().is_some_and(|application| application.benign) {
        tracing::debug!("the activity fails{final_word}: {failure}");
    } else {
        tracing::warn!("the activity fails{final_word}: {failure}");
    }
}

/// How long the attempt may take, as the server counts.
fn limit_of(info: &ActivityInfo, task: &api::PollActivityTaskQueueResponse) -> Duration {
    let all = duration_from_proto(task.schedule_to_close_timeout);
    let waited = match (info.scheduled, info.started) {
        (Some(scheduled), Some(started)) => started.duration_since(scheduled).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    // Not set is sent as nothing or as zero.
    let left = all.filter(|all| !all.is_zero()).map(|all| all.saturating_sub(waited));
    let one = info.start_to_close.filter(|one| !one.is_zero());
    one.into_iter().chain(left).min().unwrap_or(Duration::from_secs(365 * 24 * 3600))
}

fn info_of(shared: &WorkerShared, task: &api::PollActivityTaskQueueResponse) -> ActivityInfo {
    let execution = task.workflow_execution.clone().unwrap_or_default();
    ActivityInfo {
        activity_id: task.activity_id.clone(),
        activity_type: task.activity_type.clone().unwrap_or_default().name,
        attempt: task.attempt.try_into().unwrap_or(1),
        workflow_id: execution.workflow_id,
        run_id: if execution.run_id.is_empty() { task.activity_run_id.clone() } else { execution.run_id },
        workflow_type: task.workflow_type.clone().unwrap_or_default().name,
        task_queue: shared.task_queue.clone(),
        task_token: task.task_token.to_vec(),
        scheduled: time_from_proto(task.scheduled_time),
        started: time_from_proto(task.started_time),
        start_to_close: duration_from_proto(task.start_to_close_timeout),
        heartbeat_timeout: duration_from_proto(task.heartbeat_timeout).filter(|it| !it.is_zero()),
        is_local: false,
        headers: Headers::from_proto(task.header.clone()),
    }
}

/// Sends heartbeats, not too many of them; done when the server wants the attempt to stop.
async fn heartbeats(
    shared: &WorkerShared,
    control: &Control,
    task_token: prost::bytes::Bytes,
    heartbeat_timeout: Option<Duration>,
) {
    let pause = heartbeat_timeout.map_or(Duration::from_secs(30), |it| it.mul_f64(0.5).min(Duration::from_secs(30)));
    loop {
        let details = control.next_heartbeat().await;
        let request = api::RecordActivityTaskHeartbeatRequest {
            task_token: task_token.clone(),
            details: Some(Payloads { payloads: details }),
            identity: shared.client.identity().to_owned(),
            namespace: shared.client.namespace().to_owned(),
            ..Default::default()
        };
        let connection = shared.client.connection();
        match rpc!(connection, record_activity_task_heartbeat, request, shared.client.short()).await {
            Ok(answer) if answer.cancel_requested || answer.activity_paused || answer.activity_reset => return,
            Ok(_) => {}
            Err(error) if error.is_not_found() => return,
            Err(error) => tracing::warn!(%error, "a heartbeat was not sent"),
        }
        tokio::time::sleep(pause).await;
    }
}

pub(super) fn of_panic(error: JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(panic) => Failure::application("Panic", message_of(&*panic)),
        Err(error) => error.into(),
    }
}

async fn respond(shared: &WorkerShared, task_token: prost::bytes::Bytes, ended: Ended) -> Result<(), ClientError> {
    let (client, connection) = (&shared.client, shared.client.connection());
    let (namespace, identity) = (client.namespace().to_owned(), client.identity().to_owned());
    match ended {
        Ended::Completed(payload) => {
            let result = Some(Payloads { payloads: vec![payload] });
            let request = api::RespondActivityTaskCompletedRequest {
                task_token,
                result,
                identity,
                namespace,
                ..Default::default()
            };
            rpc!(connection, respond_activity_task_completed, request, client.short()).await?;
        }
        Ended::Failed(failure, last_heartbeat_details) => {
            let failure = Some(failure.to_proto(client.converter()));
            let request = api::RespondActivityTaskFailedRequest {
                task_token,
                failure,
                last_heartbeat_details,
                identity,
                namespace,
                ..Default::default()
            };
            rpc!(connection, respond_activity_task_failed, request, client.short()).await?;
        }
        Ended::Cancelled(failure) => {
            let details = match failure.root().kind.clone() {
                tenure_client::FailureKind::Cancelled { details } if !details.is_empty() => {
                    Some(Payloads { payloads: details })
                }
                _ => None,
            };
            let request = api::RespondActivityTaskCanceledRequest {
                task_token,
                details,
                identity,
                namespace,
                ..Default::default()
            };
            rpc!(connection, respond_activity_task_canceled, request, client.short()).await?;
        }
    }
    Ok(())
}
