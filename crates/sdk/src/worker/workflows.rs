//! Workflow tasks: from the poll to the answer.

use super::{
    SDK_NAME, SDK_VERSION, ShutdownPhase, WorkerShared, activities,
    local::{LocalRun, Locals},
    pollers::{self, Queue},
    slots::Slot,
    threads::{Advance, AdvanceResult, Refused},
    until,
};
use crate::{
    Failure,
    execution::{Name, Output, Progress, Task, TaskFailure, describe},
};
use prost::Message as _;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{Command, command::Attributes},
    enums::v1::{
        CommandType, QueryResultType, TaskQueueKind, WorkflowExecutionStatus as Status, WorkflowTaskFailedCause,
    },
    history::v1::{HistoryEvent, history_event::Attributes as Started},
    query::v1::WorkflowQueryResult,
    sdk::v1::WorkflowTaskCompletedMetadata,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    time::{duration_from_proto, duration_to_proto},
    workflowservice::v1 as api,
};
use tenure_client::{ClientError, rpc};
use tokio::time::Instant;

/// The workflow tasks of one queue.
pub(super) struct Tasks {
    shared: Arc<WorkerShared>,
    request: api::PollWorkflowTaskQueueRequest,
}

impl Tasks {
    pub(super) fn new(shared: Arc<WorkerShared>, sticky: bool) -> Self {
        let queue = if sticky {
            sticky_queue(&shared)
        } else {
            TaskQueue { name: shared.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() }
        };
        let request = api::PollWorkflowTaskQueueRequest {
            namespace: shared.client.namespace().to_owned(),
            task_queue: Some(queue),
            identity: shared.client.identity().to_owned(),
            worker_instance_key: shared.instance_key.clone(),
            deployment_options: shared.options.deployment.as_ref().map(|it| it.to_proto()),
            ..Default::default()
        };
        Tasks { shared, request }
    }
}

fn sticky_queue(shared: &WorkerShared) -> TaskQueue {
    TaskQueue {
        name: shared.sticky_queue.clone(),
        kind: TaskQueueKind::Sticky.into(),
        normal_name: shared.task_queue.clone(),
    }
}

impl Queue for Tasks {
    type Task = api::PollWorkflowTaskQueueResponse;

    async fn poll(&self) -> Result<pollers::PollResult<Self::Task>, ClientError> {
        let client = &self.shared.client;
        let task = rpc!(client.connection(), poll_workflow_task_queue, self.request.clone(), client.long()).await?;
        let advice = task.poller_scaling_decision.as_ref().map(|it| it.poll_request_delta_suggestion);
        let queued = pollers::between(task.scheduled_time, task.started_time);
        Ok(pollers::PollResult { task: (!task.task_token.is_empty()).then_some(task), advice, queued })
    }

    /// Works on a task, and on those that come back with its answer.
    async fn work(&self, task: Self::Task, slot: Slot) {
        let shared = &self.shared;
        let pause = pause_before(shared, &task);
        let _slot = if pause.is_zero() {
            slot
        } else {
            // Others need the slot meanwhile. A worker that stops lets nobody wait.
            drop(slot);
            let mut phase = shared.phase.subscribe();
            let _ = tokio::time::timeout(pause, until(&mut phase, ShutdownPhase::Draining)).await;
            let mut slot = shared.workflow_slots.acquire().await;
            slot.begin();
            slot
        };
        let mut next = Some(task);
        let mut locals = Locals::default();
        while let Some(task) = next.take() {
            let name = name_of(shared, &task);
            match work(shared, task, &name, &mut locals).await {
                Ok(more) => next = more,
                Err(error) => {
                    let Name { workflow_id, run_id, .. } = &*name;
                    if is_outdated(&error) {
                        tracing::debug!(workflow_id, run_id, %error, "the answer to a workflow task came too late");
                    } else {
                        let is_news = shared.failing.is_news(run_id);
                        if is_news {
                            tracing::warn!(workflow_id, run_id, %error, "a workflow task is lost");
                        }
                        shared.failing.failed(run_id, is_news);
                    }
                    shared.threads.evict(run_id);
                    return;
                }
            }
            if next.is_none() && !locals.is_empty() {
                // Whoever gets the next task begins them anew.
                shared.threads.evict(&name.run_id);
            }
        }
    }
}

