//! Namespaces that go, with the real engine: whatever leaders do, nothing is left of them, and nothing of others goes.

use super::{
    TIMEOUT, envelope, eventually, leader,
    memory::{Cluster, Log},
    options,
    whole::start_request,
};
use crate::{CommandError, NodeId, SYSTEM_SHARD, ShardId, new_proposal_id};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tenure_api::{
    common::v1::ActivityType,
    error::{ApiError, Code},
    operatorservice::v1::DeleteNamespaceRequest,
    schedule::v1::Schedule,
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartActivityExecutionRequest},
};
use tenure_engine::{
    Envelope, FeatureLevel, Lane, Limits, NamespaceId, Op, QueueKey, Reply, RowKey, ShardCommand, TaskKind, Timestamp,
    WorkflowKey,
    chain::Start,
    command::RunRequest,
    outbox::{Body, OutboxMessage, Receipt, Target},
    proto::Encoded,
    reclaim::Reclaim,
    rows::SystemTable,
    schedule::{
        Definition,
        state::{NewSchedule, Switch},
    },
    standalone::start::{NewActivity, check},
    system::{
        SystemCommand, SystemReply,
        cluster::{ClusterMap, NodeRow},
    },
    transition::transition,
};
use tenure_limits::RECLAIM_REMEMBERED;
use tokio::time::Instant;
use uuid::Uuid;

const SHARDS: [ShardId; 2] = [1, 2];

fn cluster(nodes: &[NodeId]) -> Arc<Cluster> {
    let cluster = Cluster::start(nodes, 2, |_| 1, &options(), transition);
    let node = NodeRow::new(Uuid::from_u128(1), "p".into(), "a".into());
    let map = ClusterMap::found(Uuid::from_u128(1), FeatureLevel::KNOWN, [(1, node)].into(), 2).unwrap();
    for op in map.writes().ops {
        if let Op::Put(key, value) = op {
            cluster.logs[&SYSTEM_SHARD].put(key, value);
        }
    }
    cluster
}

async fn system(cluster: &Cluster, command: SystemCommand) -> SystemReply {
    leader(cluster, 1, SYSTEM_SHARD).await.execute_system(new_proposal_id(), command).await.unwrap()
}

async fn register(cluster: &Cluster, name: &str) -> NamespaceId {
    let request = api::RegisterNamespaceRequest {
        namespace: name.into(),
        workflow_execution_retention_period: Duration::from_secs(86400).try_into().ok(),
        ..Default::default()
    };
    system(cluster, SystemCommand::RegisterNamespace(Arc::new(request))).await;
    cluster.node(1).namespace(name, Instant::now() + TIMEOUT).await.unwrap().expect("registered").id
}

async fn delete(cluster: &Cluster, name: &str) {
    let request = DeleteNamespaceRequest { namespace: name.into(), ..Default::default() };
    system(cluster, SystemCommand::DeleteNamespace(Arc::new(request))).await;
}

fn workflow(cluster: &Cluster, namespace: NamespaceId, number: usize) -> (WorkflowKey, ShardId) {
    let workflow = WorkflowKey { namespace, workflow_id: format!("w-{number}").into() };
    let shard = cluster.node(1).shard_of(workflow.slot());
    (workflow, shard)
}

fn start(workflow: &WorkflowKey) -> ShardCommand {
    ShardCommand::StartWorkflow(Box::new(Start::new(start_request(workflow, "q")).unwrap()))
}

fn signal(text: String) -> ShardCommand {
    let request = SignalWorkflowExecutionRequest { signal_name: text, request_id: "s".into(), ..Default::default() };
    ShardCommand::SignalWorkflow(RunRequest::new(None, request))
}

fn create_schedule() -> ShardCommand {
    let (schedule, namespace) = (Encoded::of(&Schedule::default()), "n".into());
    let definition = Definition { schedule, memo: None, search_attributes: None, namespace };
    let switch = Switch::default();
    ShardCommand::CreateSchedule(Box::new(NewSchedule { definition, switch, patch: None, request_id: "c".into() }))
}

fn start_activity(id: &str) -> ShardCommand {
    let request = StartActivityExecutionRequest {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: Duration::from_secs(60).try_into().ok(),
        request_id: "r".into(),
        ..Default::default()
    };
    let options = check(&request, &Limits::default()).unwrap();
    ShardCommand::StartActivity(Box::new(NewActivity { request: Arc::new(request), options }))
}

