//! A node in this process, all of it but the binary, and a worker made of raw calls.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};
use tempfile::TempDir;
use tenure_api::{
    command::v1::{self as commands, Command, command::Attributes},
    common::v1::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowExecution, WorkflowType},
    enums::v1::{CommandType, EventType, HistoryEventFilterType, QueryResultType, TaskQueueKind},
    failure::v1::Failure,
    query::v1::{WorkflowQuery, WorkflowQueryResult},
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1::{workflow_service_client::WorkflowServiceClient, *},
};
use tenure_frontend::{Frontend, Options};
use tenure_raft::{Node, NodeAddress};
use tenure_server::{Answers, RaftMesh};
use tenure_shard::Shards;
use tenure_vital::FatalHook;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, server::TcpIncoming},
};

const NAMESPACE: &str = "default";

/// Stops when it is dropped.
struct Fixture {
    client: WorkflowServiceClient<Channel>,
    _closing: tokio_util::sync::DropGuard,
    _directory: TempDir,
}

async fn node() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let storage = tenure_storage::Storage::open(tenure_storage::Options::new(directory.path())).unwrap();
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = NodeAddress { peer: peer.local_addr().unwrap().to_string(), api: String::new() };
    let mut options = tenure_raft::Options::new(1, BTreeMap::from([(1, address)]));
    options.shards = 2;
    // A test's runtime is dropped with its node in it, part after part: that must not end the process of the others.
    options.on_fatal = FatalHook(Arc::new(|cause| eprintln!("{cause}")));
    let node = Node::start(options, storage, peer).await.unwrap();
    let shards = Shards::start(RaftMesh::new(node.clone()), tenure_shard::Options::default());
    node.set_ask_handler(Arc::new(Answers(shards.clone())));
    let closing = CancellationToken::new();
    let of_cluster = node.clone();
    let status = std::sync::Arc::new(move || of_cluster.status());
    let frontend = Frontend::new(shards, node.peers().clone(), status, Options::default(), closing.clone());
    node.set_forward_handler(Arc::new(frontend.clone()));
    let services = frontend.services();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(services.layer).add_routes(services.routes);
    tokio::spawn(server.serve_with_incoming_shutdown(TcpIncoming::from(listener), closing.clone().cancelled_owned()));
    let mut client = WorkflowServiceClient::connect(format!("http://{address}")).await.unwrap();
    let registration = RegisterNamespaceRequest {
        namespace: NAMESPACE.into(),
        workflow_execution_retention_period: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    soon(client.register_namespace(registration)).await.unwrap();
    Fixture { client, _closing: closing.drop_guard(), _directory: directory }
}

/// No answer in this time is a failure of its own.
async fn soon<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    timeout(Duration::from_secs(20), call).await.expect("an answer").map(Response::into_inner)
}

fn payloads(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![Payload { data: text.to_owned().into(), ..Default::default() }] })
}

fn text(payloads: &Option<Payloads>) -> String {
    let data = payloads.as_ref().map(|payloads| payloads.payloads[0].data.to_vec()).unwrap_or_default();
    String::from_utf8(data).unwrap()
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.into(), ..Default::default() })
}

fn run(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() })
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn activity(id: &str) -> Command {
    let attributes = commands::ScheduleActivityTaskCommandAttributes {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "charge".into() }),
        task_queue: queue("q"),
        input: payloads("10 EUR"),
        start_to_close_timeout: seconds(10),
        retry_policy: Some(RetryPolicy {
            initial_interval: Some(prost_types::Duration { seconds: 0, nanos: 10_000_000 }),
            ..Default::default()
        }),
        ..Default::default()
    };
    Command {
        command_type: CommandType::ScheduleActivityTask as i32,
        attributes: Some(Attributes::ScheduleActivityTaskCommandAttributes(attributes)),
        ..Default::default()
    }
}