/// How long a task has to wait because the last one of its run has failed.
fn pause_before(shared: &WorkerShared, task: &api::PollWorkflowTaskQueueResponse) -> Duration {
    if task.query.is_some() || task.attempt <= 1 {
        return Duration::ZERO;
    }
    let first = task.history.as_ref().and_then(|history| history.events.first()?.attributes.as_ref());
    let timeout = match first {
        Some(Started::WorkflowExecutionStartedEventAttributes(it)) => duration_from_proto(it.workflow_task_timeout),
        _ => None,
    };
    let run_id = task.workflow_execution.as_ref().map_or("", |it| &it.run_id);
    shared.failing.pause(run_id, task.attempt, timeout.unwrap_or(Duration::from_secs(10)))
}

/// Something happened to the workflow meanwhile: it gets another task, or is closed.
fn is_outdated(error: &ClientError) -> bool {
    match error {
        ClientError::Status(status) => {
            error.is_not_found()
                || status.code() == tonic::Code::InvalidArgument && status.message() == "UnhandledCommand"
        }
        _ => false,
    }
}

fn name_of(shared: &WorkerShared, task: &api::PollWorkflowTaskQueueResponse) -> Arc<Name> {
    let execution = task.workflow_execution.clone().unwrap_or_default();
    let namespace = shared.client.namespace().to_owned();
    Arc::new(Name { namespace, workflow_id: execution.workflow_id, run_id: execution.run_id })
}

/// How long an answer that tells of more than local activities waits for those that are almost done.
const LOCAL_ACTIVITY_GRACE: Duration = Duration::from_millis(100);

async fn work(
    shared: &Arc<WorkerShared>,
    mut task: api::PollWorkflowTaskQueueResponse,
    name: &Arc<Name>,
    locals: &mut Locals,
) -> Result<Option<api::PollWorkflowTaskQueueResponse>, ClientError> {
    let (began, attempt) = (Instant::now(), task.attempt);
    let workflow_type = task.workflow_type.take().unwrap_or_default().name;
    let measures = shared.metrics.workflow(&workflow_type);
    if let Some(measures) = measures.filter(|_| task.query.is_none()) {
        measures.task_schedule_to_start.record(pollers::between(task.scheduled_time, task.started_time));
    }
    let advanced = advance(shared, &mut task, name, &workflow_type).await?;
    if let Some(legacy) = &task.query {
        return answer_query(shared, &task, &legacy.query_type, advanced).await.map(|()| None);
    }
    let mut answer = match advanced {
        Ok(answer) => answer,
        Err(failure) => return fail(shared, task, name, &workflow_type, failure).await.map(|()| None),
    };
    // Local activities must not outlast the task; before, it is answered and another asked for.
    let mut answer_by = began + answer.task_timeout.mul_f64(0.8);
    let run = LocalRun { name: name.clone(), workflow_type: workflow_type.as_str().into() };
    locals.start(shared, &run, std::mem::take(&mut answer.local));
    let mut progress = Progress { closed: answer.output.closed, tells_of_more: tells_of_more(&answer) };
    let mut finished = false;
    while !locals.is_empty() {
        if progress.tells_of_more {
            answer_by = answer_by.min(Instant::now() + LOCAL_ACTIVITY_GRACE);
        }
        let Some((seq, result)) = locals.next(answer_by).await else { break };
        finished = true;
        match shared.threads.finish_local(name, seq, result).await {
            Ok(more) => {
                progress.closed = more.progress.closed;
                progress.tells_of_more |= more.progress.tells_of_more;
                locals.start(shared, &run, more.local);
            }
            Err(refused) => return refuse(shared, task, name, &workflow_type, refused).await,
        }
        if progress.closed {
            locals.clear();
        }
    }
    if finished {
        match shared.threads.output(name).await {
            Ok(Output { commands, messages, closed }) => {
                answer.output.commands = commands;
                answer.output.messages.extend(messages);
                answer.output.closed = closed;
            }
            Err(refused) => return refuse(shared, task, name, &workflow_type, refused).await,
        }
    }
    if let Some(measures) = measures {
        measures.task_execution.record(began.elapsed());
        count_closed(measures, &answer.output.commands);
    }
    if let Some(Attributes::FailWorkflowExecutionCommandAttributes(failed)) =
        answer.output.commands.last().and_then(|command| command.attributes.as_ref())
    {
        let Name { workflow_id, run_id, .. } = &**name;
        let failure = Failure::from_proto(failed.failure.clone().unwrap_or_default(), shared.client.converter());
        tracing::warn!(workflow_type, workflow_id, run_id, "the workflow fails: {failure}");
    }
    let largest = largest(&answer.output.commands);
    let token = task.task_token.clone();
    match respond(shared, task, name, answer, !locals.is_empty()).await {
        Err(error) if error.is_too_large() => {
            let message = format!("{error}; {}", largest.unwrap_or_else(|| "its commands are small".to_owned()));
            // The cause that is called so would end the workflow, and the code may get better.
            let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
            let failure = TaskFailure::new(cause, "TooLarge", message);
            let task = api::PollWorkflowTaskQueueResponse { task_token: token, attempt, ..Default::default() };
            fail(shared, task, name, &workflow_type, failure).await.map(|()| None)
        }
        responded => responded,
    }
}

