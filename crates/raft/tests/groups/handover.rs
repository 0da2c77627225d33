//! Leaderships go from replica to replica while entries are written.

use crate::common::{Cluster, DEADLINE, row};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_raft::Group;

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