/// Schedules, activities without a workflow, runs that are open, and runs that are closed, some with long histories.
async fn fill(cluster: &Cluster, namespace: NamespaceId, count: usize) {
    for number in 0..count {
        if number % 10 == 0 {
            let lane = Lane::of_schedule(namespace, &format!("s-{number}"));
            let leader = leader(cluster, 1, cluster.node(1).shard_of(lane.slot())).await;
            let (workflow, _) = workflow(cluster, namespace, number);
            leader.execute(Envelope { lane, ..envelope(&workflow, create_schedule()) }).await.unwrap();
        }
        if number % 3 == 0 {
            let id = format!("a-{number}");
            let lane = Lane::of_activity(namespace, &id);
            let leader = leader(cluster, 1, cluster.node(1).shard_of(lane.slot())).await;
            let (workflow, _) = workflow(cluster, namespace, number);
            let of_activity = |command| Envelope { lane: lane.clone(), ..envelope(&workflow, command) };
            leader.execute(of_activity(start_activity(&id))).await.unwrap();
            if number % 2 == 0 {
                let terminate = ShardCommand::TerminateActivity(RunRequest::default());
                leader.execute(of_activity(terminate)).await.unwrap();
            }
        }
        let (workflow, shard) = workflow(cluster, namespace, number);
        let leader = leader(cluster, 1, shard).await;
        leader.execute(envelope(&workflow, start(&workflow))).await.unwrap();
        if number % 5 == 0 {
            leader.execute(envelope(&workflow, signal("x".repeat(600 << 10)))).await.unwrap();
        }
        if number % 2 == 0 {
            let terminate = ShardCommand::TerminateWorkflow(RunRequest::default());
            leader.execute(envelope(&workflow, terminate)).await.unwrap();
        }
    }
}

fn namespace_of(key: &RowKey) -> Option<NamespaceId> {
    match key {
        RowKey::Execution(run) | RowKey::Info(run) => Some(run.workflow.namespace),
        RowKey::Pending { run, .. } | RowKey::History { run, .. } => Some(run.workflow.namespace),
        RowKey::Current(workflow) | RowKey::RequestId { workflow, .. } => Some(workflow.namespace),
        RowKey::Timer { subject, .. } | RowKey::Outbox { from: subject, .. } => Some(subject.lane.namespace),
        RowKey::Ready { queue, .. } | RowKey::QueueConfig(queue) => Some(queue.namespace),
        RowKey::Record { namespace, .. } | RowKey::Index { namespace, .. } => Some(*namespace),
        RowKey::Batch { namespace, .. } | RowKey::Schedule { namespace, .. } | RowKey::Activity { namespace, .. } => {
            Some(*namespace)
        }
        RowKey::Clock | RowKey::ListFill | RowKey::System { .. } => None,
    }
}

fn rows(cluster: &Cluster, namespace: NamespaceId) -> BTreeSet<RowKey> {
    let keys = SHARDS.iter().flat_map(|shard| cluster.logs[shard].keys());
    keys.filter(|key| namespace_of(key) == Some(namespace)).collect()
}

