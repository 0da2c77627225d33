//! What workers say of themselves: kept where their queues are homed, listed by any node, and known again after a change of
//! leaders with their next heartbeats.

use super::{
    NAMESPACE, TIMEOUT, engine::engine, eventually, gather::raise, leader, memory::Cluster, options, queue_in,
};
use crate::{
    Question, ShardId, WorkerQuery,
    seam::{
        messages::Request,
        question::{StepPlace, StepRequest, StepsRequest},
    },
};
use bytes::Bytes;
use prost::Message;
use std::sync::Arc;
use tenure_api::{
    enums::v1::WorkerStatus,
    error::{ApiError, Code},
    worker::v1::WorkerHeartbeat,
};
use tenure_engine::{FeatureLevel, codec};
use tenure_limits::WORKER_BYTES;
use tokio::time::Instant;

const SHARDS: ShardId = 4;

async fn cluster() -> Arc<Cluster> {
    let cluster = Cluster::start(&[1, 2, 3], SHARDS, |shard| u64::from(shard % 3) + 1, &options(), engine);
    raise(&cluster, FeatureLevel::WORKERS).await;
    for shard in 1..=SHARDS {
        leader(&cluster, u64::from(shard % 3) + 1, shard).await;
    }
    cluster
}

fn queue(cluster: &Cluster, shard: ShardId) -> String {
    queue_in(cluster, shard).name.to_string()
}

fn worker(key: &str, queue: &str) -> WorkerHeartbeat {
    WorkerHeartbeat {
        worker_instance_key: key.into(),
        task_queue: queue.into(),
        status: WorkerStatus::Running.into(),
        ..Default::default()
    }
}

async fn say(cluster: &Cluster, node: u64, heartbeats: &[WorkerHeartbeat]) {
    cluster.node(node).workers_said(NAMESPACE, heartbeats, Instant::now() + TIMEOUT).await.unwrap();
}

fn query(text: &str) -> WorkerQuery {
    WorkerQuery { namespace: NAMESPACE, query: text.into(), of_server: false }
}

/// The keys of the workers that a node lists, in pages of a size.
async fn list(cluster: &Cluster, node: u64, text: &str, size: usize) -> Result<Vec<String>, ApiError> {
    let (mut keys, mut token) = (Vec::new(), Bytes::new());
    loop {
        let question = Question::Workers(query(text));
        let page = cluster.node(node).list(question, &token, size, Instant::now() + TIMEOUT).await?;
        assert!(page.items.len() <= size);
        let decode = |value| WorkerHeartbeat::decode(value).unwrap().worker_instance_key;
        keys.extend(page.items.into_iter().map(|item| decode(item.value)));
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(keys);
        }
    }
}

/// The shards that other nodes were asked for since the last look.
fn shards_asked(cluster: &Cluster) -> Vec<ShardId> {
    let calls: Vec<_> = cluster.calls.lock().drain(..).collect();
    let shards = calls.iter().map(|body| match codec::decode::<Request>(body).unwrap() {
        Request::Step(StepRequest { shard, .. }) => vec![shard],
        Request::Steps(StepsRequest { places, .. }) => places.iter().map(|StepPlace { shard, .. }| *shard).collect(),
        _ => vec![],
    });
    shards.flatten().collect()
}

#[tokio::test]
async fn any_node_lists_the_workers_of_all_queues_by_their_keys() {
    let cluster = cluster().await;
    let workers: Vec<_> = (0..40).map(|n| worker(&format!("w{n:02}"), &queue(&cluster, n % SHARDS + 1))).collect();
    say(&cluster, 1, &workers[..30]).await;
    say(&cluster, 3, &workers[30..]).await;
    let expected: Vec<_> = workers.iter().map(|worker| worker.worker_instance_key.clone()).collect();
    for node in 1..=3 {
        for size in [1, 7, 1000] {
            assert_eq!(list(&cluster, node, "Status = 'Running'", size).await.unwrap(), expected);
        }
        let node_here = cluster.node(node);
        let count = node_here.count_workers(query("WorkerInstanceKey != 'w00'"), Instant::now() + TIMEOUT).await;
        assert_eq!(count.unwrap(), 39);
        for (text, found) in [
            ("WorkerInstanceKey = 'w07'", vec!["w07"]),
            ("WorkerInstanceKey = 'w07' AND Status != 'Running'", vec![]),
            ("WorkerInstanceKey = 'w07' AND WorkerInstanceKey = 'w08'", vec![]),
            ("WorkerInstanceKey = 'nobody'", vec![]),
        ] {
            assert_eq!(list(&cluster, node, text, 1).await.unwrap(), found);
        }
    }
}

