//! A second kind of subject beside runs, with an engine of its own: its rows, its lane, its timer, messages to and from a
//! run, its decoded state, all of it while leaders come and go.

use super::{NAMESPACE, eventually, memory::Cluster, options};
use crate::{CommandError, LeaderHandle, NodeId, leader::executions::own};
use minicbor::{Decode, Encode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};
use tenure_api::error::ApiError;
use tenure_engine::{
    Address, Effect, Envelope, Lane, Op, Reply, RowKey, ShardCommand, StateReader, Subject, SubjectKind, Timestamp,
    Transition, WorkflowKey, WriteSet, codec,
    outbox::{Body, ClosePolicy, OutboxEntry, OutboxMessage, Receipt},
    subject::WrittenState,
    transition::{Context, Refused},
};
use uuid::Uuid;

/// The second kind.
const BELL: SubjectKind = SubjectKind(200);
const KINDS: [SubjectKind; 2] = [SubjectKind::RUN, BELL];

const NODES: [NodeId; 3] = [1, 2, 3];
const SHARDS: u32 = 3;

/// What a subject of the test is.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
struct Bell {
    #[n(0)]
    due: Option<Timestamp>,
    /// How often its timer has fired.
    #[n(1)]
    rung: u32,
    /// Who sent it which messages, each once.
    #[n(2)]
    heard: Vec<(Subject, i64)>,
    /// Commands that found the state of the last one in memory.
    #[n(3)]
    handed_on: u32,
}

fn lane(kind: SubjectKind, id: &str) -> Lane {
    Lane { kind, namespace: NAMESPACE, id: id.into() }
}

fn subject(lane: &Lane) -> Subject {
    lane.instance(Uuid::from_u128(7))
}

fn row(lane: &Lane) -> RowKey {
    let workflow = WorkflowKey { namespace: lane.namespace, workflow_id: lane.id.clone() };
    RowKey::RequestId { workflow, request_id: format!("bell of kind {}", lane.kind.0).into() }
}

fn read(rows: &dyn StateReader, of: &Subject) -> Result<Bell, Refused> {
    if let Some(state) = rows.state(of) {
        let mut bell = Bell::clone(state.downcast_ref().expect("a state of the test"));
        bell.handed_on += 1;
        return Ok(bell);
    }
    let value = rows.get(&row(&of.lane))?;
    Ok(value.map(|value| codec::decode(&value).expect("the test wrote it")).unwrap_or_default())
}

/// What `name` of a signal asks for: `ring`: the timer fires in a moment; `tell N`: message N for the other kind's subject
/// of the same id.
fn engine(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    let own = subject(&envelope.lane);
    let mut bell = read(rows, &own)?;
    let (mut ops, mut effects, mut reply) = (Vec::new(), Vec::new(), Reply::Done);
    match &envelope.command {
        ShardCommand::SignalWorkflow(signal) => match signal.request.signal_name.strip_prefix("tell ") {
            Some(number) => {
                let other = KINDS[usize::from(own.lane.kind == KINDS[0])];
                let to = Address::Lane(lane(other, &own.lane.id));
                let initiated_event_id = number.parse().expect("a number");
                let body = Body::ParentClosed { initiated_event_id, policy: ClosePolicy::Terminate };
                let stamp = cx.ids.stamp();
                let message = OutboxMessage { to: to.clone(), body };
                ops.push(Op::Put(RowKey::Outbox { from: own.clone(), stamp }, codec::encode(&message)));
                effects.push(Effect::OutboxReady(OutboxEntry { from: own.clone(), stamp, to }));
            }
            None if bell.rung == 0 && bell.due.is_none() => {
                let due = cx.now.plus(Duration::from_millis(200));
                bell.due = Some(due);
                ops.push(Op::Put(RowKey::Timer { due, subject: own.clone() }, Default::default()));
                effects.push(Effect::TimerArmed { subject: own.clone(), due: Some(due) });
            }
            None => {}
        },
        ShardCommand::TimerDue { instance } => {
            assert_eq!(*instance, own.instance);
            if let Some(due) = bell.due.take() {
                assert!(due <= cx.now, "the timer is early");
                bell.rung += 1;
                ops.push(Op::Delete(RowKey::Timer { due, subject: own.clone() }));
                effects.push(Effect::TimerArmed { subject: own.clone(), due: None });
            }
        }
        ShardCommand::Receive { from, message } => {
            let Body::ParentClosed { initiated_event_id, .. } = message.body else { panic!("nobody sends others") };
            let heard = (from.clone(), initiated_event_id);
            if !bell.heard.contains(&heard) {
                bell.heard.push(heard);
            }
            reply = Reply::Received(Receipt::Done);
        }
        ShardCommand::Acknowledge { instance, stamp, .. } => {
            assert_eq!(*instance, own.instance);
            ops.push(Op::Delete(RowKey::Outbox { from: own.clone(), stamp: *stamp }));
        }
        other => return Err(ApiError::unimplemented(&format!("{other:?}")).into()),
    }
    ops.push(Op::Put(row(&own.lane), codec::encode(&bell)));
    let states = vec![WrittenState { subject: own, state: Arc::new(bell), bytes: Some(100) }];
    Ok(Transition { reply, writes: WriteSet { ops }, states, effects, copy: None })
}

