//! Batch jobs with the real engine, over rows in memory.

use super::{TIMEOUT, eventually, leader, memory::Cluster, options, whole::start_request};
use crate::{
    CommandError, LeaderHandle, NodeId, Options, Question, ShardId, leader::executions::own,
    seam::messages::new_proposal_id,
};
use prost::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    batch::v1::{BatchOperationDeletion, BatchOperationInfo, BatchOperationSignal, BatchOperationTermination},
    common::v1::{Execution, WorkflowExecution},
    enums::v1::{EventType, ExecutionType},
    error::{ApiError, Code},
    history::v1::History,
    workflowservice::v1::{
        RegisterNamespaceRequest, StartBatchOperationRequest, StopBatchOperationRequest,
        TerminateWorkflowExecutionRequest, start_batch_operation_request::Operation,
    },
};
use tenure_engine::{
    Envelope, FeatureLevel, Lane, Limits, NamespaceId, RowKey, RunKey, ShardCommand, SubjectKind, WorkflowKey,
    batch::{BatchState, Phase},
    chain::Start,
    command::RunRequest,
    rows::{BatchPart, CurrentRun},
    system::{
        SystemCommand,
        cluster::{ClusterMap, NodeRow},
    },
    transition::transition,
};
use tokio::{task::JoinHandle, time::Instant};
use uuid::Uuid;

const NODES: [NodeId; 3] = [1, 2, 3];
const SHARDS: ShardId = 3;

/// A cluster with a namespace, and runs in it.
struct World {
    cluster: Arc<Cluster>,
    namespace: NamespaceId,
}

fn fast() -> Options {
    let limits = Limits { batch_operations_per_second: 100_000, ..Limits::default() };
    Options { limits, ..options() }
}

