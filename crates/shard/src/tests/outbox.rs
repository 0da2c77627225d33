//! Messages between workflows, with the real engine, while leaders come and go.

use super::{NAMESPACE, TIMEOUT, envelope, eventually, memory::Cluster, options, poll, token, workflow_in};
use crate::{CommandError, HistoryRequest, LeaderHandle, NodeId, Options};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        Command, SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        command::Attributes as Verb,
    },
    common::v1::{WorkflowExecution, WorkflowType},
    enums::v1::{CommandType, EventType, TaskQueueKind},
    history::v1::{HistoryEvent, history_event::Attributes},
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
};
use tenure_engine::{
    QueueKey, Reply, RowKey, ShardCommand, TaskKind, WorkflowKey, chain::Start, command::RunRequest,
    transition::transition,
};
use tokio::time::Instant;

const NODES: [NodeId; 3] = [1, 2, 3];
const SHARDS: u32 = 3;

async fn leader_of(cluster: &Cluster, workflow: &WorkflowKey) -> LeaderHandle {
    let shard = cluster.node(1).shard_of(workflow.slot());
    eventually(|| NODES.iter().find_map(|node| cluster.node(*node).local(shard))).await
}

/// Runs a command, however often its leader goes.
async fn run(cluster: &Cluster, workflow: &WorkflowKey, command: ShardCommand) -> Reply {
    let envelope = envelope(workflow, command);
    loop {
        match leader_of(cluster, workflow).await.execute(envelope.clone()).await {
            Ok(reply) => return reply,
            Err(CommandError::NotLeader(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
            Err(CommandError::Api(error)) => panic!("{error}"),
        }
    }
}

async fn history(cluster: &Cluster, workflow: &WorkflowKey) -> Vec<HistoryEvent> {
    loop {
        let request = HistoryRequest {
            workflow: workflow.clone(),
            run_id: None,
            page_size: 0,
            wait_new_event: false,
            close_event_only: false,
            page: None,
            deadline: Instant::now() + TIMEOUT,
            arrived: Instant::now(),
        };
        match leader_of(cluster, workflow).await.history(request).await {
            Ok(page) => return super::decoded(&page.history),
            Err(CommandError::NotLeader(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
            Err(CommandError::Api(_)) => return Vec::new(),
        }
    }
}

/// Waits for as many events of a type.
async fn wait_for(cluster: &Cluster, workflow: &WorkflowKey, event: EventType, count: usize) -> Vec<HistoryEvent> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let events = history(cluster, workflow).await;
        if events.iter().filter(|e| e.event_type() == event).count() >= count {
            return events;
        }
        assert!(Instant::now() < deadline, "{count} {event:?} did not come: {events:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn normal(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.into(), kind: TaskQueueKind::Normal as i32, ..Default::default() })
}

async fn start(cluster: &Cluster, workflow: &WorkflowKey, queue: &str) {
    let request = api::StartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: workflow.workflow_id.to_string(),
        request_id: format!("start-{}", workflow.workflow_id),
        workflow_type: Some(WorkflowType { name: "W".into() }),
        task_queue: normal(queue),
        ..Default::default()
    };
    run(cluster, workflow, ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()))).await;
}

/// Completes the workflow's task with these commands.
async fn step(cluster: &Cluster, workflow: &WorkflowKey, queue: &str, commands: Vec<Command>) {
    let key = QueueKey { namespace: NAMESPACE, kind: TaskKind::Workflow, name: queue.into() };
    let home = cluster.node(1).shard_of(key.slot());
    let node = cluster.logs[&home].leader();
    let leader = super::leader(cluster, node, home).await;
    let task = leader.poll_workflow(poll(&key, node, TIMEOUT)).await.unwrap().expect("a task");
    assert_eq!(super::workflow_of(&task), &*workflow.workflow_id);
    cluster.node(node).hand_over(token(&task)).expect("not refused").sent();
    let request = api::RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
    let command = ShardCommand::CompleteWorkflowTask { token: token(&task), request: Arc::new(request) };
    run(cluster, workflow, command).await;
}

fn child(workflow: &WorkflowKey) -> Command {
    Command {
        command_type: CommandType::StartChildWorkflowExecution as i32,
        attributes: Some(Verb::StartChildWorkflowExecutionCommandAttributes(
            StartChildWorkflowExecutionCommandAttributes {
                workflow_id: workflow.workflow_id.to_string(),
                workflow_type: Some(WorkflowType { name: "C".into() }),
                task_queue: normal("children"),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn signal(workflow: &WorkflowKey, name: &str) -> Command {
    Command {
        command_type: CommandType::SignalExternalWorkflowExecution as i32,
        attributes: Some(Verb::SignalExternalWorkflowExecutionCommandAttributes(
            SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(WorkflowExecution {
                    workflow_id: workflow.workflow_id.to_string(),
                    ..Default::default()
                }),
                signal_name: name.into(),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn outbox_rows(cluster: &Cluster) -> usize {
    cluster.logs.values().map(|log| log.count(|key| matches!(key, RowKey::Outbox { .. }))).sum()
}

/// Runs that this workflow id ever had.
fn runs(cluster: &Cluster, workflow: &WorkflowKey) -> usize {
    let first = |key: &RowKey| matches!(key, RowKey::History { run, first_event_id: 1 } if run.workflow == *workflow);
    cluster.logs.values().map(|log| log.count(first)).sum()
}

#[tokio::test]
async fn messages_of_a_run_to_a_workflow_arrive_in_their_order_whatever_the_window_holds() {
    let options = Options { outbox_window: 4, ..options() };
    let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], &options, transition);
    let (from, to) = (workflow_in(&cluster, 1, "from"), workflow_in(&cluster, 2, "to"));
    start(&cluster, &from, "q").await;
    start(&cluster, &to, "other").await;
    let names: Vec<String> = (0..50).map(|n| format!("s{n}")).collect();
    step(&cluster, &from, "q", names.iter().map(|name| signal(&to, name)).collect()).await;
    wait_for(&cluster, &from, EventType::ExternalWorkflowExecutionSignaled, 50).await;
    let heard = history(&cluster, &to).await.into_iter().filter_map(|event| match event.attributes {
        Some(Attributes::WorkflowExecutionSignaledEventAttributes(a)) => Some(a.signal_name),
        _ => None,
    });
    assert_eq!(heard.collect::<Vec<_>>(), names);
    assert_eq!(outbox_rows(&cluster), 0);
}

#[tokio::test]
async fn a_shard_without_a_leader_holds_up_only_its_own_messages() {
    let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], &options(), transition);
    let parent = workflow_in(&cluster, 1, "p");
    let (near, far) = (workflow_in(&cluster, 1, "near"), workflow_in(&cluster, 2, "far"));
    start(&cluster, &parent, "q").await;
    cluster.logs[&2].close_gate();
    step(&cluster, &parent, "q", vec![child(&far), child(&near)]).await;
    wait_for(&cluster, &parent, EventType::ChildWorkflowExecutionStarted, 1).await;
    assert_eq!((runs(&cluster, &near), runs(&cluster, &far)), (1, 0));
    cluster.logs[&2].open_gate();
    wait_for(&cluster, &parent, EventType::ChildWorkflowExecutionStarted, 2).await;
}

/// F16.
#[tokio::test]
async fn messages_to_a_shard_that_cannot_be_served_do_not_stop_those_behind_them() {
    let options = Options { outbox_window: 30, messages_in_flight: 6, ..options() };
    let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], &options, transition);
    let from = workflow_in(&cluster, 1, "from");
    start(&cluster, &from, "q").await;
    let far: Vec<_> = (0..20).map(|n| workflow_in(&cluster, 2, &format!("far{n}"))).collect();
    let near = workflow_in(&cluster, 3, "near");
    for to in far.iter().chain([&near]) {
        start(&cluster, to, "other").await;
    }
    cluster.logs[&2].close_gate();
    let to_far = (0..300).map(|n| signal(&far[n % far.len()], &format!("s{n}")));
    step(&cluster, &from, "q", to_far.chain([signal(&near, "last")]).collect()).await;
    wait_for(&cluster, &from, EventType::ExternalWorkflowExecutionSignaled, 1).await;
    wait_for(&cluster, &near, EventType::WorkflowExecutionSignaled, 1).await;
    cluster.logs[&2].open_gate();
    wait_for(&cluster, &from, EventType::ExternalWorkflowExecutionSignaled, 301).await;
    eventually(|| (outbox_rows(&cluster) == 0).then_some(())).await;
}

#[tokio::test]
async fn children_start_and_report_once_while_leaders_change() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], &options(), transition);
    let family = |n: usize| {
        let parent = workflow_in(&cluster, n as u32 % SHARDS + 1, &format!("parent-{n}"));
        let children: Vec<_> = (1..=SHARDS).map(|shard| workflow_in(&cluster, shard, &format!("child-{n}"))).collect();
        (parent, children)
    };
    let families: Vec<_> = (0..10).map(family).collect();
    for (n, (parent, _)) in families.iter().enumerate() {
        start(&cluster, parent, &format!("q{n}")).await;
    }
    for (n, (parent, children)) in families.iter().enumerate() {
        let commands = children.iter().map(child).collect();
        step(&cluster, parent, &format!("q{n}"), commands).await;
    }
    let havoc = tokio::spawn(havoc(cluster.clone(), seed));
    for (parent, children) in &families {
        wait_for(&cluster, parent, EventType::ChildWorkflowExecutionStarted, children.len()).await;
        for child in children {
            let request = api::TerminateWorkflowExecutionRequest::default();
            run(&cluster, child, ShardCommand::TerminateWorkflow(RunRequest::new(None, request))).await;
        }
    }
    for (parent, children) in &families {
        let events = wait_for(&cluster, parent, EventType::ChildWorkflowExecutionTerminated, children.len()).await;
        let count = |event| events.iter().filter(|e| e.event_type() == event).count();
        assert_eq!(count(EventType::ChildWorkflowExecutionStarted), children.len());
        assert_eq!(count(EventType::ChildWorkflowExecutionTerminated), children.len());
        for child in children {
            assert_eq!(runs(&cluster, child), 1);
        }
    }
    havoc.await.unwrap();
    eventually(|| (outbox_rows(&cluster) == 0).then_some(())).await;
}

/// Leaders move, and answers are lost on their way.
async fn havoc(cluster: Arc<Cluster>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..60 {
        let shard = random.random_range(1..=SHARDS);
        cluster.logs[&shard].lead(NODES[random.random_range(0..NODES.len())]);
        let deaf = NODES[random.random_range(0..NODES.len())];
        cluster.deaf.lock().insert(deaf);
        tokio::time::sleep(Duration::from_millis(random.random_range(1..15))).await;
        cluster.deaf.lock().clear();
    }
}
