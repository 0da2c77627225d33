//! A leader over rows in memory, with an engine of a few lines.

mod any_list;
mod attempts;
mod batches;
mod burst;
mod cache;
mod engine;
mod fill;
mod forms;
pub(crate) mod gather;
mod lending;
mod lists;
mod memory;
mod outbox;
mod reclaim;
mod redelivery;
mod subjects;
mod sweep;
mod system_view;
mod token_key;
mod watches;
mod whole;
mod workers;

use crate::{
    CommandError, LeaderHandle, NodeId, Options, PollRequest, Room, ShardId, TokenUse,
    leader::executions::own,
    node::share::Share,
    owner::windows::{ReadyWindows, WindowSize},
    seam::messages::{Request, StartRequest, new_proposal_id},
};
use bytes::Bytes;
use engine::{engine, heartbeat, row, signal, start, start_after};
use memory::{Cluster, Log, LogRows};
use prost::Message;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tenure_api::{
    encoded::PollWorkflowTaskQueueResponse,
    error::Code,
    history::v1::{History, HistoryEvent},
    workflowservice::v1::PollActivityTaskQueueResponse,
};
use tenure_engine::{
    Envelope, NamespaceId, Op, Process, QueueKey, RowKey, ShardCommand, Stamp, SubjectKind, TaskKind, Timestamp,
    WorkflowKey, WriteSet, codec,
    command::Poll,
    rows::{ReadyTask, StateReader},
    token::TaskToken,
    transition::{Context, Refused, Transition},
};
use tenure_limits::{COUNTED_TASKS, ENTRY};
use tokio::time::Instant;
use uuid::Uuid;

impl LeaderHandle {
    async fn opened(&self, purpose: TokenUse, token: &[u8]) -> Bytes {
        if token.is_empty() {
            return Bytes::new();
        }
        let key = self.0.context.node.token_key(Instant::now() + TIMEOUT).await.unwrap();
        Bytes::copy_from_slice(key.open(purpose, token).expect("a sealed token"))
    }

    /// Polls as a worker does; its tokens are those inside the seals.
    pub(crate) async fn poll_workflow(
        &self,
        request: PollRequest,
    ) -> Result<Option<PollWorkflowTaskQueueResponse>, CommandError> {
        let Some(polled) = self.poll(request).await? else { return Ok(None) };
        let mut response = PollWorkflowTaskQueueResponse::decode(polled.body).unwrap();
        response.next_page_token = self.opened(TokenUse::HistoryPage, &response.next_page_token).await;
        response.task_token = self.opened(TokenUse::Task, &response.task_token).await;
        Ok(Some(response))
    }

    pub(crate) async fn poll_activity(
        &self,
        request: PollRequest,
    ) -> Result<Option<PollActivityTaskQueueResponse>, CommandError> {
        let Some(polled) = self.poll(request).await? else { return Ok(None) };
        let mut response = PollActivityTaskQueueResponse::decode(polled.body).unwrap();
        response.task_token = self.opened(TokenUse::Task, &response.task_token).await;
        Ok(Some(response))
    }
}

const NAMESPACE: NamespaceId = NamespaceId(Uuid::from_u128(1));
const TIMEOUT: Duration = Duration::from_secs(20);

fn options() -> Options {
    // Without the sweep, so that each test is of its notice; those of the sweep have their own.
    let sweep_interval = Duration::from_secs(3600);
    Options { confirm_within: Duration::from_millis(300), sweep_interval, ..Options::default() }
}

/// One node, one data shard.
fn alone() -> Arc<Cluster> {
    Cluster::start(&[1], 1, |_| 1, &options(), engine)
}

/// A workflow whose slot is in the shard, by a name that begins like this.
fn workflow_in(cluster: &Cluster, shard: ShardId, name: &str) -> WorkflowKey {
    let keys = (0..).map(|n| WorkflowKey { namespace: NAMESPACE, workflow_id: format!("{name}-{n}").into() });
    keys.into_iter().find(|key| cluster.node(1).shard_of(key.slot()) == shard).unwrap()
}

fn queue_in(cluster: &Cluster, shard: ShardId) -> QueueKey {
    let names = (0..).map(|n| format!("queue-{n}").into());
    let mut queues = names.map(|name| QueueKey { namespace: NAMESPACE, kind: TaskKind::Workflow, name });
    queues.find(|queue| cluster.node(1).shard_of(queue.slot()) == shard).unwrap()
}