#[tokio::test]
async fn a_list_of_one_queue_asks_its_home_alone() {
    let cluster = cluster().await;
    let queues: Vec<_> = (1..=SHARDS).map(|shard| queue(&cluster, shard)).collect();
    let workers: Vec<_> = queues.iter().map(|queue| worker(&format!("of {queue}"), queue)).collect();
    say(&cluster, 1, &workers).await;
    for (shard, queue) in (1..=SHARDS).zip(&queues) {
        for node in 1..=3 {
            cluster.calls.lock().clear();
            let found = list(&cluster, node, &format!("TaskQueue = '{queue}' AND Status = 'Running'"), 10).await;
            assert_eq!(found.unwrap(), [format!("of {queue}")]);
            assert!(shards_asked(&cluster).iter().all(|asked| *asked == shard), "for {queue} of shard {shard}");
        }
    }
}

#[tokio::test]
async fn a_new_leader_knows_a_worker_with_its_next_heartbeat() {
    let cluster = cluster().await;
    let queue = queue(&cluster, 1);
    say(&cluster, 1, &[worker("a", &queue), worker("b", &queue)]).await;
    assert_eq!(list(&cluster, 1, "", 10).await.unwrap(), ["a", "b"]);
    cluster.logs[&1].lead(3);
    leader(&cluster, 3, 1).await;
    assert_eq!(list(&cluster, 1, "", 10).await.unwrap(), [""; 0]);
    say(&cluster, 1, &[worker("b", &queue)]).await;
    assert_eq!(list(&cluster, 2, "", 10).await.unwrap(), ["b"]);
    // The old leader's are gone, too, when it leads again.
    cluster.logs[&1].lead(2);
    leader(&cluster, 2, 1).await;
    say(&cluster, 1, &[worker("a", &queue)]).await;
    assert_eq!(list(&cluster, 3, "", 10).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn pages_are_sound_when_workers_come_and_go_between_them() {
    let cluster = cluster().await;
    let queues: Vec<_> = (1..=SHARDS).map(|shard| queue(&cluster, shard)).collect();
    let of = |n: usize| worker(&format!("w{n:02}"), &queues[n % queues.len()]);
    say(&cluster, 1, &(0..20).map(of).collect::<Vec<_>>()).await;
    let question = Question::Workers(query(""));
    let (mut keys, mut token, mut page_number) = (Vec::new(), Bytes::new(), 0);
    loop {
        let node = cluster.node(page_number % 3 + 1);
        let page = node.list(question.clone(), &token, 5, Instant::now() + TIMEOUT).await.unwrap();
        keys.extend(page.items.iter().map(|item| String::from_utf8(item.place.to_vec()).unwrap()));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // One that was on the page goes, one of a later page goes, and one comes before the page.
        let gone = |n| WorkerHeartbeat { status: WorkerStatus::Shutdown.into(), ..of(n) };
        say(&cluster, 2, &[gone(0), gone(15), worker("a", &queues[0])]).await;
        page_number += 1;
    }
    let expected: Vec<_> = (0..20).filter(|n| *n != 15).map(|n| format!("w{n:02}")).collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn below_its_feature_level_nothing_is_kept_and_a_list_says_so() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &options(), engine);
    raise(&cluster, FeatureLevel::ACTIVITIES).await;
    leader(&cluster, 1, 1).await;
    say(&cluster, 1, &[worker("a", "q")]).await;
    let error = list(&cluster, 1, "", 10).await.unwrap_err();
    assert_eq!(error.code, Code::FailedPrecondition);
    assert!(error.message.contains("feature level 7, and this needs 8"), "{}", error.message);
    raise(&cluster, FeatureLevel::WORKERS).await;
    assert_eq!(list(&cluster, 1, "", 10).await.unwrap(), [""; 0]);
    say(&cluster, 1, &[worker("a", "q")]).await;
    assert_eq!(list(&cluster, 1, "", 10).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_home_keeps_no_more_than_its_share() {
    let shards = 15;
    let cluster = Cluster::start(&[1], shards, |_| 1, &options(), engine);
    raise(&cluster, FeatureLevel::WORKERS).await;
    eventually(|| (cluster.node(1).led().len() == shards as usize + 1).then_some(())).await;
    let queue = queue(&cluster, 1);
    let share = WORKER_BYTES / (shards as usize + 1);
    let size = 60_000;
    let fit = share / size;
    let large = |n: usize| WorkerHeartbeat { worker_identity: "i".repeat(size), ..worker(&format!("w{n:03}"), &queue) };
    for n in 0..fit + 20 {
        say(&cluster, 1, &[large(n)]).await;
    }
    let kept = list(&cluster, 1, "", 1000).await.unwrap();
    assert!((fit - 2..=fit).contains(&kept.len()), "{} of {fit}", kept.len());
    let last: Vec<_> = (0..fit + 20).map(|n| format!("w{n:03}")).skip(fit + 20 - kept.len()).collect();
    assert_eq!(kept, last);
}
