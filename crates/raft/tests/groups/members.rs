//! Nodes come, go, and take each other's places, while shards are written to and leaders die.

use crate::common::{Cluster, DEADLINE, eventually, row};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_peer::{
    Gate, Local, PeerService, Pool,
    admin::{Candidate, ChangeMembersRequest, MembersReply, MembersRequest, admin_client::AdminClient},
};
use tenure_raft::{Node, StartError};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Code, Status, transport::server::TcpIncoming};

pub(crate) fn replace(remove: u64, add: u64) -> ChangeMembersRequest {
    ChangeMembersRequest { add, remove, ..Default::default() }
}

async fn ask(cluster: &Cluster, request: &ChangeMembersRequest) -> Result<MembersReply, Status> {
    let any = *cluster.nodes.keys().next().unwrap();
    let mut client = AdminClient::connect(format!("http://{}", cluster.address(any))).await.unwrap();
    client.change_members(request.clone()).await.map(tonic::Response::into_inner)
}

async fn look(cluster: &Cluster) -> Option<MembersReply> {
    for id in cluster.nodes.keys() {
        let Ok(mut client) = AdminClient::connect(format!("http://{}", cluster.address(*id))).await else { continue };
        if let Ok(reply) = client.members(MembersRequest {}).await {
            return Some(reply.into_inner());
        }
    }
    None
}

/// Begins a change, as soon as the node that comes waits for it.
async fn begin(cluster: &Cluster, request: &ChangeMembersRequest) {
    eventually("the change begins", || async {
        match ask(cluster, request).await {
            Ok(_) => Some(()),
            Err(status) if status.code() == Code::Unavailable => None,
            Err(status) if status.message().contains("does not wait to join") => None,
            Err(status) if status.message().contains("only one that is lost is replaced") => None,
            Err(status) => panic!("{}", status.message()),
        }
    })
    .await;
}

/// Waits for the end of a change; true if it was undone.
pub(crate) async fn end(cluster: &Cluster, request: &ChangeMembersRequest) -> bool {
    eventually("the change ends", || async {
        let reply = look(cluster).await?;
        let last = reply.last.filter(|last| (last.add, last.remove) == (request.add, request.remove))?;
        reply.change.is_none().then_some(last.undone)
    })
    .await
}

/// Every shard's voters are these, on all replicas.
pub(crate) async fn assert_voters(cluster: &Cluster, voters: &[u64]) {
    for (id, node) in &cluster.nodes {
        eventually(&format!("node {id} knows that {voters:?} vote"), || async {
            let all = node.groups().iter().all(|group| group.status().voters == voters);
            let known: Vec<u64> = node.map().members().map(|(id, _)| id).collect();
            (all && known == voters).then_some(())
        })
        .await;
    }
}

/// Starts a node that is to join; the handle has it once it is a member.
pub(crate) async fn joining(cluster: &mut Cluster, id: u64) -> JoinHandle<Node> {
    cluster.prepare_joining(id).await;
    let starting = cluster.starting(id);
    tokio::spawn(async move { starting.await.expect("joins") })
}

