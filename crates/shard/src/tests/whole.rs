//! A leader with the real engine over rows in memory: poll responses, history and queries.

use super::{
    NAMESPACE, TIMEOUT, decoded, envelope, eventually, leader, memory::Cluster, options, poll, queue_in, token,
    workflow_in,
};
use crate::{CommandError, HistoryPage, HistoryRequest, LeaderHandle, Options, PageToken, QueryToken};
use bytes::{BufMut, Bytes};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tenure_api::{
    command::v1::{
        Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
        command::Attributes as Verb,
    },
    common::v1::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowType},
    encoded::PollWorkflowTaskQueueResponse,
    enums::v1::{CommandType, EventType, QueryRejectCondition, QueryResultType, TaskQueueKind},
    error::Code,
    history::v1::HistoryEvent,
    query::v1::{WorkflowQuery, WorkflowQueryResult},
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1 as api,
};
use tenure_engine::{
    Envelope, Op, QueueKey, RowKey, ShardCommand, StateReader, TaskKind, Transition, WorkflowKey,
    chain::Start,
    command::{ActivityRef, RunRequest},
    proto::events_in,
    transition::{Context, Refused, transition},
};
use tokio::{task::JoinHandle, time::Instant};

fn cluster(options: &Options) -> Arc<Cluster> {
    Cluster::start(&[1], 1, |_| 1, options, transition)
}

/// A leader, a workflow that was started on the queue `q`, and that queue.
pub(super) async fn started(options: &Options) -> (Arc<Cluster>, LeaderHandle, WorkflowKey, QueueKey) {
    started_on(cluster(options)).await
}

pub(super) async fn started_on(cluster: Arc<Cluster>) -> (Arc<Cluster>, LeaderHandle, WorkflowKey, QueueKey) {
    let leader = leader(&cluster, 1, 1).await;
    let workflow = start_on(&leader, workflow_in(&cluster, 1, "w")).await;
    (cluster, leader, workflow, queue(TaskKind::Workflow, "q"))
}

async fn start_on(leader: &LeaderHandle, workflow: WorkflowKey) -> WorkflowKey {
    let request = start_request(&workflow, "q");
    leader
        .execute(envelope(&workflow, ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()))))
        .await
        .unwrap();
    workflow
}

pub(super) fn start_request(workflow: &WorkflowKey, queue: &str) -> api::StartWorkflowExecutionRequest {
    api::StartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: workflow.workflow_id.to_string(),
        request_id: "start".into(),
        workflow_type: Some(WorkflowType { name: "W".into() }),
        task_queue: Some(normal(queue)),
        ..Default::default()
    }
}

pub(super) fn queue(kind: TaskKind, name: &str) -> QueueKey {
    QueueKey { namespace: NAMESPACE, kind, name: name.into() }
}

fn normal(name: &str) -> TaskQueue {
    TaskQueue { name: name.into(), kind: TaskQueueKind::Normal as i32, ..Default::default() }
}

/// Polls, and confirms the delivery.
pub(super) async fn take(cluster: &Cluster, leader: &LeaderHandle, queue: &QueueKey) -> PollWorkflowTaskQueueResponse {
    let mut request = poll(queue, 1, TIMEOUT);
    request.sticky = &*queue.name == "sticky";
    let task = leader.poll_workflow(request).await.unwrap().expect("a task");
    if task.query.is_none() {
        cluster.node(1).hand_over(token(&task)).expect("not refused").sent();
    }
    task
}

/// F34.
#[tokio::test]
async fn a_row_that_cannot_be_read_fails_its_commands_and_is_named() {
    let (cluster, leader, _, q) = started(&options()).await;
    let damaged = workflow_in(&cluster, 1, "damaged");
    cluster.logs[&1].put(RowKey::Current(damaged.clone()), "damaged".into());
    let request = RunRequest::new(None, signal_request(&damaged, "s"));
    let error = leader.execute(envelope(&damaged, ShardCommand::SignalWorkflow(request))).await.unwrap_err();
    let CommandError::Api(error) = error else { panic!("{error:?}") };
    assert_eq!(error.code, Code::DataLoss);
    let named = format!("the current run of workflow '{}' cannot be decoded: ", damaged.workflow_id);
    assert!(error.message.starts_with(&named), "{error}");
    take(&cluster, &leader, &q).await;
}

