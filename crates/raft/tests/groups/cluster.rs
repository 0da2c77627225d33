//! Groups over real storage and real connections: elections, fencing, crashes, partitions, identities.

use crate::common::{Cluster, DEADLINE, eventually, row};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tenure_peer::Cut;
use tenure_raft::{ProposeError, ReadError, StartError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_is_a_cluster_at_once() {
    let begin = Instant::now();
    let cluster = Cluster::start(1, |options| options.shards = 8).await;
    for shard in 0..=8 {
        let (group, term) = cluster.leader(shard).await;
        group.propose(term, row(1, 10)).await.unwrap();
    }
    println!("founded, all leaders written to after {:?}", begin.elapsed());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cluster_has_balanced_leaders_and_equal_replicas() {
    let begin = Instant::now();
    let cluster = Cluster::start(3, |_| {}).await;
    println!("founded after {:?}", begin.elapsed());
    for shard in 0..=3 {
        cluster.write(shard, 0..20).await;
    }
    println!("written after {:?}", begin.elapsed());
    let map = cluster.nodes[&1].map().clone();
    assert!(cluster.nodes.values().all(|node| node.map() == map));
    let preferred: BTreeSet<_> = (1..=3).map(|shard| map.preferred_leader(shard)).collect();
    assert_eq!(preferred.len(), 3);
    cluster.assert_same().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_are_fenced_by_the_term() {
    let cluster = Cluster::start(3, |_| {}).await;
    let (group, term) = cluster.leader(1).await;
    assert!(matches!(group.propose(term - 1, row(1, 1)).await, Err(ProposeError::NotLeader { .. })));
    assert!(matches!(group.propose(term + 1, row(1, 1)).await, Err(ProposeError::NotLeader { .. })));
    let leader = group.leadership().borrow().leader.unwrap();
    let other = (1..=3).find(|id| *id != leader).unwrap();
    let follower = cluster.group(other, 1);
    // On a busy machine it may have lost sight of its leader.
    let known = |named: Option<u64>| named.is_none_or(|named| named == leader);
    let refused = follower.propose(term, row(1, 1)).await;
    assert!(matches!(refused, Err(ProposeError::NotLeader { leader }) if known(leader)), "{refused:?}");
    let refused = follower.linearizable().await;
    assert!(matches!(refused, Err(ReadError::NotLeader { leader }) if known(leader)), "{refused:?}");

    group.transfer_leader(other).await.unwrap();
    // It comes back, in a term of its own; what was computed in the first term stays out.
    let (now, _) = cluster.leader(1).await;
    now.transfer_leader(leader).await.unwrap();
    let (again, later) = cluster.leader(1).await;
    assert!(again.leadership().borrow().leader == Some(leader) && later > term);
    assert!(matches!(again.propose(term, row(1, 1)).await, Err(ProposeError::NotLeader { .. })));
    again.propose(later, row(1, 1)).await.unwrap();
    cluster.assert_same().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_comes_back() {
    let mut cluster = Cluster::start(3, |options| options.balance_after = Duration::from_secs(1)).await;
    cluster.write(1, 0..50).await;
    let (group, _) = cluster.leader(1).await;
    let lost = group.leadership().borrow().leader.unwrap();
    drop(group);
    cluster.kill(lost).await;
    let begin = Instant::now();
    cluster.write(1, 50..51).await;
    println!("failover took {:?}", begin.elapsed());
    cluster.write(1, 51..100).await;
    let begin = Instant::now();
    cluster.restart(lost).await;
    println!("restart took {:?}", begin.elapsed());
    cluster.assert_same().await;
    eventually("the leadership is given back", || async {
        (cluster.leader(1).await.0.leadership().borrow().leader == Some(lost)).then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_loss_of_all_processes() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    for shard in 0..=3 {
        cluster.write(shard, 0..30).await;
    }
    let rows = cluster.group(1, 2).checksum().await.unwrap().rows;
    for id in 1..=3 {
        cluster.kill(id).await;
    }
    let started = futures::future::join_all((1..=3).map(|id| cluster.try_start(id))).await;
    cluster.nodes = (1..).zip(started.into_iter().map(Result::unwrap)).collect();
    cluster.assert_same().await;
    assert_eq!(cluster.group(1, 2).checksum().await.unwrap().rows, rows);
    cluster.write(2, 30..40).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_hands_leaderships_over() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let (group, term) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let witness = cluster.group((1..=3).find(|id| *id != leader).unwrap(), 1);
    let node = cluster.nodes.remove(&leader).unwrap();
    let mut leadership = witness.leadership();
    let begin = Instant::now();
    let (stopped, moved) = tokio::join!(
        node.stop(),
        tokio::time::timeout(
            DEADLINE,
            leadership.wait_for(|now| now.leader.is_some_and(|l| l != leader) && now.term > term)
        )
    );
    stopped.unwrap();
    moved.unwrap().unwrap();
    println!("stopped, with another leader, after {:?}", begin.elapsed());
    cluster.write(1, 0..10).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_is_replaced_and_acknowledges_nothing() {
    let cluster = Cluster::start(3, |_| {}).await;
    let (group, term) = cluster.leader(1).await;
    let leader = group.leadership().borrow().leader.unwrap();
    let others: BTreeSet<u64> = (1..=3).filter(|id| *id != leader).collect();
    assert!(cluster.nodes[&leader].peers().faults().cut_off(Cut::BothWays(others.clone())));

    let orphan = tokio::spawn({
        let group = group.clone();
        async move { group.propose(term, row(7, 7)).await }
    });
    let read = group.linearizable().await;
    assert!(matches!(read, Err(ReadError::NoQuorum | ReadError::NotLeader { .. })), "{read:?}");
    let witness = cluster.group(*others.first().unwrap(), 1);
    let mut leadership = witness.leadership();
    let replaced = leadership.wait_for(|now| now.leader.is_some_and(|l| l != leader) && now.term > term);
    tokio::time::timeout(DEADLINE, replaced).await.unwrap().unwrap();
    assert!(!orphan.is_finished());

    assert!(cluster.nodes[&leader].peers().faults().cut_off(Cut::Nothing));
    let outcome = tokio::time::timeout(DEADLINE, orphan).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ProposeError::Lost { .. })), "{outcome:?}");
    cluster.write(1, 0..10).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_data_is_refused() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    cluster.write(1, 0..5).await;
    for id in [2, 1] {
        cluster.kill(id).await;
        cluster.wipe(id);
        match cluster.try_start(id).await {
            Err(StartError::Refused { message, .. }) => {
                assert!(message.contains("lost its data directory"), "{message}")
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("node {id} was let in"),
        }
        if id == 2 {
            cluster.write(1, 5..10).await;
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_configurations_are_named() {
    let mut cluster = Cluster::start(1, |_| {}).await;
    cluster.kill(1).await;
    let right = cluster.options.nodes.clone();

    cluster.options.nodes = [(5, right[&1].clone())].into();
    let error = cluster.try_start(1).await.err().expect("not listed").to_string();
    assert_eq!(error, "node 1 is not among the nodes that the configuration lists");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_peer_port_does_no_harm() {
    let cluster = Cluster::start(3, |_| {}).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff\x01\x09"]
    {
        for address in cluster.options.nodes.values() {
            let mut stream = TcpStream::connect(&address.peer).await.unwrap();
            let _ = stream.write_all(garbage).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        }
    }
    cluster.write(1, 0..10).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

/// F2: what is too large is refused before anything is done; what is large passes, and leaders stay meanwhile. (A leader
/// whose followers are busy with their disks refuses writes for a moment.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_entries_move_no_leaders() {
    let cluster = Cluster::start(3, |_| ()).await;
    let (group, term) = cluster.leader(1).await;
    let (other, other_term) = cluster.leader(2).await;
    let refused = group.propose(term, row(1, tenure_limits::ENTRY)).await;
    assert!(matches!(refused, Err(ProposeError::TooLarge(_))), "{refused:?}");
    let bulk = {
        let group = group.clone();
        tokio::spawn(async move {
            for key in 0..4 {
                while let Err(refused) = group.propose(term, row(key, tenure_limits::ENTRY / 2)).await {
                    assert_eq!(refused, ProposeError::NotLeader { leader: None });
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        })
    };
    let mut slowest = Duration::ZERO;
    while !bulk.is_finished() {
        let begin = Instant::now();
        while let Err(refused) = other.propose(other_term, row(1, 100)).await {
            assert_eq!(refused, ProposeError::NotLeader { leader: None });
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slowest = slowest.max(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bulk.await.unwrap();
    assert_eq!((group.leadership().borrow().term, other.leadership().borrow().term), (term, other_term));
    assert!(slowest < Duration::from_secs(2), "another group's entry took {slowest:?}");
    cluster.assert_same().await;
    cluster.stop().await;
}
