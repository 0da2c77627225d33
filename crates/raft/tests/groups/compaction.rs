//! The log is purged behind what is durable, under load, and followers that fell behind it are rebuilt.

use crate::common::{Cluster, eventually, row};
use bytes::Bytes;
use futures::future::join_all;
use std::time::{Duration, Instant};
use tenure_raft::{Group, Options};

fn eager(options: &mut Options) {
    options.flush_interval = Duration::from_millis(200);
    options.keep_entries = 20;
    options.tail_bytes = 64 << 10;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_behind_a_purged_log_gets_a_snapshot() {
    let mut cluster = Cluster::start(3, eager).await;
    cluster.write(1, 0..20).await;
    let (group, _) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    let had = *cluster.group(behind, 1).applied().borrow();
    cluster.kill(behind).await;
    // F2: a chunk of the snapshot takes the largest row.
    let (mut group, mut term) = cluster.leader(1).await;
    while group.propose(term, row(1000, tenure_limits::ENTRY - 1000)).await.is_err() {
        (group, term) = cluster.leader(1).await;
    }
    cluster.write(1, 20..300).await;
    eventually("the log is purged beyond what the follower has", || async {
        (group.status().purged_index > had + 100).then_some(())
    })
    .await;
    drop(group);
    cluster.restart(behind).await;
    cluster.assert_same().await;
    // It goes on from there, and survives a crash there.
    cluster.write(1, 300..320).await;
    cluster.assert_same().await;
    cluster.kill(behind).await;
    cluster.restart(behind).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

/// F51: what is written while a snapshot is on its way is still there when it has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_its_snapshot_while_the_load_goes_on() {
    let mut cluster = Cluster::start(3, |options| {
        eager(options);
        options.snapshot_bytes_per_second = 2 << 20;
        options.balance_after = Duration::from_secs(3600);
    })
    .await;
    let (group, _) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    drop(group);
    cluster.kill(behind).await;
    // Three seconds of a snapshot.
    let (mut group, mut term) = cluster.leader(1).await;
    for key in 0..60 {
        while group.propose(term, row(key, 100 << 10)).await.is_err() {
            (group, term) = cluster.leader(1).await;
        }
    }
    eventually("the log is purged beyond what the follower has", || async {
        (group.status().purged_index > 30).then_some(())
    })
    .await;
    let replicas: Vec<Group> = cluster.nodes.values().map(|node| node.group(1).unwrap()).collect();
    drop(group);
    let load = tokio::spawn(async move {
        for key in 1000.. {
            propose(&replicas, row(key, 100)).await;
        }
    });
    // Whoever leads by then sends it.
    let senders: Vec<_> = cluster.nodes.values().cloned().collect();
    let told = tokio::spawn(eventually("its progress is told", move || {
        let senders = senders.clone();
        async move {
            let statuses = join_all(senders.iter().map(|node| node.status())).await;
            let mut snapshots = statuses.into_iter().flat_map(|status| status.snapshots);
            snapshots.find(|it| it.shard == 1 && it.sent_bytes > 0)
        }
    }));
    cluster.restart(behind).await;
    told.await.unwrap();
    let (caught_up, begin) = (cluster.group(behind, 1), Instant::now());
    eventually("it has caught up", || async {
        let (leading, _) = cluster.leader(1).await;
        let lag = leading.status().committed_index.saturating_sub(*caught_up.applied().borrow());
        (lag < 100).then_some(())
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    load.abort();
    cluster.assert_same().await;
    for node in cluster.nodes.values() {
        assert!(node.status().await.snapshots.is_empty());
    }
    cluster.stop().await;
}

/// F8: large entries are not kept by their number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_keeps_a_margin_of_bytes() {
    let cluster = Cluster::start(3, |options| {
        eager(options);
        options.keep_entries = 10_000;
        options.keep_bytes = 1 << 20;
    })
    .await;
    let (mut group, mut term) = cluster.leader(1).await;
    for key in 0..60 {
        while group.propose(term, row(key, 100 << 10)).await.is_err() {
            (group, term) = cluster.leader(1).await;
        }
    }
    eventually("all replicas have purged all but a megabyte", || async {
        let purged = |id| {
            let status = cluster.group(id, 1).status();
            status.last_log_index - status.purged_index <= 20
        };
        (1..=3).all(purged).then_some(())
    })
    .await;
    let status = group.status();
    assert!(status.last_log_index - status.purged_index >= 8, "a margin is kept");
    cluster.assert_same().await;
    cluster.stop().await;
}

/// Tries once at the replica that leads, if one does: a busy machine may make leaders change. How many were written.
async fn propose(replicas: &[Group], entry: Bytes) -> u64 {
    for group in replicas {
        let now = *group.leadership().borrow();
        if now.is_leader {
            return group.propose(now.term, entry).await.is_ok().into();
        }
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    0
}

/// openraft#2116: purging raced applying, and the core was gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_never_overtakes_applying() {
    let cluster = Cluster::start(3, |options| {
        eager(options);
        options.flush_bytes = 1 << 20;
    })
    .await;
    let (group, _) = cluster.leader(1).await;
    let until = Instant::now() + Duration::from_secs(12);
    let replicas: Vec<Group> = (1..=3).map(|id| cluster.group(id, 1)).collect();
    let writer = |worker: u64| {
        let replicas = replicas.clone();
        tokio::spawn(async move {
            let mut written = 0_u64;
            while Instant::now() < until {
                written += propose(&replicas, row((worker << 32) | (written % 1000), 2000)).await;
            }
            written
        })
    };
    let writers: Vec<_> = (0..64).map(writer).collect();
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    let status = group.status();
    println!("{written} entries in 12 s, purged up to {} of {}", status.purged_index, status.last_log_index);
    assert!(status.purged_index > 0);
    cluster.assert_same().await;
    cluster.stop().await;
}

/// Restarts under load, again and again: replays, snapshots and purging meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_restarts_under_load_catches_up() {
    let mut cluster = Cluster::start(3, eager).await;
    let (group, _) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let victim = (1..=3).find(|id| *id != leader).unwrap();
    let others: Vec<Group> = (1..=3).filter(|id| *id != victim).map(|id| cluster.group(id, 1)).collect();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn({
        async move {
            let mut written = 0;
            while !*stopped.borrow() {
                written += propose(&others, row(written % 500, 1000)).await;
            }
            written
        }
    });
    for _ in 0..3 {
        cluster.kill(victim).await;
        let at = group.status().last_log_index;
        eventually("the others went on", || async { (group.status().last_log_index > at + 100).then_some(()) }).await;
        cluster.restart(victim).await;
    }
    stop.send_replace(true);
    println!("{} entries written meanwhile", load.await.unwrap());
    cluster.assert_same().await;
    cluster.stop().await;
}