impl World {
    async fn new(options: &Options) -> World {
        let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], options, transition);
        let system = leader(&cluster, 1, 0).await;
        let row = |node: NodeId| NodeRow::new(Uuid::from_u128(node.into()), String::new(), String::new());
        let nodes = NODES.into_iter().map(|node| (node, row(node))).collect();
        let map = ClusterMap::found(Uuid::from_u128(1), FeatureLevel::KNOWN, nodes, SHARDS).unwrap();
        system.0.context.propose(&mut map.writes()).await.unwrap();
        let register = RegisterNamespaceRequest {
            namespace: "default".into(),
            workflow_execution_retention_period: Duration::from_secs(86400).try_into().ok(),
            ..Default::default()
        };
        let register = SystemCommand::RegisterNamespace(Arc::new(register));
        system.execute_system(new_proposal_id(), register).await.unwrap();
        let known = cluster.node(1).namespace("default", Instant::now() + TIMEOUT).await.unwrap().unwrap();
        for node in NODES {
            eventually(|| cluster.node(node).namespace_by_id(known.id)).await;
        }
        World { cluster, namespace: known.id }
    }

    async fn leader_of(&self, lane: &Lane) -> LeaderHandle {
        let shard = self.cluster.node(1).shard_of(lane.slot());
        eventually(|| NODES.iter().find_map(|node| self.cluster.node(*node).local(shard))).await
    }

    /// Runs a command, however often leaders change.
    async fn run(&self, lane: impl Into<Lane>, command: ShardCommand) {
        self.answer(lane.into(), command).await.unwrap();
    }

    /// Runs a command for a run that may be over by then.
    async fn run_unless_gone(&self, lane: impl Into<Lane>, command: ShardCommand) {
        match self.answer(lane.into(), command).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error.code, Code::NotFound, "{error}"),
        }
    }

    async fn answer(&self, lane: Lane, command: ShardCommand) -> Result<(), ApiError> {
        let envelope: Envelope = own(lane.clone(), command);
        loop {
            match self.leader_of(&lane).await.execute(envelope.clone()).await {
                Ok(_) => return Ok(()),
                Err(CommandError::NotLeader(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(CommandError::Api(error)) => return Err(error),
            }
        }
    }

    fn workflow(&self, number: usize) -> WorkflowKey {
        WorkflowKey { namespace: self.namespace, workflow_id: format!("w{number}").into() }
    }

    async fn start_workflows(&self, count: usize) {
        let starts = (0..count).map(|number| {
            let workflow = self.workflow(number);
            let start = Start::new(start_request(&workflow, "q")).unwrap();
            self.run(workflow, ShardCommand::StartWorkflow(Box::new(start)))
        });
        futures::future::join_all(starts).await;
    }

    fn rows<T>(&self, slot: u16, read: impl FnOnce(&Arc<super::memory::Log>) -> T) -> T {
        read(&self.cluster.logs[&self.cluster.node(1).shard_of(slot)])
    }

    /// How many events of a type the workflow's run has.
    fn events(&self, number: usize, wanted: EventType) -> usize {
        let workflow = self.workflow(number);
        let current = self.rows(workflow.slot(), |log| log.get(&RowKey::Current(workflow.clone()))).unwrap();
        let current: CurrentRun = tenure_engine::codec::decode(&current).unwrap();
        let of: RunKey = workflow.run(current.run_id);
        let chunks = self.rows(workflow.slot(), |log| log.history_of(&of));
        let events = chunks.into_iter().flat_map(|chunk| History::decode(chunk).unwrap().events);
        events.filter(|event| event.event_type() == wanted).count()
    }

    fn job(&self, lane: &Lane) -> Option<BatchState> {
        let row = RowKey::Batch { namespace: lane.namespace, job_id: lane.id.clone(), part: BatchPart::State };
        let row = self.rows(lane.slot(), |log| log.get(&row))?;
        Some(tenure_engine::codec::decode(&row).unwrap())
    }

    async fn closed(&self, lane: &Lane) -> BatchState {
        eventually(|| self.job(lane).filter(|job| !job.is_running())).await
    }

    async fn start_batch(&self, request: StartBatchOperationRequest) -> Lane {
        let lane = Lane::of_batch(self.namespace, &request.job_id);
        self.run(lane.clone(), ShardCommand::StartBatch(Arc::new(request))).await;
        lane
    }

    /// Moves leaders about from now on; for a while, so that a slow machine gets something done.
    fn shake(&self, every: Duration) -> JoinHandle<()> {
        const MOVES: usize = 60;

        let seed = rand::rng().random();
        println!("seed {seed}");
        let (cluster, mut random) = (self.cluster.clone(), StdRng::seed_from_u64(seed));
        tokio::spawn(async move {
            for _ in 0..MOVES {
                tokio::time::sleep(random.random_range(every / 2..every * 2)).await;
                cluster.logs[&random.random_range(1..=SHARDS)].lead(NODES[random.random_range(0..3)]);
            }
        })
    }
}

fn request(job_id: &str, operation: Operation) -> StartBatchOperationRequest {
    StartBatchOperationRequest {
        namespace: "default".into(),
        job_id: job_id.into(),
        reason: "why".into(),
        operation: Some(operation),
        ..Default::default()
    }
}

fn of_all(job_id: &str, operation: Operation) -> StartBatchOperationRequest {
    StartBatchOperationRequest { visibility_query: "WorkflowType = 'W'".into(), ..request(job_id, operation) }
}

#[allow(deprecated)]
fn of_ids(job_id: &str, operation: Operation, ids: impl Iterator<Item = String>) -> StartBatchOperationRequest {
    let execution = |workflow_id| WorkflowExecution { workflow_id, run_id: String::new() };
    StartBatchOperationRequest { executions: ids.map(execution).collect(), ..request(job_id, operation) }
}

fn terminate() -> Operation {
    Operation::TerminationOperation(BatchOperationTermination::default())
}

fn signal() -> Operation {
    Operation::SignalOperation(BatchOperationSignal { signal: "s".into(), ..Default::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_target_is_operated_on_once_however_often_leaders_go() {
    const RUNS: usize = 700;
    let world = World::new(&fast()).await;
    world.start_workflows(RUNS).await;
    let moving = world.shake(Duration::from_millis(15));
    let signals = world.start_batch(of_all("signals", signal())).await;
    let job = world.closed(&signals).await;
    assert_eq!((job.phase, job.total, job.complete, job.failed), (Phase::Completed, RUNS as u64, RUNS as u64, 0));
    let again: Vec<_> = (0..RUNS).filter(|n| world.events(*n, EventType::WorkflowExecutionSignaled) != 1).collect();
    assert_eq!(again, [0; 0], "each has one signal");
    moving.abort();
    let moving = world.shake(Duration::from_millis(15));
    let ends = world.start_batch(of_all("ends", terminate())).await;
    let job = world.closed(&ends).await;
    assert_eq!((job.phase, job.total, job.complete, job.failed), (Phase::Completed, RUNS as u64, RUNS as u64, 0));
    let again: Vec<_> = (0..RUNS).filter(|n| world.events(*n, EventType::WorkflowExecutionTerminated) != 1).collect();
    assert_eq!(again, [0; 0], "each was terminated once");
    moving.abort();
    let none = world.start_batch(of_all("none", terminate())).await;
    let job = world.closed(&none).await;
    assert_eq!((job.phase, job.total), (Phase::Completed, 0), "none is left");
}

/// What is closed meanwhile moves within the list that the job reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_are_closed_while_they_are_looked_for_are_found_once() {
    const RUNS: usize = 700;
    let world = World::new(&fast()).await;
    world.start_workflows(RUNS).await;
    let moving = world.shake(Duration::from_millis(30));
    let deletion = Operation::DeletionOperation(BatchOperationDeletion::default());
    let (lane, ()) = futures::join!(world.start_batch(of_all("deletion", deletion)), async {
        let ends = (0..RUNS).map(|number| {
            let request = TerminateWorkflowExecutionRequest::default();
            let command = ShardCommand::TerminateWorkflow(RunRequest::new(None, request));
            world.run_unless_gone(world.workflow(number), command)
        });
        futures::future::join_all(ends).await;
    });
    let job = world.closed(&lane).await;
    moving.abort();
    assert_eq!((job.phase, job.total, job.complete, job.failed), (Phase::Completed, RUNS as u64, RUNS as u64, 0));
    let records =
        |log: &Arc<super::memory::Log>| log.count(|key| matches!(key, RowKey::Record { kind: SubjectKind::RUN, .. }));
    assert_eq!(world.cluster.logs.values().map(records).sum::<usize>(), 0, "all are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_at_the_next_leader_where_the_last_one_was() {
    const RUNS: usize = 300;
    let limits = Limits { batch_operations_per_second: 200, ..Limits::default() };
    let world = World::new(&Options { limits, ..options() }).await;
    world.start_workflows(RUNS).await;
    let lane = world.start_batch(of_all("job", terminate())).await;
    let shard = world.cluster.node(1).shard_of(lane.slot());
    for loss in 1..=2_u64 {
        eventually(|| world.job(&lane).filter(|job| job.complete >= loss * 50)).await;
        let log = &world.cluster.logs[&shard];
        log.lead(NODES.into_iter().find(|node| *node != log.leader()).unwrap());
    }
    let job = world.closed(&lane).await;
    assert_eq!((job.phase, job.total, job.complete, job.failed), (Phase::Completed, RUNS as u64, RUNS as u64, 0));
    assert!((0..RUNS).all(|n| world.events(n, EventType::WorkflowExecutionTerminated) == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_stopped_does_nothing_more_and_counts_what_it_did() {
    const RUNS: usize = 100;
    let world =
        World::new(&Options { limits: Limits { batch_operations_per_second: 40, ..Limits::default() }, ..options() })
            .await;
    world.start_workflows(RUNS).await;
    let lane = world.start_batch(of_ids("job", terminate(), (0..RUNS).map(|n| format!("w{n}")))).await;
    eventually(|| world.job(&lane).filter(|job| job.complete > 0)).await;
    let stop = StopBatchOperationRequest { reason: "enough".into(), ..Default::default() };
    world.run(lane.clone(), ShardCommand::StopBatch(Arc::new(stop))).await;
    let terminated = || (0..RUNS).filter(|n| world.events(*n, EventType::WorkflowExecutionTerminated) == 1).count();
    let job = eventually(|| world.job(&lane).filter(|job| job.complete == terminated() as u64)).await;
    assert_eq!((job.phase, job.total), (Phase::Stopped, RUNS as u64));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.job(&lane).unwrap().complete, terminated() as u64);
    assert!(terminated() < RUNS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_held() {
    for (asked, set, expected) in [(0.0, 100, 100.0), (50.0, 100, 50.0), (1000.0, 100, 100.0)] {
        let limits = Limits { batch_operations_per_second: set, ..Limits::default() };
        let world = World::new(&Options { limits, ..options() }).await;
        let request = of_ids("job", terminate(), (0..80).map(|n| format!("w{n}")));
        let begin = Instant::now();
        let lane = world.start_batch(StartBatchOperationRequest { max_operations_per_second: asked, ..request }).await;
        let job = world.closed(&lane).await;
        assert_eq!((job.complete, job.failed), (80, 0), "who is not there needs nothing");
        let rate = 79.0 / begin.elapsed().as_secs_f64();
        assert!(rate <= expected, "{rate} a second, not {expected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_run_has_failed_and_what_is_over_is_done() {
    let world = World::new(&fast()).await;
    world.start_workflows(2).await;
    let target = |business_id: &str, run_id: &str| Execution {
        r#type: ExecutionType::Workflow.into(),
        business_id: business_id.into(),
        run_id: run_id.into(),
    };
    let unknown = Uuid::from_u128(9).to_string();
    let targets = vec![target("w0", ""), target("w0", ""), target("w1", "x"), target("", ""), target("w1", &unknown)];
    let request = StartBatchOperationRequest { target_executions: targets, ..request("job", terminate()) };
    let lane = world.start_batch(request).await;
    let job = world.closed(&lane).await;
    assert_eq!((job.phase, job.total, job.complete, job.failed), (Phase::Completed, 5, 3, 2));
    assert_eq!(world.events(0, EventType::WorkflowExecutionTerminated), 1);
    assert_eq!(world.events(1, EventType::WorkflowExecutionTerminated), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_listed_in_pages_and_a_namespace_runs_no_more_than_it_may() {
    let world = World::new(&options()).await;
    for number in 0..7 {
        let lane = world.start_batch(of_ids(&format!("job-{number}"), terminate(), std::iter::empty())).await;
        world.closed(&lane).await;
    }
    let slow = of_ids("slow", terminate(), (0..1000).map(|n| format!("w{n}")));
    let lane = world.start_batch(slow.clone()).await;
    let question = Question::Batches { namespace: world.namespace };
    let (mut listed, mut token) = (Vec::new(), bytes::Bytes::new());
    loop {
        let page = world.cluster.node(2).list(question.clone(), &token, 3, Instant::now() + TIMEOUT).await.unwrap();
        listed.extend(page.items.iter().map(|item| BatchOperationInfo::decode(item.value.clone()).unwrap().job_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = ["slow".to_owned()].into_iter().chain((0..7).rev().map(|n| format!("job-{n}"))).collect();
    assert_eq!(listed, expected, "those that run, then those that were closed last");

    let deadline = Instant::now() + TIMEOUT;
    let admit = async |id: &str, proposal| {
        let lane = Lane::of_batch(world.namespace, id);
        world.leader_of(&lane).await.admit_batch(&lane, proposal, &slow, deadline).await
    };
    let CommandError::Api(refused) = admit("another", new_proposal_id()).await.unwrap_err() else { panic!() };
    assert_eq!(refused.message, "Max concurrent batch operations is reached");
    let own = world.job(&lane).unwrap().proposal;
    admit("slow", own).await.expect("one that is tried again has its place");
    let bad = StartBatchOperationRequest { visibility_query: "Nothing = 1".into(), ..request("bad", terminate()) };
    let lane = Lane::of_batch(world.namespace, "bad");
    let leader = world.leader_of(&lane).await;
    let refused = leader.admit_batch(&lane, new_proposal_id(), &bad, deadline).await.unwrap_err();
    assert!(refused.to_string().contains("invalid visibility query: invalid search attribute: Nothing"), "{refused}");
}