/// Writes to all shards until it is stopped; counts what was acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Load {
    fn start(node: Node) -> Load {
        let (stop, written) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (stop.clone(), written.clone());
        let task = tokio::spawn(async move {
            let mut key = 1_000;
            while !stopped.load(Ordering::Relaxed) {
                for group in node.groups() {
                    let now = *group.leadership().borrow();
                    if now.is_leader && group.propose(now.term, row(key, 100)).await.is_ok() {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
                key += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Load { stop, written, task }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.written.load(Ordering::Relaxed)
    }
}

/// F50, F63: a node that lost its disk comes back empty under a new id and takes the place of the old one, while the others
/// are written to; the old one is refused for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_is_replaced_under_load() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    for shard in 0..=3 {
        cluster.write(shard, 0..50).await;
    }
    cluster.kill(2).await;
    let load = Load::start(cluster.nodes[&1].clone());
    let started = joining(&mut cluster, 4).await;
    let begun = Instant::now();
    begin(&cluster, &replace(2, 4)).await;
    assert!(!end(&cluster, &replace(2, 4)).await, "it is done, not undone");
    println!("replaced after {:?}", begun.elapsed());
    let node = tokio::time::timeout(DEADLINE, started).await.unwrap().unwrap();
    cluster.nodes.insert(4, node);
    println!("{} writes meanwhile", load.end().await);
    assert_voters(&cluster, &[1, 3, 4]).await;
    cluster.assert_same().await;

    // What was acknowledged is on the new node: it and one other are a majority.
    cluster.kill(3).await;
    cluster.write(1, 50..60).await;
    cluster.restart(3).await;
    // The old one comes back with the directory that it had.
    let old = cluster.try_start(2).await.expect("it has a cluster, and does not know that it is out");
    let why = tokio::time::timeout(DEADLINE, old.until_removed()).await.expect("it is told");
    assert!(why.contains("node 2 was removed from this cluster"), "{why}");
    old.kill().await;
    drop(old);
    // Nobody has to tell it again.
    match cluster.try_start(2).await {
        Err(StartError::Removed(again)) => assert_eq!(again, why),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a node that was removed has started"),
    }
    cluster.write(1, 60..70).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_a_sentence_and_changes_nothing() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let before = cluster.nodes[&1].map();
    let refusal = |cluster: &Cluster, request: ChangeMembersRequest| {
        let any = cluster.address(1);
        async move {
            let mut client = AdminClient::connect(format!("http://{any}")).await.unwrap();
            client.change_members(request).await.unwrap_err().message().to_owned()
        }
    };
    for (request, sentence) in [
        (replace(2, 4), "node 2 runs, and only one that is lost is replaced"),
        (replace(0, 3), "node 3 is a member already"),
        (replace(0, 4), "node 4 does not wait to join"),
        (replace(9, 0), "there is no node 9 in this cluster"),
        (replace(0, 0), "nothing is being changed"),
        (ChangeMembersRequest { undo: true, ..Default::default() }, "nothing is being changed"),
    ] {
        let said = refusal(&cluster, request.clone()).await;
        assert!(said.contains(sentence), "{request:?}: {said}");
    }
    cluster.kill(3).await;
    eventually("node 3 is missed", || async { (!cluster.nodes[&1].is_alive(3)).then_some(()) }).await;
    let said = eventually("refused", || async {
        let said = refusal(&cluster, replace(2, 0)).await;
        (!said.contains("no leader")).then_some(said)
    })
    .await;
    assert!(said.contains("of the nodes that would be left, {1, 3}, a majority has to run, and only {1} do"), "{said}");
    assert_eq!(cluster.nodes[&1].map(), before);
    cluster.stop().await;
}

/// Three nodes become four and three again, and at each step the coordinator dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_dies_at_each_step_and_the_change_is_done() {
    let mut walked = BTreeSet::new();
    let mut cluster = Cluster::start(3, |options| options.balance_after = Duration::from_secs(600)).await;
    for shard in 0..=3 {
        cluster.write(shard, 0..20).await;
    }
    for (round, new) in (4..=6).enumerate() {
        let started = joining(&mut cluster, new).await;
        begin(&cluster, &replace(0, new)).await;
        kill_coordinators(&mut cluster, &replace(0, new), round, &mut walked).await;
        cluster.nodes.insert(new, tokio::time::timeout(DEADLINE, started).await.unwrap().unwrap());
        assert_voters(&cluster, &[1, 2, 3, new]).await;
        begin(&cluster, &replace(new, 0)).await;
        kill_coordinators(&mut cluster, &replace(new, 0), round, &mut walked).await;
        cluster.nodes.remove(&new).unwrap().kill().await;
        assert_voters(&cluster, &[1, 2, 3]).await;
        for shard in 0..=3 {
            cluster.write(shard, 100 * new..100 * new + 10).await;
        }
    }
    println!("states at which there was a look: {walked:#?}");
    cluster.assert_same().await;
    cluster.stop().await;
}

fn state(reply: &MembersReply) -> String {
    let phase = reply.change.as_ref().map_or("none", |change| change.phase.as_str());
    format!("{phase} {:?}", reply.shards.iter().filter(|shard| shard.done).map(|shard| shard.shard).collect::<Vec<_>>())
}

/// Kills whoever leads the system shard at every third state of the change that is seen, until that has ended.
async fn kill_coordinators(
    cluster: &mut Cluster,
    request: &ChangeMembersRequest,
    round: usize,
    walked: &mut BTreeSet<String>,
) {
    let (mut seen, begin) = (BTreeSet::new(), Instant::now());
    loop {
        assert!(begin.elapsed() < 2 * DEADLINE, "the change ends: {seen:?}");
        let Some(reply) = look(cluster).await else { continue };
        let ours = |end: &tenure_peer::admin::MembersEnd| (end.add, end.remove) == (request.add, request.remove);
        if reply.change.is_none() && reply.last.as_ref().is_some_and(ours) {
            return;
        }
        let now = state(&reply);
        walked.insert(now.clone());
        if seen.insert(now) && (seen.len() + round) % 3 == 1 {
            let leader = cluster.nodes.values().find_map(|node| node.group(0)?.leadership().borrow().leader);
            if let Some(leader) = leader.filter(|leader| cluster.nodes.contains_key(leader)) {
                cluster.kill(leader).await;
                // Another one, be it the node that comes, goes on.
                eventually("another node leads the system shard", || async {
                    let known = cluster.nodes.values().map(|node| node.group(0).unwrap().leadership().borrow().leader);
                    known.flatten().any(|now| now != leader).then_some(())
                })
                .await;
                cluster.restart(leader).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A node that says hello, and does nothing else.
pub(crate) async fn idle(node_id: u64) -> Candidate {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer_address = listener.local_addr().unwrap().to_string();
    let identity = uuid::Uuid::new_v4();
    let mut local = Local::new(node_id, identity, None);
    local.joining = true;
    let pool = Pool::new(Arc::new(local), Arc::new(Gate::new(node_id, [])), BTreeMap::new()).unwrap();
    let server = tonic::transport::Server::builder().add_service(PeerService::new(pool).into_server());
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let known_level = tenure_engine::FeatureLevel::KNOWN.0;
    Candidate { identity: identity.as_bytes().to_vec().into(), peer_address, known_level }
}

/// A node that falls silent while it learns holds up others who want a change, until an operator takes it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_taken_back_as_long_as_the_new_node_has_no_vote() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let candidate = Some(idle(4).await);
    begin(&cluster, &ChangeMembersRequest { candidate, ..replace(0, 4) }).await;
    let said = ask(&cluster, &replace(3, 0)).await.unwrap_err();
    assert!(said.message().contains("node 4 is being added: wait until that is done"), "{}", said.message());
    let phase = look(&cluster).await.unwrap().change.map(|change| change.phase);
    assert_eq!(phase.as_deref(), Some("learning"));
    ask(&cluster, &ChangeMembersRequest { undo: true, ..Default::default() }).await.unwrap();
    assert!(end(&cluster, &replace(0, 4)).await, "it is undone");
    assert_voters(&cluster, &[1, 2, 3]).await;
    let said = ask(&cluster, &replace(0, 4)).await.unwrap_err();
    assert!(said.message().contains("node id 4 was used before"), "{}", said.message());

    let started = joining(&mut cluster, 5).await;
    begin(&cluster, &replace(0, 5)).await;
    assert!(!end(&cluster, &replace(0, 5)).await);
    cluster.nodes.insert(5, tokio::time::timeout(DEADLINE, started).await.unwrap().unwrap());
    assert_voters(&cluster, &[1, 2, 3, 5]).await;
    cluster.write(1, 0..10).await;
    cluster.assert_same().await;
    cluster.stop().await;
}

/// A node that was away while all others were exchanged finds the new ones by one that its configuration lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_learns_who_the_members_are() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    cluster.write(1, 0..10).await;
    cluster.kill(3).await;
    eventually("node 3 is missed", || async { (!cluster.nodes[&1].is_alive(3)).then_some(()) }).await;
    for (old, new) in [(1, 4), (2, 5)] {
        let started = joining(&mut cluster, new).await;
        begin(&cluster, &replace(0, new)).await;
        assert!(!end(&cluster, &replace(0, new)).await);
        cluster.nodes.insert(new, tokio::time::timeout(DEADLINE, started).await.unwrap().unwrap());
        begin(&cluster, &replace(old, 0)).await;
        assert!(!end(&cluster, &replace(old, 0)).await);
        cluster.kill(old).await;
    }
    cluster.list(5);
    cluster.restart(3).await;
    assert_voters(&cluster, &[3, 4, 5]).await;
    cluster.write(1, 10..20).await;
    cluster.assert_same().await;
    cluster.stop().await;
}