/// What to say of commands that are large together.
fn largest(commands: &[Command]) -> Option<String> {
    const LARGE: usize = 1 << 20;
    let sizes = || commands.iter().map(|command| command.encoded_len());
    if sizes().sum::<usize>() < LARGE {
        return None;
    }
    let (command, size) = commands.iter().zip(sizes()).max_by_key(|(_, size)| *size)?;
    let what = command.attributes.as_ref().map_or_else(String::new, describe);
    Some(format!("the largest part is {what}, of {size} bytes"))
}

/// What to do with a task of which nothing came while its local activities ran.
async fn refuse(
    shared: &Arc<WorkerShared>,
    task: api::PollWorkflowTaskQueueResponse,
    name: &Name,
    workflow_type: &str,
    refused: Refused,
) -> Result<Option<api::PollWorkflowTaskQueueResponse>, ClientError> {
    match refused {
        Refused::Fails(failure) => fail(shared, task, name, workflow_type, failure).await.map(|()| None),
        Refused::Gap(_) => Err(ClientError::Invalid("it left the cache too early".to_owned())),
    }
}

/// Whether somebody waits for this answer, beside the local activities.
fn tells_of_more(answer: &AdvanceResult) -> bool {
    let of_local = |command: &Command| command.command_type() == CommandType::RecordMarker;
    !(answer.output.commands.iter().all(of_local)
        && answer.output.messages.is_empty()
        && answer.query_results.is_empty())
}

fn count_closed(measures: &super::metrics::OfWorkflow, commands: &[Command]) {
    match commands.last().and_then(|command| command.command_type().status_after()) {
        Some(Status::Completed) => measures.completed.increment(1),
        Some(Status::Failed) => measures.failed.increment(1),
        Some(Status::Canceled) => measures.cancelled.increment(1),
        Some(Status::ContinuedAsNew) => measures.continued.increment(1),
        // No command brings these about.
        Some(Status::Unspecified | Status::Running | Status::Paused | Status::Terminated | Status::TimedOut) | None => {
        }
    }
}