fn complete(result: &str) -> Command {
    let attributes = commands::CompleteWorkflowExecutionCommandAttributes { result: payloads(result) };
    Command {
        command_type: CommandType::CompleteWorkflowExecution as i32,
        attributes: Some(Attributes::CompleteWorkflowExecutionCommandAttributes(attributes)),
        ..Default::default()
    }
}

impl Fixture {
    async fn start(&mut self, workflow_id: &str) -> StartWorkflowExecutionResponse {
        let request = StartWorkflowExecutionRequest {
            namespace: NAMESPACE.into(),
            workflow_id: workflow_id.into(),
            workflow_type: Some(WorkflowType { name: "order".into() }),
            task_queue: queue("q"),
            request_id: "start-1".into(),
            ..Default::default()
        };
        soon(self.client.start_workflow_execution(request)).await.unwrap()
    }

    async fn workflow_task(&mut self, from: &str) -> PollWorkflowTaskQueueResponse {
        let kind = if from == "q" { TaskQueueKind::Normal } else { TaskQueueKind::Sticky } as i32;
        let request = PollWorkflowTaskQueueRequest {
            namespace: NAMESPACE.into(),
            task_queue: Some(TaskQueue { name: from.into(), kind, normal_name: "q".into() }),
            identity: "worker".into(),
            ..Default::default()
        };
        soon(self.client.poll_workflow_task_queue(request)).await.unwrap()
    }

    async fn activity_task(&mut self) -> PollActivityTaskQueueResponse {
        let request = PollActivityTaskQueueRequest {
            namespace: NAMESPACE.into(),
            task_queue: queue("q"),
            identity: "worker".into(),
            ..Default::default()
        };
        soon(self.client.poll_activity_task_queue(request)).await.unwrap()
    }

