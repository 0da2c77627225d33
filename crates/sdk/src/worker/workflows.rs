//! Workflow tasks: from the poll to the answer.

use super::{
    Shared, activities,
    local::Locals,
    threads::{Advance, Answer},
    until_stopped,
};
use crate::execution::{Name, Output, Task, TaskFailure, Trouble};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::command::Attributes,
    enums::v1::{QueryResultType, TaskQueueKind},
    history::v1::HistoryEvent,
    query::v1::WorkflowQueryResult,
    sdk::v1::WorkflowTaskCompletedMetadata,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1 as api,
};
use tenure_client::{ClientError, duration, rpc};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};

/// Polls one queue until the worker stops.
pub(super) async fn poll(shared: Arc<Shared>, sticky: bool, mut stopped: watch::Receiver<bool>) {
    let queue = if sticky {
        TaskQueue {
            name: shared.sticky_queue.clone(),
            kind: TaskQueueKind::Sticky.into(),
            normal_name: shared.task_queue.clone(),
        }
    } else {
        TaskQueue { name: shared.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() }
    };
    let request = api::PollWorkflowTaskQueueRequest {
        namespace: shared.client.namespace().to_owned(),
        task_queue: Some(queue),
        identity: shared.client.identity().to_owned(),
        ..Default::default()
    };
    loop {
        let polled = async {
            let slot = shared.workflow_slots.clone().acquire_owned().await.ok()?;
            let connection = shared.client.connection();
            let polled = rpc!(connection, poll_workflow_task_queue, request.clone(), shared.client.long()).await;
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
            Ok(task) => {
                let shared = shared.clone();
                tokio::spawn(async move { handle(&shared, task, slot).await });
            }
            Err(error) => {
                tracing::warn!(%error, "polling for workflow tasks failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Works on a task, and on those that come back with its answer.
async fn handle(shared: &Arc<Shared>, task: api::PollWorkflowTaskQueueResponse, _slot: OwnedSemaphorePermit) {
    let mut next = Some(task);
    let mut locals = Locals::default();
    while let Some(task) = next.take() {
        let name = name_of(shared, &task);
        match work(shared, task, &name, &mut locals).await {
            Ok(more) => next = more,
            Err(error) => {
                tracing::warn!(workflow_id = name.workflow_id, run_id = name.run_id, %error, "a workflow task is lost");
                shared.threads.evict(&name.run_id);
            }
        }
    }
}

fn name_of(shared: &Shared, task: &api::PollWorkflowTaskQueueResponse) -> Name {
    let execution = task.workflow_execution.clone().unwrap_or_default();
    let namespace = shared.client.namespace().to_owned();
    Name { namespace, workflow_id: execution.workflow_id, run_id: execution.run_id }
}

async fn work(
    shared: &Arc<Shared>,
    mut task: api::PollWorkflowTaskQueueResponse,
    name: &Name,
    locals: &mut Locals,
) -> Result<Option<api::PollWorkflowTaskQueueResponse>, ClientError> {
    // Local activities must not outlast the task; long before, it is answered and another asked for.
    let answer_by = Instant::now() + Duration::from_secs(5);
    let advanced = advance(shared, &mut task, name).await?;
    if let Some(legacy) = &task.query {
        return answer_query(shared, &task, &legacy.query_type, advanced).await.map(|()| None);
    }
    let mut answer = match advanced {
        Ok(answer) => answer,
        Err(failure) => return fail(shared, task, failure).await.map(|()| None),
    };
    locals.start(shared, name, std::mem::take(&mut answer.local));
    while let Some((seq, result)) = locals.next(answer_by).await {
        match shared.threads.finish_local(&name.run_id, seq, result).await {
            Ok(more) => {
                answer.output.commands = more.output.commands;
                answer.output.messages.extend(more.output.messages);
                answer.output.closed = more.output.closed;
                locals.start(shared, name, more.local);
            }
            Err(Trouble::Fails(failure)) => return fail(shared, task, failure).await.map(|()| None),
            Err(Trouble::Gap) => return Err(ClientError::Invalid("it left the cache too early".to_owned())),
        }
        if answer.output.closed {
            locals.clear();
        }
    }
    respond(shared, task, name, answer, !locals.is_empty()).await
}

/// Feeds the task to its execution, with as much history as that needs.
async fn advance(
    shared: &Arc<Shared>,
    task: &mut api::PollWorkflowTaskQueueResponse,
    name: &Name,
) -> Result<Result<Answer, TaskFailure>, ClientError> {
    let mut events = task.history.take().unwrap_or_default().events;
    let token = std::mem::take(&mut task.next_page_token);
    if !token.is_empty() {
        events.extend(history(shared, name, token).await?);
    }
    let mut queries = std::mem::take(&mut task.queries);
    let only_query = task.query.is_some();
    queries.extend(task.query.clone().map(|query| (LEGACY.to_owned(), query)));
    let workflow_type = task.workflow_type.clone().unwrap_or_default().name;
    let make = |events: Vec<HistoryEvent>, afresh: bool| Advance {
        name: name.clone(),
        workflow_type: workflow_type.clone(),
        task: Task { events, messages: task.messages.clone(), only_query },
        queries: queries.clone(),
        afresh,
    };
    let first = events.first().map_or(i64::MAX, |event| event.event_id);
    match shared.threads.advance(make(events.clone(), first == 1)).await {
        Ok(answer) => return Ok(Ok(answer)),
        Err(Trouble::Fails(failure)) => return Ok(Err(failure)),
        Err(Trouble::Gap) => {}
    }
    metrics::counter!("sdk_cache_misses_total").increment(1);
    // What the task brought is the truth about its end, the rest is fetched.
    let mut all = history(shared, name, Default::default()).await?;
    all.retain(|event| event.event_id < first);
    all.extend(events);
    match shared.threads.advance(make(all, true)).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(Trouble::Fails(failure)) => Ok(Err(failure)),
        Err(Trouble::Gap) => Err(ClientError::Invalid("its history has a gap".to_owned())),
    }
}

/// The id under which a query that is no workflow task is answered.
const LEGACY: &str = "";

async fn history(shared: &Shared, name: &Name, token: prost::bytes::Bytes) -> Result<Vec<HistoryEvent>, ClientError> {
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
    shared: &Shared,
    task: &api::PollWorkflowTaskQueueResponse,
    query_type: &str,
    advanced: Result<Answer, TaskFailure>,
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
    shared: &Shared,
    task: api::PollWorkflowTaskQueueResponse,
    failure: TaskFailure,
) -> Result<(), ClientError> {
    metrics::counter!("sdk_workflow_tasks_total", "outcome" => "failed").increment(1);
    let execution = task.workflow_execution.unwrap_or_default();
    tracing::warn!(
        workflow_id = execution.workflow_id,
        run_id = execution.run_id,
        cause = failure.cause.as_str_name(),
        "a workflow task fails: {}",
        failure.failure.message
    );
    if let Some(observer) = &shared.observer {
        observer.workflow_task_failed(&execution.workflow_id, &execution.run_id, &failure.failure.message);
    }
    let request = api::RespondWorkflowTaskFailedRequest {
        task_token: task.task_token,
        cause: failure.cause.into(),
        failure: Some(failure.failure),
        identity: shared.client.identity().to_owned(),
        namespace: shared.client.namespace().to_owned(),
        ..Default::default()
    };
    rpc!(shared.client.connection(), respond_workflow_task_failed, request, shared.client.short()).await?;
    Ok(())
}

async fn respond(
    shared: &Arc<Shared>,
    task: api::PollWorkflowTaskQueueResponse,
    name: &Name,
    answer: Answer,
    more_to_come: bool,
) -> Result<Option<api::PollWorkflowTaskQueueResponse>, ClientError> {
    let Answer { output: Output { mut commands, messages, closed }, mut query_results, .. } = answer;
    query_results.remove(LEGACY);
    let is_bare = commands.is_empty();
    // An activity that may be handed out with the answer has its slot first.
    let mut slots = Vec::new();
    for command in &mut commands {
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(schedule)) = &mut command.attributes else {
            continue;
        };
        if schedule.request_eager_execution {
            let known =
                schedule.activity_type.as_ref().is_some_and(|it| shared.activities.calls.contains_key(&it.name));
            let slot =
                (known && slots.len() < 3).then(|| shared.activity_slots.clone().try_acquire_owned().ok()).flatten();
            schedule.request_eager_execution = slot.is_some();
            slots.extend(slot);
        }
    }
    let sticky = StickyExecutionAttributes {
        worker_task_queue: Some(TaskQueue {
            name: shared.sticky_queue.clone(),
            kind: TaskQueueKind::Sticky.into(),
            normal_name: shared.task_queue.clone(),
        }),
        schedule_to_start_timeout: duration(shared.options.sticky_timeout),
    };
    let first_task = task.previous_started_event_id == 0;
    let request = api::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands,
        messages,
        query_results: query_results.into_iter().collect::<BTreeMap<_, _>>(),
        identity: shared.client.identity().to_owned(),
        sticky_attributes: (shared.options.cached_workflows > 0).then_some(sticky),
        return_new_workflow_task: true,
        force_create_new_workflow_task: more_to_come,
        namespace: shared.client.namespace().to_owned(),
        sdk_metadata: first_task.then(|| WorkflowTaskCompletedMetadata {
            sdk_name: "tenure-rust".to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let responded =
        rpc!(shared.client.connection(), respond_workflow_task_completed, request, shared.client.short()).await?;
    metrics::counter!("sdk_workflow_tasks_total", "outcome" => "completed").increment(1);
    if let Some(observer) = &shared.observer {
        observer.workflow_task_completed(&name.workflow_id, &name.run_id);
    }
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
