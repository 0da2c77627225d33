//! Linearizable reads while leaders change.

use crate::common::{Cluster, DEADLINE, row};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_engine::rows::{RowKey, StateReader as _, SystemTable};
use tenure_peer::Cut;
use tenure_raft::Group;

fn has_row(group: &Group, key: u64) -> bool {
    let name = RowKey::System { table: SystemTable::Namespace, key: format!("row-{key:08}").into() };
    group.reader().get(&name).expect("can be read").is_some()
}

/// Reads through any replica, as long as `go_on` says so: what passes the barrier must show what was acknowledged before.
/// Answers how many did.
async fn read(group: Group, acknowledged: Arc<AtomicU64>, go_on: Arc<AtomicBool>) -> u64 {
    let mut passed = 0;
    while go_on.load(Ordering::Relaxed) {
        let before = acknowledged.load(Ordering::SeqCst);
        match group.linearizable().await {
            Ok(()) => {
                assert!(before == 0 || has_row(&group, before), "row {before} was acknowledged, and is not read");
                passed += 1;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_show_what_was_acknowledged_while_leaders_change() {
    let cluster = Cluster::start(3, |_| {}).await;
    let (acknowledged, go_on) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let readers: Vec<_> =
        (1..=3).map(|node| tokio::spawn(read(cluster.group(node, 1), acknowledged.clone(), go_on.clone()))).collect();
    let mut key = 0;
    let begin = Instant::now();
    for round in 0..6 {
        let (group, term) = cluster.leader(1).await;
        for _ in 0..50 {
            key += 1;
            if group.propose(term, row(key, 100)).await.is_err() {
                break;
            }
            acknowledged.store(key, Ordering::SeqCst);
        }
        let leader = group.leadership().borrow().leader.expect("it leads");
        let others: BTreeSet<u64> = (1..=3).filter(|id| *id != leader).collect();
        if round % 2 == 0 {
            // The old leader can be asked, and hears nothing of the new one.
            assert!(cluster.nodes[&leader].peers().faults().cut_off(Cut::BothWays(others.clone())));
            let mut leadership = cluster.group(*others.first().expect("two"), 1).leadership();
            let replaced = leadership.wait_for(|now| now.leader.is_some_and(|l| l != leader) && now.term > term);
            let term = tokio::time::timeout(DEADLINE, replaced).await.expect("in time").expect("is open").term;
            let next = leadership.borrow().leader.expect("there is one");
            for _ in 0..20 {
                key += 1;
                if cluster.group(next, 1).propose(term, row(key, 100)).await.is_ok() {
                    acknowledged.store(key, Ordering::SeqCst);
                }
            }
            assert!(cluster.nodes[&leader].peers().faults().cut_off(Cut::Nothing));
        } else {
            // It may not be able to hand over just now.
            let _ = group.transfer_leader(*others.first().expect("two")).await;
        }
    }
    go_on.store(false, Ordering::Relaxed);
    let passed: u64 = futures::future::try_join_all(readers).await.expect("no read is wrong").into_iter().sum();
    println!("{passed} reads in {:?}, {} rows", begin.elapsed(), acknowledged.load(Ordering::SeqCst));
    assert!(passed > 100, "{passed} reads passed");
    cluster.stop().await;
}