/// Waits until the system shard has forgotten the namespace.
async fn gone(cluster: &Cluster, namespace: NamespaceId) {
    let row = RowKey::System { table: SystemTable::Namespace, key: namespace.0.to_string().into() };
    eventually(|| cluster.logs[&SYSTEM_SHARD].get(&row).is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_namespace_goes_and_nothing_of_another_one() {
    let cluster = cluster(&[1]);
    let (goes, stays) = (register(&cluster, "goes").await, register(&cluster, "stays").await);
    fill(&cluster, goes, 30).await;
    fill(&cluster, stays, 30).await;
    assert!(rows(&cluster, goes).len() > 30 * 5);
    let left = || async { cluster.node(1).left_of(goes, Instant::now() + TIMEOUT).await.unwrap() };
    // The answer waits for lists to be filled; nothing changes rows after that.
    assert_eq!((left().await.runs, left().await.shards), (30, 2));
    let before = rows(&cluster, stays);
    delete(&cluster, "goes").await;
    gone(&cluster, goes).await;
    assert_eq!(rows(&cluster, goes), BTreeSet::new());
    assert_eq!(rows(&cluster, stays), before);
    assert_eq!((left().await.runs, left().await.shards), (0, 0));
    let name = RowKey::System { table: SystemTable::NamespaceName, key: "goes".into() };
    assert_eq!(cluster.logs[&SYSTEM_SHARD].get(&name), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_although_leaders_are_lost_at_every_point() {
    let cluster = cluster(&[1, 2, 3]);
    let (goes, stays) = (register(&cluster, "goes").await, register(&cluster, "stays").await);
    fill(&cluster, goes, 60).await;
    fill(&cluster, stays, 20).await;
    cluster.node(1).left_of(goes, Instant::now() + TIMEOUT).await.unwrap();
    let before = rows(&cluster, stays);
    let logs = SHARDS.map(|shard| cluster.logs[&shard].clone());
    logs.iter().for_each(|log| log.close_gate());
    delete(&cluster, "goes").await;
    let mut lost = 0;
    while !rows(&cluster, goes).is_empty() {
        // Each leader gets so far, and no further.
        logs.iter().for_each(|log| log.gate.add_permits(10));
        let has_rows = |log: &Log| log.keys().iter().any(|key| namespace_of(key) == Some(goes));
        let stands = |log: &Arc<Log>| log.gate.available_permits() == 0 || !has_rows(log);
        eventually(|| logs.iter().all(stands).then_some(())).await;
        lost += 1;
        for shard in [1, 2, SYSTEM_SHARD] {
            cluster.logs[&shard].lead(lost % 3 + 1);
        }
    }
    logs.iter().for_each(|log| log.open_gate());
    gone(&cluster, goes).await;
    assert!(lost > 5, "leaders were lost {lost} times");
    assert_eq!(rows(&cluster, stays), before);
}

/// Runs a command at a node that is about to lead.
async fn run_at(cluster: &Cluster, node: NodeId, shard: ShardId, envelope: Envelope) -> Result<Reply, ApiError> {
    loop {
        match leader(cluster, node, shard).await.execute(envelope.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(CommandError::Api(error)) => return Err(error),
            // It led before, and does not know yet that it is to lead again.
            Err(CommandError::NotLeader(_)) => tokio::task::yield_now().await,
        }
    }
}

/// A message that a run of another namespace sends.
fn message(to: &WorkflowKey) -> OutboxMessage {
    let target = Target { run_id: None, child_workflow_only: false };
    let body = Body::Signal { initiated_event_id: 5, target, request: Encoded::of(&Default::default()) };
    OutboxMessage { to: to.clone().into(), body }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_in_it_whoever_leads() {
    let cluster = cluster(&[1, 2]);
    let goes = register(&cluster, "goes").await;
    fill(&cluster, goes, 2).await;
    delete(&cluster, "goes").await;
    gone(&cluster, goes).await;
    let (workflow, shard) = workflow(&cluster, goes, 0);
    for node in [1, 2] {
        cluster.logs[&shard].lead(node);
        // Of a namespace that is gone nodes know nothing any more, but the shard's rows do.
        let refused = run_at(&cluster, node, shard, envelope(&workflow, start(&workflow))).await;
        let refused = refused.expect_err("a run is born");
        assert_eq!((refused.code, &*refused.message), (Code::NotFound, "The namespace was deleted."));
        let from = WorkflowKey { namespace: NamespaceId(Uuid::from_u128(9)), workflow_id: "from".into() };
        let from = from.run(Uuid::from_u128(1)).into();
        let receive = ShardCommand::Receive { from, message: Box::new(message(&workflow)) };
        let reply = run_at(&cluster, node, shard, envelope(&workflow, receive)).await.unwrap();
        assert!(matches!(reply, Reply::Received(Receipt::NotFound)), "{reply:?}");
    }
    assert_eq!(rows(&cluster, goes), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_being_born_goes_too() {
    let cluster = cluster(&[1]);
    let goes = register(&cluster, "goes").await;
    let (workflow, shard) = workflow(&cluster, goes, 0);
    let leader = leader(&cluster, 1, shard).await;
    let log = &cluster.logs[&shard];
    log.close_gate();
    let born = {
        let (leader, envelope) = (leader.clone(), envelope(&workflow, start(&workflow)));
        tokio::spawn(async move { leader.execute(envelope).await })
    };
    eventually(|| (log.at_gate.load(std::sync::atomic::Ordering::Relaxed) > 0).then_some(())).await;
    delete(&cluster, "goes").await;
    // The shard has begun to remove what it has, which is nothing yet.
    eventually(|| leader.0.context.reclaimed.get(goes)).await;
    log.open_gate();
    born.await.unwrap().unwrap();
    gone(&cluster, goes).await;
    assert_eq!(rows(&cluster, goes), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_no_run_owns_go_too() {
    let cluster = cluster(&[1]);
    let goes = register(&cluster, "goes").await;
    let (orphan, shard) = workflow(&cluster, goes, 0);
    let queue = QueueKey { namespace: goes, kind: TaskKind::Workflow, name: "q".into() };
    let log = &cluster.logs[&shard];
    log.put(RowKey::QueueConfig(queue), "c".into());
    log.put(RowKey::RequestId { workflow: orphan.clone(), request_id: "start/r".into() }, "r".into());
    log.put(RowKey::Current(orphan.clone()), "c".into());
    log.put(RowKey::History { run: orphan.run(Uuid::from_u128(1)), first_event_id: 1 }, "h".into());
    delete(&cluster, "goes").await;
    gone(&cluster, goes).await;
    assert_eq!(rows(&cluster, goes), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_gone_is_remembered_for_a_while() {
    let cluster = cluster(&[1]);
    let log = &cluster.logs[&1];
    let now = leader(&cluster, 1, 1).await.now();
    let (old, recent) = (NamespaceId(Uuid::from_u128(1)), NamespaceId(Uuid::from_u128(2)));
    for (namespace, since) in [(old, Timestamp(1)), (recent, now)] {
        assert_eq!(now.since(since) > RECLAIM_REMEMBERED, namespace == old);
        let Op::Put(key, value) = (Reclaim { since, done: true }).put(namespace) else { unreachable!() };
        log.put(key, value);
    }
    // The next leader finds them.
    log.lead(1);
    register(&cluster, "any").await;
    let there = |namespace: NamespaceId| {
        log.count(|key| matches!(key, RowKey::System { key, .. } if **key == *namespace.0.to_string())) > 0
    };
    eventually(|| (!there(old)).then_some(())).await;
    assert!(there(recent));
}