/// Feeds the task to its execution, with as much history as that needs.
async fn advance(
    shared: &Arc<WorkerShared>,
    task: &mut api::PollWorkflowTaskQueueResponse,
    name: &Arc<Name>,
    workflow_type: &str,
) -> Result<Result<AdvanceResult, TaskFailure>, ClientError> {
    let mut events = task.history.take().unwrap_or_default().events;
    let token = std::mem::take(&mut task.next_page_token);
    if !token.is_empty() {
        events.extend(history(shared, name, token).await?);
    }
    let mut queries = std::mem::take(&mut task.queries);
    let only_query = task.query.is_some();
    queries.extend(task.query.clone().map(|query| (LEGACY.to_owned(), query)));
    let first = events.first().map_or(i64::MAX, |event| event.event_id);
    let advance = Box::new(Advance {
        name: name.clone(),
        workflow_type: workflow_type.to_owned(),
        task: Task { events, messages: std::mem::take(&mut task.messages), only_query },
        queries,
        afresh: first == 1,
        quiet: !shared.failing.is_news(&name.run_id),
    });
    let mut refused = match shared.threads.advance(advance).await {
        Ok(answer) => return Ok(Ok(answer)),
        Err(Refused::Fails(failure)) => return Ok(Err(failure)),
        Err(Refused::Gap(refused)) => refused.ok_or_else(|| ClientError::Invalid("its thread is gone".to_owned()))?,
    };
    // What the task brought is the truth about its end, the rest is fetched.
    let mut all = history(shared, name, Default::default()).await?;
    all.retain(|event| event.event_id < first);
    all.append(&mut refused.task.events);
    refused.task.events = all;
    refused.afresh = true;
    match shared.threads.advance(refused).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(Refused::Fails(failure)) => Ok(Err(failure)),
        Err(Refused::Gap(_)) => Err(ClientError::Invalid("its history has a gap".to_owned())),
    }
}

/// The id under which a query that is no workflow task is answered.
const LEGACY: &str = "";

async fn history(
    shared: &WorkerShared,
    name: &Name,
    token: prost::bytes::Bytes,
) -> Result<Vec<HistoryEvent>, ClientError> {
    let execution = tenure_api::common::v1::WorkflowExecution {
        workflow_id: name.workflow_id.clone(),
        run_id: name.run_id.clone(),
    };
    let mut request = api::GetWorkflowExecutionHistoryRequest {
        namespace: name.namespace.clone(),
        execution: Some(execution),
        next_page_token: token,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let connection = shared.client.connection();
        let page = rpc!(connection, get_workflow_execution_history, request.clone(), shared.client.short()).await?;
        events.extend(page.history.unwrap_or_default().events);
        if page.next_page_token.is_empty() {
            return Ok(events);
        }
        request.next_page_token = page.next_page_token;
    }
}

async fn answer_query(
    shared: &WorkerShared,
    task: &api::PollWorkflowTaskQueueResponse,
    query_type: &str,
    advanced: Result<AdvanceResult, TaskFailure>,
) -> Result<(), ClientError> {
    let result = match advanced {
        Ok(mut answer) => answer.query_results.remove(LEGACY).unwrap_or_default(),
        Err(TaskFailure { failure, .. }) => WorkflowQueryResult {
            result_type: QueryResultType::Failed.into(),
            error_message: format!("query {query_type:?}: the workflow cannot be replayed: {}", failure.message),
            failure: Some(failure),
            ..Default::default()
        },
    };
    let request = api::RespondQueryTaskCompletedRequest {
        task_token: task.task_token.clone(),
        completed_type: result.result_type,
        query_result: result.answer,
        error_message: result.error_message,
        failure: result.failure,
        namespace: shared.client.namespace().to_owned(),
        ..Default::default()
    };
    rpc!(shared.client.connection(), respond_query_task_completed, request, shared.client.short()).await?;
    Ok(())
}

async fn fail(
    shared: &WorkerShared,
    task: api::PollWorkflowTaskQueueResponse,
    name: &Name,
    workflow_type: &str,
    failure: TaskFailure,
) -> Result<(), ClientError> {
    shared.workflow_slots.count_failed();
    if let Some(measures) = shared.metrics.workflow(workflow_type) {
        measures.task_failed.increment(1);
    }
    let is_news = shared.failing.is_news(&name.run_id);
    if is_news {
        tracing::warn!(
            workflow_type,
            workflow_id = name.workflow_id,
            run_id = name.run_id,
            attempt = task.attempt,
            cause = failure.cause.as_str_name(),
            "a workflow task fails, and is tried again and again, with growing pauses: {}",
            failure.failure.message
        );
    }
    shared.failing.failed(&name.run_id, is_news);
    if let Some(observer) = &shared.observer {
        observer.workflow_task_failed(&name.workflow_id, &name.run_id, &failure.failure.message);
    }
    let request = api::RespondWorkflowTaskFailedRequest {
        task_token: task.task_token,
        cause: failure.cause.into(),
        failure: Some(failure.failure),
        identity: shared.client.identity().to_owned(),
        namespace: shared.client.namespace().to_owned(),
        deployment_options: shared.options.deployment.as_ref().map(|it| it.to_proto()),
        ..Default::default()
    };
    rpc!(shared.client.connection(), respond_workflow_task_failed, request, shared.client.short()).await?;
    Ok(())
}