fn envelope(workflow: &WorkflowKey, command: ShardCommand) -> Envelope {
    Envelope { origin: Process { node: 1, boot: 0 }, ..own(workflow.clone(), command) }
}

/// The shard's leader, at the node, once it is ready.
async fn leader(cluster: &Cluster, node: NodeId, shard: ShardId) -> LeaderHandle {
    eventually(|| cluster.node(node).local(shard)).await
}

/// Looks until there is something to see.
async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn poll(queue: &QueueKey, node: NodeId, patience: Duration) -> PollRequest {
    PollRequest {
        queue: queue.clone(),
        id: new_proposal_id(),
        poll: Poll {
            identity: "worker".into(),
            queue: queue.name.to_string(),
            process: Process { node, boot: 0 },
            ..Poll::default()
        },
        sticky: false,
        queue_rate: None,
        deadline: Instant::now() + patience,
    }
}

fn entries_with(log: &Log, wanted: &RowKey) -> usize {
    let entries = log.entries.lock();
    entries.iter().filter(|set| set.ops.iter().any(|op| matches!(op, Op::Put(key, _) if key == wanted))).count()
}

fn token(response: &PollWorkflowTaskQueueResponse) -> TaskToken {
    TaskToken::decode(&response.task_token).unwrap()
}

/// The events of an encoded `History`.
fn decoded(history: &Bytes) -> Vec<HistoryEvent> {
    History::decode(history.clone()).unwrap().events
}

fn workflow_of(response: &PollWorkflowTaskQueueResponse) -> &str {
    &response.workflow_execution.as_ref().unwrap().workflow_id
}

#[tokio::test]
async fn a_hot_execution_gets_one_entry_for_many_signals_in_their_order() {
    let cluster = alone();
    let log = &cluster.logs[&1];
    let leader = leader(&cluster, 1, 1).await;
    let workflow = workflow_in(&cluster, 1, "hot");
    log.close_gate();
    let names: Vec<String> = (0..100).map(|n| format!("signal-{n}")).collect();
    let calls: Vec<_> = names
        .iter()
        .map(|name| {
            let (leader, envelope) = (leader.clone(), envelope(&workflow, signal(name)));
            tokio::spawn(async move { leader.execute(envelope).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(calls.iter().all(|call| !call.is_finished()), "no reply before the entry is applied");
    log.open_gate();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let signals = row(&workflow.run(engine::RUN), "signals");
    let applied: Vec<String> = codec::decode(&log.get(&signals).unwrap()).unwrap();
    assert_eq!(applied, names);
    let entries = entries_with(log, &signals);
    assert!(entries <= 2, "the first one alone at most, the others together; but {entries}");
}

/// F5.
#[tokio::test]
async fn commands_whose_callers_have_gone_are_not_run_and_no_more_are_taken_than_may_wait() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflow = workflow_in(&cluster, 1, "w");
    log.close_gate();
    let call = |name: &str| {
        let (leader, envelope) = (leader.clone(), envelope(&workflow, signal(name)));
        tokio::spawn(async move { leader.execute(envelope).await })
    };
    let first = call("first");
    // One is on its way to be replicated, then as many wait as may.
    eventually(|| (log.at_gate.load(Ordering::Relaxed) > 0).then_some(())).await;
    let waiting: Vec<_> = (0..tenure_limits::COMMANDS_OF_WORKFLOW).map(|_| call("gone")).collect();
    tokio::task::yield_now().await;
    match call("too many").await.unwrap() {
        Err(CommandError::Api(error)) => {
            assert_eq!((error.code, &*error.message), (Code::ResourceExhausted, "Workflow is busy."));
        }
        other => panic!("{other:?}"),
    }
    for call in waiting {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let last = call("last");
    tokio::task::yield_now().await;
    log.open_gate();
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let applied: Vec<String> = codec::decode(&log.get(&row(&workflow.run(engine::RUN), "signals")).unwrap()).unwrap();
    assert_eq!(applied, ["first", "last"]);
}

/// F5.
#[tokio::test]
async fn a_node_takes_no_more_commands_than_it_may() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    log.close_gate();
    let call = |n: usize| {
        let envelope = envelope(&workflow_in(&cluster, 1, &format!("w{n}")), signal("s"));
        let leader = leader.clone();
        tokio::spawn(async move { leader.execute(envelope).await })
    };
    let waiting: Vec<_> = (0..tenure_limits::COMMANDS).map(call).collect();
    tokio::task::yield_now().await;
    match call(tenure_limits::COMMANDS).await.unwrap() {
        Err(CommandError::Api(error)) => assert_eq!(error.code, Code::ResourceExhausted, "{error}"),
        other => panic!("{other:?}"),
    }
    log.open_gate();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    call(0).await.unwrap().unwrap();
}

/// F56: clients are refused, reads go on, and what a leader does by itself too, as long as there is any room.
#[tokio::test]
async fn full_disks_refuse_what_is_new() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflow = workflow_in(&cluster, 1, "w");
    let call = || leader.execute(envelope(&workflow, signal("s")));
    call().await.unwrap();
    let propose = || async { leader.0.context.propose(&mut WriteSet::default()).await };
    for (room, may_begin, may_go_on) in
        [(Room::Low, false, true), (Room::None, false, false), (Room::Enough, true, true)]
    {
        *log.room.lock() = room;
        match call().await {
            Err(CommandError::Api(error)) if !may_begin => assert_eq!(error.code, Code::ResourceExhausted, "{error}"),
            answer => assert!(answer.is_ok() && may_begin, "{answer:?}"),
        }
        assert_eq!(propose().await.is_ok(), may_go_on, "{room:?}");
        leader.0.context.barrier().await.unwrap();
    }
}

/// F79.
#[tokio::test]
async fn a_heartbeat_alone_waits_for_nothing() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let workflow = workflow_in(&cluster, 1, "w");
    let (mut signals, mut heartbeats) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        for (command, took) in [(signal("s"), &mut signals), (heartbeat(), &mut heartbeats)] {
            let begin = Instant::now();
            leader.execute(envelope(&workflow, command)).await.unwrap();
            took.push(begin.elapsed());
        }
    }
    let (quickest, slowest) = (heartbeats.iter().min(), signals.iter().max());
    assert!(quickest <= slowest, "heartbeats took {heartbeats:?}, signals {signals:?}");
}

