//! Leaderships go from replica to replica while entries are written.

use crate::common::{Cluster, DEADLINE, eventually, row};
use futures::FutureExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_peer::admin::{DrainReply, DrainRequest, admin_client::AdminClient};
use tenure_raft::{Group, Steps, TransferError};
use tonic::Status;

/// F64: leaderships go back and forth under many writers, and nobody waits long: the new leader has everything when the old
/// one lets go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_under_load_cost_no_election() {
    let cluster = Cluster::start(3, |options| options.balance_after = Duration::from_secs(600)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let groups: Vec<Group> = (1..=3).map(|node| cluster.group(node, 1)).collect();
    // Each writer is a caller that tries again until it is acknowledged; the longest that one took is a gap.
    let writers: Vec<_> = (0..16u64)
        .map(|writer| {
            let (groups, stop) = (groups.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut written, mut longest) = (0u64, Duration::ZERO);
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    loop {
                        let leader = groups.iter().find(|group| group.leadership().borrow().is_leader);
                        if let Some(leader) = leader {
                            let term = leader.leadership().borrow().term;
                            if leader.propose(term, row(1_000 * writer + written % 1_000, 100)).await.is_ok() {
                                break;
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    (written, longest) = (written + 1, longest.max(begin.elapsed()));
                }
                (written, longest)
            })
        })
        .collect();
    let (mut handed_over, mut refused) = (0, 0);
    let begin = Instant::now();
    while handed_over < 100 {
        assert!(begin.elapsed() < 4 * DEADLINE, "{handed_over} of 100 hand-overs, {refused} refused");
        let (leader, _) = cluster.leader(1).await;
        let from = leader.leadership().borrow().leader.unwrap();
        match leader.transfer_leader(from % 3 + 1).await {
            Ok(()) => handed_over += 1,
            Err(_) => refused += 1,
        }
    }
    let took = begin.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (mut written, mut longest) = (0, Duration::ZERO);
    for writer in writers {
        let (count, slowest) = writer.await.unwrap();
        (written, longest) = (written + count, longest.max(slowest));
    }
    println!("100 hand-overs in {took:?}, {refused} refused, {written} writes, the slowest took {longest:?}");
    assert!(longest < Duration::from_secs(1), "a write took {longest:?}");
    cluster.assert_same().await;
    cluster.stop().await;
}

/// The heir is gone, and nobody has noticed yet: the leader goes on in its term, and nobody waits for an election.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_is_not_handed_to_a_node_that_is_gone() {
    let mut cluster = Cluster::start(3, |options| options.balance_after = Duration::from_secs(600)).await;
    cluster.write(1, 0..10).await;
    let (group, term) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let heir = leader % 3 + 1;
    cluster.kill(heir).await;
    let begin = Instant::now();
    let refused = group.transfer_leader(heir).await.unwrap_err();
    println!("{refused} after {:?}", begin.elapsed());
    assert!(matches!(refused, TransferError::Silent(_) | TransferError::Lagging { .. }), "{refused}");
    group.propose(term, row(1, 100)).await.expect("the term goes on");
    cluster.stop().await;
}

/// An heir that is told to lead, and does not: another one is told, long before there would be an election.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_leads_when_an_heir_does_not_take_over() {
    let slow = Arc::new(AtomicU64::new(0));
    let held = slow.clone();
    let steps = Steps::new(move |node, place| {
        let held = node == held.load(Ordering::Relaxed) && place == "shard 1: told to lead";
        async move {
            if held {
                std::future::pending().await
            }
        }
        .boxed()
    });
    let cluster = Cluster::start(3, |options| {
        options.balance_after = Duration::from_secs(600);
        options.steps = steps;
    })
    .await;
    cluster.write(1, 0..10).await;
    let (group, _) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let (heir, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    slow.store(heir, Ordering::Relaxed);
    let begin = Instant::now();
    let outcome = group.transfer_leader(heir).await;
    println!("{outcome:?} after {:?}", begin.elapsed());
    assert_eq!(outcome, Err(TransferError::TookOver { to: heir, instead: other }));
    cluster.write(1, 10..20).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

async fn drain(cluster: &Cluster, asked: u64, request: DrainRequest) -> Result<DrainReply, Status> {
    let mut client = AdminClient::connect(format!("http://{}", cluster.address(asked))).await.unwrap();
    client.drain(request).await.map(tonic::Response::into_inner)
}

/// A node that is drained leads nothing, not even when another one is lost, until it may again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_leads_nothing_until_it_may_again() {
    let mut cluster = Cluster::start(3, |options| options.balance_after = Duration::from_millis(200)).await;
    let look = DrainRequest { node: 1, look: true, ..Default::default() };
    let plan = eventually("node 1 leads what it should", || async {
        let plan = drain(&cluster, 2, look).await.unwrap();
        let all_could_go = plan.led.iter().all(|led| led.to > 1 && led.waits_for.is_empty());
        (plan.led.len() == 2 && all_could_go).then_some(plan)
    })
    .await;
    assert!(!plan.draining, "{plan:?}");
    assert!(drain(&cluster, 2, DrainRequest { node: 1, ..Default::default() }).await.unwrap().draining);
    eventually("it leads nothing", || async { drain(&cluster, 3, look).await.ok()?.led.is_empty().then_some(()) })
        .await;
    eventually("the others know", || async {
        [2, 3].iter().all(|id| cluster.nodes[id].peers().is_draining(1)).then_some(())
    })
    .await;
    cluster.kill(2).await;
    eventually("node 3 leads everything", || async {
        (0..=3).all(|shard| cluster.group(3, shard).leadership().borrow().is_leader).then_some(())
    })
    .await;
    let said = drain(&cluster, 3, DrainRequest { node: 2, ..Default::default() }).await.unwrap_err();
    assert!(said.message().contains("node 2 does not answer, and one that is down leads nothing"), "{said:?}");
    let said = drain(&cluster, 3, DrainRequest { node: 9, ..Default::default() }).await.unwrap_err();
    assert!(said.message().contains("there is no node 9 in this cluster"), "{said:?}");
    // Nobody is left whom the third could hand over to.
    drain(&cluster, 1, DrainRequest { node: 3, ..Default::default() }).await.unwrap();
    let why = "the other nodes are drained, too";
    eventually(why, || async {
        let still = drain(&cluster, 1, DrainRequest { node: 3, look: true, ..Default::default() }).await.ok()?;
        (still.led.len() == 4 && still.led.iter().all(|led| led.waits_for == why)).then_some(())
    })
    .await;
    drain(&cluster, 1, DrainRequest { node: 3, undo: true, ..Default::default() }).await.unwrap();
    cluster.restart(2).await;
    cluster.write(1, 0..10).await;
    assert!(!drain(&cluster, 1, DrainRequest { node: 1, undo: true, ..Default::default() }).await.unwrap().draining);
    eventually("node 1 has its own again", || async {
        (drain(&cluster, 2, look).await.ok()?.led.len() == 2).then_some(())
    })
    .await;
    cluster.assert_same().await;
    cluster.stop().await;
}