    async fn respond(
        &mut self,
        task: &PollWorkflowTaskQueueResponse,
        commands: Vec<Command>,
    ) -> RespondWorkflowTaskCompletedResponse {
        let answer = |(id, _): (&String, &WorkflowQuery)| {
            let result = WorkflowQueryResult {
                result_type: QueryResultType::Answered as i32,
                answer: payloads("riding"),
                ..Default::default()
            };
            (id.clone(), result)
        };
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: NAMESPACE.into(),
            task_token: task.task_token.clone(),
            commands,
            query_results: task.queries.iter().map(answer).collect(),
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(TaskQueue {
                    name: "sticky".into(),
                    kind: TaskQueueKind::Sticky as i32,
                    normal_name: "q".into(),
                }),
                schedule_to_start_timeout: seconds(5),
            }),
            ..Default::default()
        };
        soon(self.client.respond_workflow_task_completed(request)).await.unwrap()
    }

    async fn history(&mut self, request: GetWorkflowExecutionHistoryRequest) -> Vec<EventType> {
        let mut events = Vec::new();
        let mut next_page_token = request.next_page_token.clone();
        loop {
            let request = GetWorkflowExecutionHistoryRequest { next_page_token, ..request.clone() };
            let page = soon(self.client.get_workflow_execution_history(request)).await.unwrap();
            events.extend(page.history.unwrap().events.iter().map(|event| event.event_type()));
            if page.next_page_token.is_empty() {
                return events;
            }
            next_page_token = page.next_page_token;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_start_to_end() {
    let mut node = node().await;
    let started = node.start("order-1").await;
    assert!(started.started);
    assert_eq!(node.start("order-1").await.run_id, started.run_id, "the same request id");

    let task = node.workflow_task("q").await;
    assert_eq!((task.attempt, task.previous_started_event_id, task.started_event_id), (1, 0, 3));
    assert_eq!(task.workflow_type.as_ref().unwrap().name, "order");
    assert_eq!(task.history.as_ref().unwrap().events.len(), 3);
    node.respond(&task, vec![activity("a")]).await;
    let again = RespondWorkflowTaskCompletedRequest {
        namespace: NAMESPACE.into(),
        task_token: task.task_token.clone(),
        ..Default::default()
    };
    let stale = soon(node.client.respond_workflow_task_completed(again)).await.unwrap_err();
    assert_eq!(stale.code(), Code::NotFound, "{stale:?}");

    // Fails once, and is tried again by its retry policy.
    let first = node.activity_task().await;
    assert_eq!(
        (first.attempt, first.workflow_namespace.as_str(), text(&first.input).as_str()),
        (1, NAMESPACE, "10 EUR")
    );
    let failed = RespondActivityTaskFailedRequest {
        namespace: NAMESPACE.into(),
        task_token: first.task_token.clone(),
        failure: Some(Failure {
            message: "no".into(),
            failure_info: Some(tenure_api::failure::v1::failure::FailureInfo::ApplicationFailureInfo(
                Default::default(),
            )),
            ..Default::default()
        }),
        ..Default::default()
    };
    soon(node.client.respond_activity_task_failed(failed)).await.unwrap();
    let second = node.activity_task().await;
    assert_eq!(second.attempt, 2);
    let done = RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.into(),
        task_token: second.task_token.clone(),
        result: payloads("paid"),
        ..Default::default()
    };
    soon(node.client.respond_activity_task_completed(done)).await.unwrap();

    // On the sticky queue, only what is new.
    let task = node.workflow_task("sticky").await;
    let kinds: Vec<_> = task.history.as_ref().unwrap().events.iter().map(|event| event.event_type()).collect();
    let new = [
        EventType::WorkflowTaskCompleted,
        EventType::ActivityTaskScheduled,
        EventType::ActivityTaskStarted,
        EventType::ActivityTaskCompleted,
        EventType::WorkflowTaskScheduled,
        EventType::WorkflowTaskStarted,
    ];
    assert_eq!(kinds, new);
    node.respond(&task, vec![]).await;

    let signal = SignalWorkflowExecutionRequest {
        namespace: NAMESPACE.into(),
        workflow_execution: run("order-1"),
        signal_name: "pickedUp".into(),
        request_id: "signal-1".into(),
        ..Default::default()
    };
    soon(node.client.signal_workflow_execution(signal.clone())).await.unwrap();
    soon(node.client.signal_workflow_execution(signal)).await.unwrap();
    let task = node.workflow_task("sticky").await;
    let waiting = GetWorkflowExecutionHistoryRequest {
        namespace: NAMESPACE.into(),
        execution: run("order-1"),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..Default::default()
    };
    let mut client = node.client.clone();
    let closed = tokio::spawn(async move { soon(client.get_workflow_execution_history(waiting)).await });
    node.respond(&task, vec![complete("done")]).await;
    let closed = closed.await.unwrap().unwrap().history.unwrap();
    assert_eq!(closed.events.len(), 1);
    assert_eq!(closed.events[0].event_type(), EventType::WorkflowExecutionCompleted);

    let whole = GetWorkflowExecutionHistoryRequest {
        namespace: NAMESPACE.into(),
        execution: run("order-1"),
        maximum_page_size: 2,
        ..Default::default()
    };
    let events = node.history(whole).await;
    assert_eq!(events.iter().filter(|e| **e == EventType::WorkflowExecutionSignaled).count(), 1);
    assert_eq!(events.last(), Some(&EventType::WorkflowExecutionCompleted));
    let reverse = GetWorkflowExecutionHistoryReverseRequest {
        namespace: NAMESPACE.into(),
        execution: run("order-1"),
        ..Default::default()
    };
    let backwards = soon(node.client.get_workflow_execution_history_reverse(reverse)).await.unwrap();
    let mut backwards: Vec<_> = backwards.history.unwrap().events.iter().map(|event| event.event_type()).collect();
    backwards.reverse();
    assert_eq!(backwards, events);
    let describe = DescribeWorkflowExecutionRequest { namespace: NAMESPACE.into(), execution: run("order-1") };
    let described = soon(node.client.describe_workflow_execution(describe)).await.unwrap();
    assert_eq!(described.workflow_execution_info.unwrap().history_length, events.len() as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_on_their_own_and_riding_on_a_task() {
    let mut node = node().await;
    node.start("order-2").await;
    let query = QueryWorkflowRequest {
        namespace: NAMESPACE.into(),
        execution: run("order-2"),
        query: Some(WorkflowQuery { query_type: "getStatus".into(), ..Default::default() }),
        ..Default::default()
    };
    let asked = |node: &Fixture| {
        let (mut client, query) = (node.client.clone(), query.clone());
        tokio::spawn(async move { soon(client.query_workflow(query)).await.map(|answer| text(&answer.query_result)) })
    };
    let task = node.workflow_task("q").await;
    node.respond(&task, vec![]).await;

    let answer = asked(&node);
    let task = node.workflow_task("sticky").await;
    assert_eq!(task.query.as_ref().unwrap().query_type, "getStatus");
    let reply = RespondQueryTaskCompletedRequest {
        namespace: NAMESPACE.into(),
        task_token: task.task_token.clone(),
        completed_type: QueryResultType::Answered as i32,
        query_result: payloads("alone"),
        ..Default::default()
    };
    soon(node.client.respond_query_task_completed(reply)).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap(), "alone");

    let cancel = RequestCancelWorkflowExecutionRequest {
        namespace: NAMESPACE.into(),
        workflow_execution: run("order-2"),
        ..Default::default()
    };
    soon(node.client.request_cancel_workflow_execution(cancel)).await.unwrap();
    let answer = asked(&node);
    // The query may come too late to ride on the task that the cancellation made; then it comes by itself, and for a run
    // that is closed any worker may answer it.
    let task = node.workflow_task("sticky").await;
    node.respond(&task, vec![complete("")]).await;
    if task.queries.is_empty() {
        let task = node.workflow_task("q").await;
        let reply = RespondQueryTaskCompletedRequest {
            namespace: NAMESPACE.into(),
            task_token: task.task_token.clone(),
            completed_type: QueryResultType::Answered as i32,
            query_result: payloads("riding"),
            ..Default::default()
        };
        soon(node.client.respond_query_task_completed(reply)).await.unwrap();
    }
    assert_eq!(answer.await.unwrap().unwrap(), "riding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_worker_went_away_is_handed_out_again_at_once() {
    let mut node = node().await;
    let poll =
        PollWorkflowTaskQueueRequest { namespace: NAMESPACE.into(), task_queue: queue("q"), ..Default::default() };
    let mut gone = node.client.clone();
    // Waits, and is given up by its caller just as the task may be on its way.
    let polling = tokio::spawn(async move { gone.poll_workflow_task_queue(poll).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    polling.abort();
    node.start("order-3").await;
    let began = std::time::Instant::now();
    let task = node.workflow_task("q").await;
    assert_eq!(task.attempt, 1);
    assert!(began.elapsed() < Duration::from_secs(6), "sooner than a task's timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_a_task_comes_back_empty_before_its_callers_deadline() {
    let node = node().await;
    let mut request = Request::new(PollActivityTaskQueueRequest {
        namespace: NAMESPACE.into(),
        task_queue: queue("nothing"),
        ..Default::default()
    });
    request.set_timeout(Duration::from_secs(2));
    let response = soon(node.client.clone().poll_activity_task_queue(request)).await.unwrap();
    assert!(response.task_token.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_found_where_they_are_and_refused_where_they_are_not() {
    let mut node = node().await;
    let start = StartWorkflowExecutionRequest { namespace: "nope".into(), ..Default::default() };
    let refused = soon(node.client.start_workflow_execution(start)).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "Namespace nope is not found."));
    let listed = soon(node.client.list_namespaces(ListNamespacesRequest::default())).await.unwrap();
    assert_eq!(listed.namespaces.len(), 1);
    let describe = DescribeNamespaceRequest { namespace: NAMESPACE.into(), ..Default::default() };
    let described = soon(node.client.describe_namespace(describe)).await.unwrap();
    assert_eq!(described.namespace_info.unwrap().name, NAMESPACE);
}