/// What the next leader makes of a task that was started under the last one.
async fn next_leader_polls(sent: bool) -> Option<PollWorkflowTaskQueueResponse> {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (cluster, before, _, queue) = started_on(cluster).await;
    let task = before.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
    if sent {
        cluster.node(1).hand_over(token(&task)).unwrap().sent();
    }
    cluster.logs[&1].lead(2);
    let after = leader(&cluster, 2, 1).await;
    let wait = if sent { Duration::from_secs(3) } else { TIMEOUT };
    after.poll_workflow(poll(&queue, 2, wait)).await.unwrap()
}

#[tokio::test]
async fn the_next_leader_returns_a_task_that_got_lost_and_no_other() {
    assert!(next_leader_polls(false).await.is_some(), "it was lost");
    assert!(next_leader_polls(true).await.is_none(), "its worker has it");
}

pub(super) fn signal_request(workflow: &WorkflowKey, name: &str) -> api::SignalWorkflowExecutionRequest {
    api::SignalWorkflowExecutionRequest {
        namespace: "default".into(),
        signal_name: name.into(),
        workflow_execution: Some(tenure_api::common::v1::WorkflowExecution {
            workflow_id: workflow.workflow_id.to_string(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(super) async fn signal(leader: &LeaderHandle, workflow: &WorkflowKey, name: &str) {
    let request = signal_request(workflow, name);
    leader.execute(envelope(workflow, ShardCommand::SignalWorkflow(RunRequest::new(None, request)))).await.unwrap();
}

pub(super) fn completion(task: &PollWorkflowTaskQueueResponse) -> api::RespondWorkflowTaskCompletedRequest {
    api::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        namespace: "default".into(),
        ..Default::default()
    }
}

/// A completion by a worker that keeps the run, and polls for its tasks in a queue of its own.
pub(super) fn sticky_to(
    task: &PollWorkflowTaskQueueResponse,
    sticky: &str,
    normal: &str,
) -> api::RespondWorkflowTaskCompletedRequest {
    let attributes = StickyExecutionAttributes {
        worker_task_queue: Some(TaskQueue {
            name: sticky.into(),
            kind: TaskQueueKind::Sticky as i32,
            normal_name: normal.into(),
        }),
        ..Default::default()
    };
    api::RespondWorkflowTaskCompletedRequest { sticky_attributes: Some(attributes), ..completion(task) }
}

pub(super) async fn complete(
    leader: &LeaderHandle,
    workflow: &WorkflowKey,
    request: api::RespondWorkflowTaskCompletedRequest,
) {
    let token = tenure_engine::token::TaskToken::decode(&request.task_token).unwrap();
    let command = ShardCommand::CompleteWorkflowTask { token, request: Arc::new(request) };
    leader.execute(envelope(workflow, command)).await.unwrap();
}

fn end() -> Command {
    Command {
        command_type: CommandType::CompleteWorkflowExecution as i32,
        attributes: Some(Verb::CompleteWorkflowExecutionCommandAttributes(
            CompleteWorkflowExecutionCommandAttributes::default(),
        )),
        ..Default::default()
    }
}

fn read(workflow: &WorkflowKey) -> HistoryRequest {
    HistoryRequest {
        workflow: workflow.clone(),
        run_id: None,
        page_size: 0,
        wait_new_event: false,
        close_event_only: false,
        page: None,
        deadline: Instant::now() + TIMEOUT,
        arrived: Instant::now(),
    }
}

/// Where the next page begins.
fn next(page: &HistoryPage) -> Option<PageToken> {
    PageToken::decode(&page.next_page_token)
}

fn ids(page: &HistoryPage) -> Vec<i64> {
    decoded(&page.history).iter().map(|event| event.event_id).collect()
}

pub(super) fn query(
    leader: &LeaderHandle,
    workflow: &WorkflowKey,
    patience: Duration,
) -> JoinHandle<Result<String, CommandError>> {
    let (leader, workflow) = (leader.clone(), workflow.clone());
    let query = WorkflowQuery { query_type: "status".into(), ..Default::default() };
    let request = api::QueryWorkflowRequest { query: Some(query), ..Default::default() };
    tokio::spawn(async move {
        let response = leader.query(&workflow, None, &request, Instant::now() + patience).await?;
        let payloads = response.query_result.expect("an answer").payloads;
        Ok(String::from_utf8_lossy(&payloads[0].data).into_owned())
    })
}

fn text(answer: &str) -> Option<Payloads> {
    let payload = Payload { data: answer.as_bytes().to_vec().into(), ..Default::default() };
    Some(Payloads { payloads: vec![payload] })
}

pub(super) fn answer(leader: &LeaderHandle, task: &PollWorkflowTaskQueueResponse, said: &str) {
    let token = QueryToken::decode(&task.task_token).expect("a query's token");
    let request = api::RespondQueryTaskCompletedRequest {
        completed_type: QueryResultType::Answered as i32,
        query_result: text(said),
        ..Default::default()
    };
    leader.complete_query(&token, &request).unwrap();
}

#[tokio::test]
async fn a_tasks_history_ends_at_its_started_event_on_every_page() {
    let (cluster, leader, workflow, q) = started(&Options { history_page_events: 3, ..options() }).await;
    for n in 0..5 {
        signal(&leader, &workflow, &format!("s{n}")).await;
    }
    let task = take(&cluster, &leader, &q).await;
    let mut page =
        HistoryPage { history: task.history.clone().unwrap(), next_page_token: task.next_page_token.clone() };
    let mut got = ids(&page);
    assert_eq!(got, [1, 2, 3]);
    signal(&leader, &workflow, "later").await;
    complete(&leader, &workflow, completion(&task)).await;
    while !page.next_page_token.is_empty() {
        page = leader.history(HistoryRequest { page: next(&page), ..read(&workflow) }).await.unwrap();
        got.extend(ids(&page));
    }
    assert_eq!(got, (1..=task.started_event_id).collect::<Vec<_>>());
    assert_eq!(decoded(&page.history).last().unwrap().event_type(), EventType::WorkflowTaskStarted);
}

/// The real engine, but its events are those of a newer version: they have a field that this one does not know.
fn newer(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    let mut transition = transition(rows, envelope, cx)?;
    for op in &mut transition.writes.ops {
        if let Op::Put(RowKey::History { .. }, chunk) = op {
            let mut history = Vec::new();
            for event in decoded(chunk) {
                let mut event = event.encode_to_vec();
                encode_key(4242, WireType::Varint, &mut event);
                encode_varint(1, &mut event);
                encode_key(1, WireType::LengthDelimited, &mut history);
                encode_varint(event.len() as u64, &mut history);
                history.put_slice(&event);
            }
            *chunk = history.into();
        }
    }
    Ok(transition)
}

/// F42: history is neither decoded nor encoded on its way, from the task's owner over another node's queue too; what a
/// decoder does not know would be lost.
#[tokio::test]
async fn history_is_passed_on_as_it_was_stored() {
    let cluster = Cluster::start(&[1, 2], 2, |shard| if shard == 2 { 2 } else { 1 }, &options(), newer);
    let (owner, home) = (leader(&cluster, 1, 1).await, leader(&cluster, 2, 2).await);
    let (workflow, q) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 2));
    let start = ShardCommand::StartWorkflow(Box::new(Start::new(start_request(&workflow, &q.name)).unwrap()));
    owner.execute(envelope(&workflow, start)).await.unwrap();
    let task = take(&cluster, &home, &q).await;
    let run = token(&task).run;
    let rows = (1..=task.started_event_id).map(|first_event_id| RowKey::History { run: run.clone(), first_event_id });
    let stored: Vec<Bytes> = rows.filter_map(|row| cluster.logs[&1].get(&row)).collect();
    let stored = Bytes::from(stored.concat());
    assert_eq!(decoded(&stored).len(), 3);
    assert_eq!(task.history, Some(stored.clone()));
    assert_eq!(owner.history(read(&workflow)).await.unwrap().history, stored);
    let backwards = owner.history_reverse(read(&workflow)).await.unwrap().history;
    let events = |history| events_in(history).map(|event| event.unwrap().framed).collect::<Vec<_>>();
    assert_eq!(events(&backwards).into_iter().rev().collect::<Vec<_>>(), events(&stored));
}

#[tokio::test]
async fn a_sticky_worker_gets_only_what_is_new() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let first = take(&cluster, &leader, &q).await;
    let sticky = queue(TaskKind::Workflow, "sticky");
    let polling = tokio::spawn({
        let (cluster, leader, sticky) = (cluster.clone(), leader.clone(), sticky.clone());
        async move { take(&cluster, &leader, &sticky).await }
    });
    complete(&leader, &workflow, sticky_to(&first, "sticky", "q")).await;
    signal(&leader, &workflow, "s").await;
    let second = polling.await.unwrap();
    let events: Vec<i64> = decoded(&second.history.unwrap()).iter().map(|event| event.event_id).collect();
    assert_eq!(events, (first.started_event_id + 1..=second.started_event_id).collect::<Vec<_>>());
    assert_eq!(second.previous_started_event_id, first.started_event_id);
}

#[tokio::test]
async fn a_sticky_queue_without_a_worker_gives_its_task_to_the_normal_queue() {
    let (cluster, leader, workflow, q) =
        started(&Options { sticky_alive: Duration::from_millis(200), ..options() }).await;
    let first = take(&cluster, &leader, &q).await;
    complete(&leader, &workflow, sticky_to(&first, "sticky", "q")).await;
    signal(&leader, &workflow, "s").await;
    let second = take(&cluster, &leader, &q).await;
    assert_eq!(decoded(&second.history.unwrap())[0].event_id, 1, "another worker needs all of it");
}

#[tokio::test]
async fn a_long_poll_of_history_sees_events_as_they_come_and_the_end() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let mut page = leader.history(HistoryRequest { wait_new_event: true, ..read(&workflow) }).await.unwrap();
    let mut got = ids(&page);
    assert_eq!(got, [1, 2]);
    let close = tokio::spawn({
        let (leader, workflow) = (leader.clone(), workflow.clone());
        let request = HistoryRequest { wait_new_event: true, close_event_only: true, ..read(&workflow) };
        async move { leader.history(request).await.unwrap() }
    });
    let task = take(&cluster, &leader, &q).await;
    complete(
        &leader,
        &workflow,
        api::RespondWorkflowTaskCompletedRequest { commands: vec![end()], ..completion(&task) },
    )
    .await;
    while !page.next_page_token.is_empty() {
        let request = HistoryRequest { wait_new_event: true, page: next(&page), ..read(&workflow) };
        page = leader.history(request).await.unwrap();
        got.extend(ids(&page));
    }
    assert_eq!(got, [1, 2, 3, 4, 5]);
    let close = close.await.unwrap();
    assert_eq!(ids(&close), [5]);
    assert!(close.next_page_token.is_empty());
}