/// Asks for activities to be handed out with the answer, for which there is a slot.
fn take_eagerly(shared: &WorkerShared, commands: &mut [Command]) -> Vec<Slot> {
    const MAX_EAGER_ACTIVITIES: usize = 3;
    let options = &shared.options;
    let may = options.activities_per_second.is_none()
        && options.queue_activities_per_second.is_none()
        && *shared.phase.borrow() == ShutdownPhase::Polling;
    let mut slots = Vec::new();
    for command in commands {
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(schedule)) = &mut command.attributes else {
            continue;
        };
        if schedule.request_eager_execution {
            let known = schedule.activity_type.as_ref().is_some_and(|it| shared.activities.call(&it.name).is_some());
            let slot = if may && known && slots.len() < MAX_EAGER_ACTIVITIES {
                shared.activity_slots.try_acquire()
            } else {
                None
            };
            schedule.request_eager_execution = slot.is_some();
            slots.extend(slot);
        }
    }
    slots
}

async fn respond(
    shared: &Arc<WorkerShared>,
    task: api::PollWorkflowTaskQueueResponse,
    name: &Name,
    answer: AdvanceResult,
    more_to_come: bool,
) -> Result<Option<api::PollWorkflowTaskQueueResponse>, ClientError> {
    let AdvanceResult { output: Output { mut commands, messages, closed }, mut query_results, .. } = answer;
    query_results.remove(LEGACY);
    let is_bare = commands.is_empty();
    let slots = take_eagerly(shared, &mut commands);
    let is_polling = *shared.phase.borrow() == ShutdownPhase::Polling;
    let sticky = StickyExecutionAttributes {
        worker_task_queue: Some(sticky_queue(shared)),
        schedule_to_start_timeout: Some(duration_to_proto(shared.options.sticky_timeout)),
    };
    let first_task = task.previous_started_event_id == 0;
    let deployment = shared.options.deployment.as_ref();
    let request = api::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands,
        messages,
        query_results: query_results.into_iter().collect::<BTreeMap<_, _>>(),
        identity: shared.client.identity().to_owned(),
        // A worker that stops wants no more of them.
        sticky_attributes: (is_polling && shared.options.cached_workflows > 0).then_some(sticky),
        return_new_workflow_task: is_polling || more_to_come,
        force_create_new_workflow_task: more_to_come,
        namespace: shared.client.namespace().to_owned(),
        sdk_metadata: first_task.then(|| WorkflowTaskCompletedMetadata {
            sdk_name: SDK_NAME.to_owned(),
            sdk_version: SDK_VERSION.to_owned(),
            ..Default::default()
        }),
        worker_instance_key: shared.instance_key.clone(),
        deployment_options: deployment.map(|it| it.to_proto()),
        versioning_behavior: deployment.map_or(0, |it| it.behavior().into()),
        ..Default::default()
    };
    // Before anybody may hear of a result.
    if let Some(observer) = &shared.observer {
        observer.workflow_task_answered(&name.workflow_id, &name.run_id);
    }
    let responded =
        rpc!(shared.client.connection(), respond_workflow_task_completed, request, shared.client.short()).await?;
    shared.failing.recovered(&name.run_id);
    for (task, slot) in responded.activity_tasks.into_iter().zip(slots) {
        activities::spawn(shared.clone(), task, slot);
    }
    if closed || shared.options.cached_workflows == 0 {
        shared.threads.evict(&name.run_id);
    } else if responded.reset_history_event_id > 0 && is_bare {
        shared.threads.roll_back(&name.run_id, responded.reset_history_event_id);
    }
    Ok(responded.workflow_task.filter(|task| !task.task_token.is_empty()))
}
