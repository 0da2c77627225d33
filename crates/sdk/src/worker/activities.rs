//! Activities: from the poll to the answer.

use super::{Shared, until_stopped};
use crate::{
    Failure,
    activity::{ActivityContext, ActivityInfo, Control},
    runtime::message_of,
};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::{Payload, Payloads},
    enums::v1::TaskQueueKind,
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
};
use tenure_client::{ClientError, rpc};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinError,
};

/// Polls until the worker stops.
pub(super) async fn poll(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let queue = TaskQueue { name: shared.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() };
    let request = api::PollActivityTaskQueueRequest {
        namespace: shared.client.namespace().to_owned(),
        task_queue: Some(queue),
        identity: shared.client.identity().to_owned(),
        ..Default::default()
    };
    loop {
        let polled = async {
            let slot = shared.activity_slots.clone().acquire_owned().await.ok()?;
            let connection = shared.client.connection();
            let polled = rpc!(connection, poll_activity_task_queue, request.clone(), shared.client.long()).await;
            Some((polled, slot))
        };
        let (polled, slot) = tokio::select! {
            biased;
            () = until_stopped(&mut stopped) => return,
            polled = polled => match polled {
                Some(polled) => polled,
                None => return,
            },
        };
        match polled {
            Ok(task) if task.task_token.is_empty() => {}
            Ok(task) => spawn(shared.clone(), task, slot),
            Err(error) => {
                tracing::warn!(%error, "polling for activities failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Runs one attempt in the background.
pub(super) fn spawn(shared: Arc<Shared>, task: api::PollActivityTaskQueueResponse, slot: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        let _slot = slot;
        let token = task.task_token.clone();
        let activity_type = task.activity_type.clone().unwrap_or_default().name;
        let Some(ended) = attempt(&shared, task).await else { return };
        if let Err(error) = respond(&shared, token, ended).await {
            // The server has given up on it: timed out, cancelled, or the workflow has closed.
            tracing::debug!(activity_type, %error, "the end of an activity is of no interest");
        }
    });
}

/// How an attempt ended.
enum Ended {
    Completed(Payload),
    Failed(Failure),
    Cancelled(Failure),
}

async fn attempt(shared: &Arc<Shared>, task: api::PollActivityTaskQueueResponse) -> Option<Ended> {
    let info = info_of(shared, &task);
    let name = info.activity_type.clone();
    let heartbeat_timeout = info.heartbeat_timeout;
    let Some(run) = shared.activities.calls.get(&name).cloned() else {
        let known = shared.activities.calls.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("this worker has no activity {name:?}; it has: {known}");
        return Some(Ended::Failed(Failure::application("UnknownActivity", message)));
    };
    let last_heartbeat = task.heartbeat_details.map(|it| it.payloads).unwrap_or_default();
    let (cx, control) = ActivityContext::new(info, shared.client.clone(), last_heartbeat);
    let mut running = tokio::spawn(run(cx, task.input));
    let mut cancelled_by_server = false;
    let heartbeats = heartbeats(shared, &control, task.task_token, heartbeat_timeout);
    tokio::pin!(heartbeats);
    let mut grace_over = shared.grace_over.subscribe();
    let mut stopping = false;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut running => break result,
            () = &mut heartbeats, if !cancelled_by_server => {
                cancelled_by_server = true;
                control.cancel();
            }
            () = until_stopped(&mut grace_over), if !stopping => {
                stopping = true;
                control.cancel();
            }
        }
    };
    let outcome = |outcome: &'static str| {
        metrics::counter!("sdk_activities_total", "outcome" => outcome).increment(1);
    };
    let failure = match result {
        Ok(Ok(payload)) => {
            outcome("completed");
            return Some(Ended::Completed(payload));
        }
        Ok(Err(_)) if control.is_elsewhere() => return None,
        Ok(Err(failure)) => failure,
        Err(error) => of_panic(error),
    };
    if failure.is_cancelled() && cancelled_by_server {
        outcome("cancelled");
        return Some(Ended::Cancelled(failure));
    }
    outcome("failed");
    if failure.is_cancelled() {
        // Nobody asked for it but this worker: another one may try again.
        return Some(Ended::Failed(Failure::application("WorkerStopped", "the worker stopped").caused_by(failure)));
    }
    Some(Ended::Failed(failure))
}

fn info_of(shared: &Shared, task: &api::PollActivityTaskQueueResponse) -> ActivityInfo {
    let execution = task.workflow_execution.clone().unwrap_or_default();
    let duration = |it: Option<prost_types::Duration>| it.and_then(|it| it.try_into().ok());
    let time = |it: Option<prost_types::Timestamp>| it.and_then(|it| it.try_into().ok());
    ActivityInfo {
        activity_id: task.activity_id.clone(),
        activity_type: task.activity_type.clone().unwrap_or_default().name,
        attempt: task.attempt.try_into().unwrap_or(1),
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        workflow_type: task.workflow_type.clone().unwrap_or_default().name,
        task_queue: shared.task_queue.clone(),
        task_token: task.task_token.to_vec(),
        scheduled: time(task.scheduled_time),
        started: time(task.started_time),
        start_to_close: duration(task.start_to_close_timeout),
        heartbeat_timeout: duration(task.heartbeat_timeout).filter(|it: &Duration| !it.is_zero()),
        is_local: false,
    }
}

/// Sends heartbeats, not too many of them; done when the server wants the attempt to stop.
async fn heartbeats(
    shared: &Shared,
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

async fn respond(shared: &Shared, task_token: prost::bytes::Bytes, ended: Ended) -> Result<(), ClientError> {
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
        Ended::Failed(failure) => {
            let failure = Some(failure.to_proto(client.converter()));
            let request = api::RespondActivityTaskFailedRequest {
                task_token,
                failure,
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