/// F79.
#[tokio::test]
async fn heartbeats_share_the_entry_after_the_one_on_its_way_and_are_durable_before_they_are_answered() {
    let entries = entries_of_ten_workflows(heartbeat).await;
    assert!(entries <= 2, "the first one alone at most, the others together; but {entries}");
}

#[tokio::test]
async fn commands_of_different_workflows_share_the_entry_after_those_on_their_way() {
    let entries = entries_of_ten_workflows(|| signal("s")).await;
    let on_their_way = options().entries_in_flight;
    assert!(entries <= on_their_way + 1, "the first ones alone at most, the others together; but {entries}");
}

/// Entries of commands of ten workflows that come while no entry is applied.
async fn entries_of_ten_workflows(command: impl Fn() -> ShardCommand) -> usize {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflows: Vec<_> = (0..10).map(|n| workflow_in(&cluster, 1, &format!("h{n}"))).collect();
    log.close_gate();
    let before = log.entries.lock().len();
    let calls: Vec<_> = workflows
        .iter()
        .map(|workflow| {
            let (leader, envelope) = (leader.clone(), envelope(workflow, command()));
            tokio::spawn(async move { leader.execute(envelope).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(calls.iter().all(|call| !call.is_finished()), "no reply before the entry is applied");
    log.open_gate();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    log.entries.lock().len() - before
}

/// F2: what does not fit behind others goes alone; what does not fit at all is refused, and nothing of it is done.
#[tokio::test]
async fn an_entry_has_a_largest_size() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflow = workflow_in(&cluster, 1, "w");
    log.close_gate();
    let names = ["a".into(), "b".into(), "y".repeat(ENTRY - 1000), "z".repeat(ENTRY), "c".into()];
    let calls: Vec<_> = names
        .map(|name: String| {
            let (leader, envelope) = (leader.clone(), envelope(&workflow, signal(&name)));
            tokio::spawn(async move { leader.execute(envelope).await })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(50)).await;
    log.open_gate();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(match call.await.unwrap() {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        });
    }
    assert!(answers[3].contains("exceeds limit of 33554432 bytes"), "{answers:?}");
    answers.remove(3);
    assert_eq!(answers, ["done"; 4]);
    let row = row(&workflow.run(engine::RUN), "signals");
    let signals: Vec<String> = codec::decode(&log.get(&row).unwrap()).unwrap();
    assert_eq!(signals.iter().map(|name| &name[..1]).collect::<String>(), "abyc");
    assert!(log.entries.lock().iter().all(|entry| entry.size() <= ENTRY));
}

#[tokio::test]
async fn different_workflows_do_not_wait_for_each_other() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    log.close_gate();
    let (slow, fast) = (workflow_in(&cluster, 1, "slow"), workflow_in(&cluster, 1, "fast"));
    let waiting = tokio::spawn({
        let (leader, envelope) = (leader.clone(), envelope(&slow, signal("s")));
        async move { leader.execute(envelope).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    // A refusal needs no entry.
    let refused = leader.execute(envelope(&fast, ShardCommand::ResetStickyTaskQueue { run_id: None })).await;
    assert!(matches!(refused, Err(CommandError::Api(_))), "{refused:?}");
    log.open_gate();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_the_term_goes_every_waiting_call() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), engine);
    let old = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflow = workflow_in(&cluster, 1, "w");
    let queue = queue_in(&cluster, 1);
    log.close_gate();
    let command = tokio::spawn({
        let (old, envelope) = (old.clone(), envelope(&workflow, signal("s")));
        async move { old.execute(envelope).await.map(|_| ()) }
    });
    let polling = tokio::spawn({
        let (old, request) = (old.clone(), poll(&queue, 1, TIMEOUT));
        async move { old.poll_workflow(request).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    log.lead(2);
    log.open_gate();
    for call in [command, polling] {
        match call.await.unwrap() {
            Err(CommandError::NotLeader(not)) => assert_eq!((not.leader, not.term), (Some(2), 2)),
            other => panic!("{other:?}"),
        }
    }
    assert!(cluster.node(1).local(1).is_none());
    let signals = row(&workflow.run(engine::RUN), "signals");
    assert_eq!(entries_with(log, &signals), 0, "what the old term computed is not applied");
    let new = leader(&cluster, 2, 1).await;
    new.execute(envelope(&workflow, signal("s"))).await.unwrap();
}

#[tokio::test]
async fn a_timer_outlives_a_hand_over_that_came_to_nothing() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let workflow = workflow_in(&cluster, 1, "w");
    leader.execute(envelope(&workflow, start_after(Duration::from_millis(200)))).await.unwrap();
    let log = &cluster.logs[&1];
    log.refuse.store(1, Ordering::Relaxed);
    eventually(|| (log.refuse.load(Ordering::Relaxed) == 0).then_some(())).await;
    eventually(|| log.get(&row(&workflow.run(engine::RUN), "fired"))).await;
}

#[tokio::test]
async fn timers_fire_and_never_early() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &Options { timer_window: 4, ..options() }, engine);
    let first = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    // In an order that is not that of their due times, and more than the window holds.
    let workflows: Vec<_> = (0..20).map(|n| workflow_in(&cluster, 1, &format!("t{n}"))).collect();
    for (n, workflow) in (0..).zip(&workflows) {
        first.execute(envelope(workflow, start_after(Duration::from_millis((n * 7) % 20 * 50 + 200)))).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    log.lead(2);
    leader(&cluster, 2, 1).await;
    for workflow in &workflows {
        let run = workflow.run(engine::RUN);
        let fired = eventually(|| log.get(&row(&run, "fired"))).await;
        let (due, fired): (Timestamp, Timestamp) =
            (codec::decode(&log.get(&row(&run, "due")).unwrap()).unwrap(), codec::decode(&fired).unwrap());
        assert!(fired >= due);
    }
}

/// F18.
#[tokio::test]
async fn a_busy_workflow_does_not_hold_back_the_timers_behind_the_window() {
    // Each command in an entry of its own: one of them does not come through.
    let options = Options { timer_window: 4, batch_bytes: 1, entries_in_flight: 20, ..options() };
    let cluster = Cluster::start(&[1], 1, |_| 1, &options, engine);
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let workflows: Vec<_> = (0..20).map(|n| workflow_in(&cluster, 1, &format!("t{n}"))).collect();
    for (n, workflow) in (0..).zip(&workflows) {
        leader.execute(envelope(workflow, start_after(Duration::from_millis(200 + n)))).await.unwrap();
    }
    log.busy.lock().insert(workflows[0].clone());
    let fired = |workflow: &WorkflowKey| log.get(&row(&workflow.run(engine::RUN), "fired"));
    for workflow in &workflows[1..] {
        eventually(|| fired(workflow)).await;
    }
    assert!(fired(&workflows[0]).is_none());
    log.busy.lock().clear();
    eventually(|| fired(&workflows[0])).await;
}

#[tokio::test]
async fn a_waiting_poll_gets_a_task_of_another_shard_on_another_node() {
    let cluster = Cluster::start(&[1, 2], 2, |shard| if shard == 2 { 2 } else { 1 }, &options(), engine);
    let (owner, home) = (leader(&cluster, 1, 1).await, leader(&cluster, 2, 2).await);
    let (workflow, queue) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 2));
    let polling = tokio::spawn({
        let request = poll(&queue, 2, TIMEOUT);
        async move { home.poll_workflow(request).await }
    });
    owner.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    let response = polling.await.unwrap().unwrap().expect("a task");
    assert_eq!(workflow_of(&response), &*workflow.workflow_id);
    assert_eq!(decoded(response.history.as_ref().unwrap()).len(), 1);
    cluster.node(2).hand_over(token(&response)).expect("not refused").sent();
}

#[tokio::test]
async fn offers_are_made_again_where_the_home_moves() {
    let cluster = Cluster::start(&[1, 2], 2, |_| 1, &options(), engine);
    let owner = leader(&cluster, 1, 1).await;
    leader(&cluster, 1, 2).await;
    let queue = queue_in(&cluster, 2);
    let workflows: Vec<_> = (0..50).map(|n| workflow_in(&cluster, 1, &format!("m{n}"))).collect();
    for workflow in &workflows {
        owner.execute(envelope(workflow, start(&queue.name))).await.unwrap();
    }
    cluster.logs[&2].lead(2);
    let home = leader(&cluster, 2, 2).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < workflows.len() {
        let response = home.poll_workflow(poll(&queue, 2, TIMEOUT)).await.unwrap().expect("a task");
        assert!(seen.insert(workflow_of(&response).to_owned()), "a task is handed out once");
        cluster.node(2).hand_over(token(&response)).expect("not refused").sent();
    }
}

#[tokio::test]
async fn a_new_owner_offers_what_it_finds_in_rows() {
    let cluster = Cluster::start(&[1, 2], 2, |_| 1, &options(), engine);
    let owner = leader(&cluster, 1, 1).await;
    let home = leader(&cluster, 1, 2).await;
    let queue = queue_in(&cluster, 2);
    let workflow = workflow_in(&cluster, 1, "w");
    owner.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    cluster.logs[&1].lead(2);
    let response = home.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
    assert_eq!(workflow_of(&response), &*workflow.workflow_id);
}

#[tokio::test]
async fn a_poll_that_was_given_up_never_gets_a_task() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let (workflow, queue) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 1));
    let given_up = tokio::spawn({
        let (leader, request) = (leader.clone(), poll(&queue, 1, TIMEOUT));
        async move { leader.poll_workflow(request).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    leader.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let response = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
    assert_eq!(workflow_of(&response), &*workflow.workflow_id);
    let started = row(&workflow.run(engine::RUN), "started");
    assert_eq!(entries_with(&cluster.logs[&1], &started), 1, "it was started once");
}

#[tokio::test]
async fn a_poll_without_a_task_ends_before_its_deadline() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let queue = queue_in(&cluster, 1);
    let begin = Instant::now();
    let polled = leader.poll_workflow(poll(&queue, 1, Duration::from_secs(2))).await.unwrap();
    assert!(polled.is_none());
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&begin.elapsed()));
    assert_eq!(leader.describe_queue(&queue).await.unwrap().pollers.len(), 1);
}