async fn leader_of(cluster: &Cluster, lane: &Lane) -> LeaderHandle {
    let shard = cluster.node(1).shard_of(lane.slot());
    eventually(|| NODES.iter().find_map(|node| cluster.node(*node).local(shard))).await
}

/// Signals a subject, however often its leader goes.
async fn signal(cluster: &Cluster, lane: &Lane, name: &str) {
    let envelope = own(lane.clone(), super::signal(name));
    loop {
        match leader_of(cluster, lane).await.execute(envelope.clone()).await {
            Ok(_) => return,
            Err(CommandError::NotLeader(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
            Err(CommandError::Api(error)) => panic!("{error}"),
        }
    }
}

fn state(cluster: &Cluster, lane: &Lane) -> Option<Bell> {
    let shard = cluster.node(1).shard_of(lane.slot());
    cluster.logs[&shard].get(&row(lane)).map(|value| codec::decode(&value).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_kind_lives_beside_runs_while_leaders_come_and_go() {
    const IDS: usize = 12;
    const MESSAGES: i64 = 20;
    let seed = rand::rng().random();
    println!("seed {seed}");
    let cluster = Cluster::start(&NODES, SHARDS, |shard| NODES[shard as usize % 3], &options(), engine);
    let moving = {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            loop {
                tokio::time::sleep(Duration::from_millis(random.random_range(1..10))).await;
                cluster.logs[&random.random_range(1..=SHARDS)].lead(NODES[random.random_range(0..3)]);
            }
        })
    };
    // Subjects of both kinds with the same ids have nothing in common but their shard.
    let lanes: Vec<Lane> = (0..IDS).flat_map(|n| KINDS.map(|kind| lane(kind, &format!("id-{n}")))).collect();
    let calls = lanes.iter().map(|lane| {
        let (cluster, lane) = (cluster.clone(), lane.clone());
        tokio::spawn(async move {
            signal(&cluster, &lane, "ring").await;
            for number in 0..MESSAGES {
                signal(&cluster, &lane, &format!("tell {number}")).await;
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let done = |bell: &Bell| bell.rung == 1 && bell.heard.len() >= MESSAGES as usize;
    eventually(|| lanes.iter().all(|lane| state(&cluster, lane).is_some_and(|bell| done(&bell))).then_some(())).await;
    moving.abort();
    let left = |log: &Arc<super::memory::Log>| log.count(|key| matches!(key, RowKey::Outbox { .. }));
    eventually(|| (cluster.logs.values().map(left).sum::<usize>() == 0).then_some(())).await;
    for own in &lanes {
        let bell = state(&cluster, own).unwrap();
        let sender = subject(&lane(KINDS[usize::from(own.kind == KINDS[0])], &own.id));
        let expected: Vec<_> = (0..MESSAGES).map(|number| (sender.clone(), number)).collect();
        assert_eq!((bell.due, bell.rung, bell.heard), (None, 1, expected), "{own}: once each, and in order");
    }
}

#[tokio::test]
async fn the_state_of_a_second_kind_is_kept_by_the_leader() {
    let cluster = Cluster::start(&NODES, SHARDS, |_| 1, &options(), engine);
    let lane = lane(BELL, "kept");
    signal(&cluster, &lane, "ring").await;
    signal(&cluster, &lane, "ring").await;
    signal(&cluster, &lane, "ring").await;
    assert!(state(&cluster, &lane).unwrap().handed_on >= 2, "each command found what the last one left in memory");
}