#[tokio::test]
async fn a_long_poll_of_history_waits_as_long_as_one_does_however_many_leaders_it_waits_at() {
    // As long as a caller waits: it would give up before it hears of a wait that began anew.
    let (_cluster, leader, workflow, _) = started(&Options { history_wait: TIMEOUT, ..options() }).await;
    let whole = leader.history(HistoryRequest { wait_new_event: true, ..read(&workflow) }).await.unwrap();
    let arrived = Instant::now() - TIMEOUT;
    let request = HistoryRequest { wait_new_event: true, page: next(&whole), arrived, ..read(&workflow) };
    let page = tokio::time::timeout(TIMEOUT / 2, leader.history(request)).await.expect("it waited before").unwrap();
    assert_eq!(ids(&page), [0_i64; 0]);
    assert_eq!(next(&page), next(&whole), "it goes on where it was");
}

#[tokio::test]
async fn history_reads_backwards_in_pages() {
    let (_cluster, leader, workflow, _) = started(&options()).await;
    for n in 0..5 {
        signal(&leader, &workflow, &format!("s{n}")).await;
    }
    let mut got = Vec::new();
    let mut page = HistoryPage::default();
    loop {
        let request = HistoryRequest { page_size: 3, page: next(&page), ..read(&workflow) };
        page = leader.history_reverse(request).await.unwrap();
        assert!(decoded(&page.history).len() <= 3);
        got.extend(ids(&page));
        if page.next_page_token.is_empty() {
            break;
        }
    }
    assert_eq!(got, (1..=7).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_query_rides_on_the_pending_workflow_task() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let asked = query(&leader, &workflow, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let task = take(&cluster, &leader, &q).await;
    assert!(task.query.is_none());
    let (id, asks) = task.queries.first_key_value().expect("a query rides along");
    assert_eq!(asks.query_type, "status");
    let result = WorkflowQueryResult {
        result_type: QueryResultType::Answered as i32,
        answer: text("riding"),
        ..Default::default()
    };
    let request =
        api::RespondWorkflowTaskCompletedRequest { query_results: [(id.clone(), result)].into(), ..completion(&task) };
    complete(&leader, &workflow, request).await;
    assert_eq!(asked.await.unwrap().unwrap(), "riding");
}

#[tokio::test]
async fn a_query_that_came_during_a_task_goes_on_its_own_after_it() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let task = take(&cluster, &leader, &q).await;
    let asked = query(&leader, &workflow, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    complete(&leader, &workflow, completion(&task)).await;
    let on_its_own = take(&cluster, &leader, &q).await;
    assert_eq!(on_its_own.query.as_ref().unwrap().query_type, "status");
    assert_eq!(decoded(on_its_own.history.as_ref().unwrap()).len(), 4);
    answer(&leader, &on_its_own, "alone");
    assert_eq!(asked.await.unwrap().unwrap(), "alone");
}

/// It was with its home when that lost it.
#[tokio::test]
async fn a_query_that_got_lost_on_its_way_is_asked_again() {
    let (cluster, leader, workflow, q) =
        started(&Options { query_look_again: Duration::from_millis(200), ..options() }).await;
    let task = take(&cluster, &leader, &q).await;
    complete(&leader, &workflow, completion(&task)).await;
    let asked = query(&leader, &workflow, TIMEOUT);
    let deadline = Instant::now() + TIMEOUT;
    while leader.describe_queue(&q).await.unwrap().backlog_age.is_zero() {
        assert!(Instant::now() < deadline, "the query waits at its home");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    leader.worker_gone(&q);
    let on_its_own = take(&cluster, &leader, &q).await;
    answer(&leader, &on_its_own, "after all");
    assert_eq!(asked.await.unwrap().unwrap(), "after all");
}

/// F15.
#[tokio::test]
async fn a_query_that_waits_for_a_task_goes_on_its_own_when_the_run_closes() {
    let (cluster, leader, workflow, q) = started(&Options { query_look_again: 2 * TIMEOUT, ..options() }).await;
    let task = take(&cluster, &leader, &q).await;
    complete(&leader, &workflow, completion(&task)).await;
    signal(&leader, &workflow, "s").await;
    let asked = query(&leader, &workflow, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    leader.execute(envelope(&workflow, ShardCommand::TerminateWorkflow(RunRequest::default()))).await.unwrap();
    let on_its_own = take(&cluster, &leader, &q).await;
    answer(&leader, &on_its_own, "closed");
    assert_eq!(asked.await.unwrap().unwrap(), "closed");
}

/// F40.
#[tokio::test]
async fn who_waits_for_a_result_reads_no_state_at_each_transition() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let request = HistoryRequest { wait_new_event: true, close_event_only: true, ..read(&workflow) };
    let result = tokio::spawn({
        let leader = leader.clone();
        async move { leader.history(request).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let reads = || cluster.logs[&1].states_read.load(Ordering::Relaxed);
    let before = reads();
    for n in 0..50 {
        signal(&leader, &workflow, &n.to_string()).await;
    }
    assert!(reads() - before < 10, "{} states were read", reads() - before);
    let task = take(&cluster, &leader, &q).await;
    let request = api::RespondWorkflowTaskCompletedRequest { commands: vec![end()], ..completion(&task) };
    complete(&leader, &workflow, request).await;
    let closed = decoded(&result.await.unwrap().unwrap().history);
    assert_eq!(closed[0].event_type(), EventType::WorkflowExecutionCompleted);
}

/// F11.
#[tokio::test]
async fn a_worker_answers_the_queries_that_it_was_asked_and_no_others() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (cluster, before, workflow, q) = started_on(cluster).await;
    let first = query(&before, &workflow, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let task = take(&cluster, &before, &q).await;
    let (id, _) = task.queries.first_key_value().expect("a query rides along");
    cluster.logs[&1].lead(2);
    let after = leader(&cluster, 2, 1).await;
    assert!(matches!(first.await.unwrap(), Err(CommandError::NotLeader(_))));
    let other = start_on(&after, workflow_in(&cluster, 1, "other")).await;
    let second = query(&after, &other, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let secret = WorkflowQueryResult {
        result_type: QueryResultType::Answered as i32,
        answer: text("secret"),
        ..Default::default()
    };
    // With all ids that a leader has given, or may have.
    let ids = [id.clone(), "1".into(), "2".into()].into_iter().chain((1..3).map(|n| ((2u64 << 32) + n).to_string()));
    let query_results = ids.map(|id| (id, secret.clone())).collect();
    complete(&after, &workflow, api::RespondWorkflowTaskCompletedRequest { query_results, ..completion(&task) }).await;
    let task = take(&cluster, &after, &q).await;
    let (id, _) = task.queries.first_key_value().expect("the query rides along");
    let result = WorkflowQueryResult { answer: text("its own"), ..secret };
    let query_results = [(id.clone(), result)].into();
    complete(&after, &other, api::RespondWorkflowTaskCompletedRequest { query_results, ..completion(&task) }).await;
    assert_eq!(second.await.unwrap().unwrap(), "its own");
}

#[tokio::test]
async fn a_closed_run_answers_queries_unless_the_caller_wants_none() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let task = take(&cluster, &leader, &q).await;
    complete(
        &leader,
        &workflow,
        api::RespondWorkflowTaskCompletedRequest { commands: vec![end()], ..completion(&task) },
    )
    .await;
    let asked = query(&leader, &workflow, TIMEOUT);
    let on_its_own = take(&cluster, &leader, &q).await;
    answer(&leader, &on_its_own, "after the end");
    assert_eq!(asked.await.unwrap().unwrap(), "after the end");
    let request = api::QueryWorkflowRequest {
        query: Some(WorkflowQuery::default()),
        query_reject_condition: QueryRejectCondition::NotOpen as i32,
        ..Default::default()
    };
    let response = leader.query(&workflow, None, &request, Instant::now() + TIMEOUT).await.unwrap();
    assert!(response.query_rejected.is_some());
}

#[tokio::test]
async fn a_query_without_a_worker_says_so() {
    let options = Options { long_poll_margin: Duration::from_millis(100), ..options() };
    let (cluster, leader, workflow, q) = started(&options).await;
    let task = take(&cluster, &leader, &q).await;
    complete(&leader, &workflow, completion(&task)).await;
    let other = queue(TaskKind::Workflow, "q");
    leader.worker_gone(&other);
    match query(&leader, &workflow, Duration::from_millis(400)).await.unwrap() {
        Err(CommandError::Api(error)) => assert_eq!(error.code, Code::FailedPrecondition, "{error}"),
        other => panic!("{other:?}"),
    }
}

/// Schedules the activity `a` with one attempt on the queue `acts`.
pub(super) fn schedule(eager: bool) -> Command {
    let duration = |seconds| Duration::from_secs(seconds).try_into().ok();
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "a".into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(normal("acts")),
        start_to_close_timeout: duration(30),
        retry_policy: Some(RetryPolicy { maximum_attempts: 1, ..Default::default() }),
        request_eager_execution: eager,
        ..Default::default()
    };
    Command {
        command_type: CommandType::ScheduleActivityTask as i32,
        attributes: Some(Verb::ScheduleActivityTaskCommandAttributes(attributes)),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_activity_goes_to_a_worker_of_its_queue() {
    let (cluster, leader, workflow, q) = started(&options()).await;
    let task = take(&cluster, &leader, &q).await;
    let commands = vec![schedule(false)];
    complete(&leader, &workflow, api::RespondWorkflowTaskCompletedRequest { commands, ..completion(&task) }).await;
    let activities = queue(TaskKind::Activity, "acts");
    let activity = leader.poll_activity(poll(&activities, 1, TIMEOUT)).await.unwrap().expect("an activity");
    assert_eq!(activity.activity_id, "a");
    assert_eq!(activity.workflow_execution.unwrap().workflow_id, *workflow.workflow_id);
    let description = leader.describe_queue(&activities).await.unwrap();
    assert_eq!(description.pollers[0].identity, "worker");
    assert_eq!(leader.backlog(&activities, Instant::now() + TIMEOUT).await.unwrap(), 0);
    eventually(|| (description.add_rate > 0.0).then_some(())).await;
}

/// Once a worker of this name waits for tasks of the queue.
async fn arrived(leader: &LeaderHandle, queue: &QueueKey, worker: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while !leader.describe_queue(queue).await.unwrap().pollers.iter().any(|poller| poller.identity == worker) {
        assert!(Instant::now() < deadline, "no poll of {worker}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn workflow_worker(
    leader: &LeaderHandle,
    queue: &QueueKey,
    worker: &str,
) -> JoinHandle<Option<PollWorkflowTaskQueueResponse>> {
    let mut request = poll(queue, 1, TIMEOUT);
    request.poll.identity = worker.into();
    let waiting = leader.clone();
    let polling = tokio::spawn(async move { waiting.poll_workflow(request).await.unwrap() });
    arrived(leader, queue, worker).await;
    polling
}

#[tokio::test]
async fn where_workers_wait_on_the_leaders_node_a_task_starts_in_the_entry_that_makes_it() {
    let (cluster, leader, first, q) = started(&options()).await;
    let task = take(&cluster, &leader, &q).await;
    let acts = queue(TaskKind::Activity, "acts");
    let before = cluster.logs[&1].entries.lock().len();

    let first_task = workflow_worker(&leader, &q, "one").await;
    let activity = tokio::spawn({
        let (leader, request) = (leader.clone(), poll(&acts, 1, TIMEOUT));
        async move { leader.poll_activity(request).await.unwrap() }
    });
    arrived(&leader, &acts, "worker").await;
    let workflow = start_on(&leader, workflow_in(&cluster, 1, "at-once")).await;
    let task_of = |task: Option<PollWorkflowTaskQueueResponse>| {
        let task = task.expect("a task");
        cluster.node(1).hand_over(token(&task)).expect("not refused").sent();
        task
    };
    let made = task_of(first_task.await.unwrap());
    let commands = vec![schedule(false)];
    complete(&leader, &workflow, api::RespondWorkflowTaskCompletedRequest { commands, ..completion(&made) }).await;
    let activity = activity.await.unwrap().expect("an activity");
    let second_task = workflow_worker(&leader, &q, "two").await;
    let activity = ActivityRef::Token(tenure_engine::token::TaskToken::decode(&activity.task_token).unwrap());
    let done = ShardCommand::CompleteActivity { activity, request: Arc::default() };
    leader.execute(envelope(&workflow, done)).await.unwrap();
    let made = task_of(second_task.await.unwrap());
    complete(
        &leader,
        &workflow,
        api::RespondWorkflowTaskCompletedRequest { commands: vec![end()], ..completion(&made) },
    )
    .await;
    assert_eq!(cluster.logs[&1].entries.lock().len() - before, 4, "start, schedule, activity's end, end");

    // What was started before goes on, and a poll whose task is not started waits on.
    complete(&leader, &first, api::RespondWorkflowTaskCompletedRequest { commands: vec![end()], ..completion(&task) })
        .await;
    let page = leader.history(read(&workflow)).await.unwrap();
    let types: Vec<_> = decoded(&page.history).iter().map(HistoryEvent::event_type).collect();
    assert_eq!(types.len(), 11, "{types:?}");
}

#[tokio::test]
async fn a_poll_waits_on_where_the_entry_that_took_it_came_to_nothing() {
    let cluster = Cluster::start(&[1, 2], 2, |_| 1, &options(), transition);
    // The home stays, and the owner's leadership goes while its entry is on the way.
    let (home, owner) = (leader(&cluster, 1, 1).await, leader(&cluster, 1, 2).await);
    let name = (0..)
        .map(|n| format!("q{n}"))
        .find(|name| cluster.node(1).shard_of(queue(TaskKind::Workflow, name).slot()) == 1);
    let q = queue(TaskKind::Workflow, &name.unwrap());
    let known = start_request(&workflow_in(&cluster, 2, "first"), &q.name);
    let begin = |workflow: WorkflowKey, request| {
        let start = ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()));
        let owner = owner.clone();
        tokio::spawn(async move { owner.execute(envelope(&workflow, start)).await })
    };
    begin(workflow_in(&cluster, 2, "first"), known).await.unwrap().unwrap();
    take(&cluster, &home, &q).await;

    let polling = workflow_worker(&home, &q, "patient").await;
    let log = &cluster.logs[&2];
    log.close_gate();
    let workflow = workflow_in(&cluster, 2, "w");
    let request = start_request(&workflow, &q.name);
    let starting = begin(workflow, request);
    tokio::time::sleep(Duration::from_millis(20)).await;
    log.lead(2);
    log.open_gate();
    assert!(matches!(starting.await.unwrap(), Err(CommandError::NotLeader(_))));
    let next = leader(&cluster, 2, 2).await;
    let workflow = workflow_in(&cluster, 2, "later");
    let request = start_request(&workflow, &q.name);
    let start = ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()));
    next.execute(envelope(&workflow, start)).await.unwrap();
    let task = polling.await.unwrap().expect("the poll has waited on");
    assert!(task.workflow_execution.is_some());
}