/// How a started task fails to arrive.
async fn check_returned(lose: impl FnOnce(&Cluster, &PollWorkflowTaskQueueResponse)) {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), engine);
    let leader = leader(&cluster, 1, 1).await;
    let queue = QueueKey { namespace: NAMESPACE, kind: TaskKind::Workflow, name: "queue".into() };
    let workflow = workflow_in(&cluster, 1, "w");
    leader.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    let lost = leader.poll_workflow(poll(&queue, 2, TIMEOUT)).await.unwrap().expect("a task");
    lose(&cluster, &lost);
    let again = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("the task again");
    assert_eq!(workflow_of(&again), &*workflow.workflow_id);
    assert_ne!(token(&again).stamp, token(&lost).stamp, "the old token is stale");
    assert!(cluster.node(2).hand_over(token(&lost)).is_none(), "what was returned is not sent");
}

#[tokio::test]
async fn a_task_whose_delivery_was_dropped_is_returned() {
    check_returned(|cluster, lost| drop(cluster.node(2).hand_over(token(lost)))).await;
}

#[tokio::test]
async fn a_task_that_never_got_to_the_polls_node_is_returned() {
    check_returned(|_, _| ()).await;
}

#[tokio::test]
async fn a_delivered_task_is_not_returned() {
    let cluster = alone();
    let leader = leader(&cluster, 1, 1).await;
    let (workflow, queue) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 1));
    leader.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    let response = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
    cluster.node(1).hand_over(token(&response)).unwrap().sent();
    let nothing = leader.poll_workflow(poll(&queue, 1, Duration::from_secs(3))).await.unwrap();
    assert!(nothing.is_none());
}

#[tokio::test]
async fn a_task_of_a_node_that_died_is_returned() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), engine);
    let leader = leader(&cluster, 1, 1).await;
    let queue = QueueKey { namespace: NAMESPACE, kind: TaskKind::Workflow, name: "queue".into() };
    let workflow = workflow_in(&cluster, 1, "w");
    leader.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    leader.poll_workflow(poll(&queue, 2, TIMEOUT)).await.unwrap().expect("a task");
    cluster.kill(2);
    leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("the task again");
}

#[tokio::test]
async fn a_start_whose_reply_was_lost_is_found_again() {
    let cluster = Cluster::start(&[1, 2], 2, |shard| if shard == 2 { 2 } else { 1 }, &options(), engine);
    let (owner, home) = (leader(&cluster, 1, 1).await, leader(&cluster, 2, 2).await);
    let (workflow, queue) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 2));
    owner.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    cluster.deaf.lock().insert(1);
    let polling = tokio::spawn({
        let request = poll(&queue, 2, TIMEOUT);
        async move { home.poll_workflow(request).await }
    });
    let started = row(&workflow.run(engine::RUN), "started");
    let log = &cluster.logs[&1];
    eventually(|| (entries_with(log, &started) == 1).then_some(())).await;
    cluster.deaf.lock().clear();
    let response = polling.await.unwrap().unwrap().expect("the task");
    assert_eq!(workflow_of(&response), &*workflow.workflow_id);
    assert_eq!(entries_with(log, &started), 1, "it was started once");
}

/// The node of the home dies while the owner starts the task. Nobody has to ask for it.
#[tokio::test]
async fn a_start_whose_caller_dies_meanwhile_returns_at_once() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &Options { confirm_within: 2 * TIMEOUT, ..options() }, engine);
    let leader = leader(&cluster, 1, 1).await;
    let log = &cluster.logs[&1];
    let queue = QueueKey { namespace: NAMESPACE, kind: TaskKind::Workflow, name: "queue".into() };
    let workflow = workflow_in(&cluster, 1, "w");
    leader.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
    let request =
        StartRequest { owner: 1, task: log.first_ready(&queue), poll: Poll::default(), proposal: new_proposal_id() };
    let request = codec::encode(&Request::Start(request));
    log.close_gate();
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.node(1).answer(request).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    log.open_gate();
    let started = row(&workflow.run(engine::RUN), "started");
    eventually(|| (entries_with(log, &started) == 1).then_some(())).await;
    let again = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("the task again");
    assert_eq!(workflow_of(&again), &*workflow.workflow_id);
}

#[tokio::test]
async fn a_backlog_beyond_the_window_is_dispatched_whole() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &Options { queue_window: 10, ..options() }, engine);
    let leader = leader(&cluster, 1, 1).await;
    let queue = queue_in(&cluster, 1);
    let workflows: Vec<_> = (0..100).map(|n| workflow_in(&cluster, 1, &format!("b{n}"))).collect();
    for workflow in &workflows {
        leader.execute(envelope(workflow, start(&queue.name))).await.unwrap();
    }
    let mut order = Vec::new();
    for _ in &workflows {
        let response = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
        cluster.node(1).hand_over(token(&response)).unwrap().sent();
        order.push(workflow_of(&response).to_owned());
    }
    let expected: Vec<String> = workflows.iter().map(|w| w.workflow_id.to_string()).collect();
    assert_eq!(order, expected, "oldest first");
}

/// F34: whatever a command meets, it fails alone.
#[tokio::test]
async fn a_command_that_panics_is_answered_and_takes_nothing_with_it() {
    fn fragile(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
        assert!(!envelope.lane.id.starts_with("damaged"), "it breaks here");
        engine(rows, envelope, cx)
    }
    let cluster = Cluster::start(&[1], 1, |_| 1, &options(), fragile);
    let leader = leader(&cluster, 1, 1).await;
    let [damaged, other] = ["damaged", "other"].map(|name| workflow_in(&cluster, 1, name));
    for _ in 0..2 {
        let error = leader.execute(envelope(&damaged, signal("a"))).await.unwrap_err();
        assert!(matches!(&error, CommandError::Api(error) if error.code == Code::Internal), "{error:?}");
        leader.execute(envelope(&other, signal("a"))).await.unwrap();
    }
}

/// F44.
#[tokio::test]
async fn a_backlog_is_what_waits_in_all_shards_and_leaves_no_row_behind() {
    let cluster = Cluster::start(&[1], 2, |_| 1, &Options { queue_window: 10, ..options() }, engine);
    let home = leader(&cluster, 1, 1).await;
    let queue = queue_in(&cluster, 1);
    let mut waiting = 0;
    for (shard, count) in [(1, 25), (2, 3)] {
        let owner = leader(&cluster, 1, shard).await;
        for n in 0..count {
            let workflow = workflow_in(&cluster, shard, &format!("b{n}"));
            owner.execute(envelope(&workflow, start(&queue.name))).await.unwrap();
            waiting += 1;
        }
    }
    while waiting > 0 {
        assert_eq!(home.backlog(&queue, Instant::now() + TIMEOUT).await.unwrap(), waiting);
        let response = home.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
        cluster.node(1).hand_over(token(&response)).unwrap().sent();
        waiting -= 1;
    }
    assert_eq!(home.backlog(&queue, Instant::now() + TIMEOUT).await.unwrap(), 0);
    let of_queue = |key: &RowKey| matches!(key, RowKey::Ready { .. } | RowKey::QueueConfig(_));
    assert_eq!(cluster.logs.values().map(|log| log.count(of_queue)).sum::<usize>(), 0);
}

/// F44.
#[tokio::test]
async fn a_backlog_is_counted_no_further_than_to_the_limit() {
    const WINDOW: usize = 10;
    let cluster = alone();
    let (log, queue, run) = (&cluster.logs[&1], queue_in(&cluster, 1), workflow_in(&cluster, 1, "w").run(engine::RUN));
    let backlog_of = |tasks: u64| {
        for counter in 0..tasks {
            let (priority, stamp) = (3, Stamp { term: 1, counter });
            let (queue, run) = (queue.clone(), run.clone());
            let key = RowKey::Ready { queue: queue.clone(), priority, stamp };
            let scheduled_at = Timestamp(0);
            let task = ReadyTask {
                queue,
                priority,
                stamp,
                run,
                scheduled_event_id: 2,
                scheduled_at,
                sticky: false,
                of: SubjectKind::RUN,
            };
            log.put(key, codec::encode(&task));
        }
        let rows = LogRows(log.clone());
        ReadyWindows::load(&rows, WindowSize { queue: WINDOW, all: Share::fixed(WINDOW) }, |_| 1)
            .unwrap()
            .backlog(&queue, &rows)
            .unwrap()
    };
    let most = (WINDOW + COUNTED_TASKS) as u64;
    for (tasks, counted) in [(9, 9), (10, 10), (11, 11), (most - 1, most - 1), (most + 50, most)] {
        assert_eq!(backlog_of(tasks), counted, "of {tasks}");
    }
}
