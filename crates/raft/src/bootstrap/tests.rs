use super::*;
use crate::{Node, NodeAddress, Options};
use bytes::Bytes;
use std::sync::Arc;
use tempfile::TempDir;
use tenure_engine::FeatureLevel;
use tenure_storage::OpenError;
use tenure_vital::FatalHook;
use tokio::net::TcpListener;

/// Longer than anything here takes on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(60);

/// Three nodes whose data directories say what a test has them say; none runs.
struct Nodes {
    options: Options,
    dirs: Vec<TempDir>,
    listeners: Vec<TcpListener>,
}

impl Nodes {
    async fn new() -> Nodes {
        let mut listeners = Vec::new();
        let mut addresses = BTreeMap::new();
        for id in 1..=3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = listener.local_addr().unwrap().to_string();
            addresses.insert(id, NodeAddress { peer, api: String::new() });
            listeners.push(listener);
        }
        let mut options = Options::new(1, addresses);
        options.shards = 2;
        options.on_fatal = FatalHook(Arc::new(|cause| panic!("{cause}")));
        Nodes { options, dirs: (1..=3).map(|_| TempDir::new().unwrap()).collect(), listeners }
    }

    fn storage(&self, node: u64) -> Storage {
        let dir = self.dirs[node as usize - 1].path();
        let on_fatal = self.options.on_fatal.clone();
        let options = tenure_storage::Options { on_fatal, ..tenure_storage::Options::new(dir) };
        let begin = Instant::now();
        loop {
            match Storage::open(options.clone()) {
                Ok(storage) => return storage,
                // Whoever had it before lets go of it on threads of its own.
                Err(OpenError::InUse { .. }) if begin.elapsed() < DEADLINE => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The rows of the nodes, with the identities of their directories.
    fn rows(&self) -> BTreeMap<u64, NodeRow> {
        let row = |(id, address): (&u64, &NodeAddress)| {
            (*id, NodeRow::new(self.storage(*id).identity(), address.peer.clone(), String::new()))
        };
        self.options.nodes.iter().map(row).collect()
    }

    fn write(&self, node: u64, rows: &[(&'static str, Bytes)]) {
        let storage = self.storage(node);
        for (name, value) in rows {
            storage.log().write_blocking(LogOp::Node { name, value: value.clone() }).unwrap();
        }
        storage.close().unwrap();
    }

    async fn start(&mut self, nodes: &[u64]) -> Vec<Result<Node, StartError>> {
        let listeners: Vec<TcpListener> = std::mem::take(&mut self.listeners);
        let starts = (1..).zip(listeners).filter(|(id, _)| nodes.contains(id)).map(|(id, listener)| {
            Node::start(Options { node_id: id, ..self.options.clone() }, self.storage(id), listener)
        });
        tokio::time::timeout(DEADLINE, join_all(starts)).await.expect("in time")
    }
}

/// F68: a group whose preferred leader is gone before it has written the first entry is begun by another founder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_founder_begins_a_group() {
    let mut nodes = Nodes::new().await;
    let cluster_id = Uuid::new_v4();
    let map = ClusterMap::found(cluster_id, FeatureLevel::KNOWN, nodes.rows(), 2).unwrap();
    assert_eq!(map.preferred_leader(1), Some(2));
    for id in [1, 3] {
        let map = tenure_engine::codec::encode(&map);
        nodes.write(id, &[(CLUSTER_ID, codec::encode(&cluster_id)), (CLUSTER_MAP, map)]);
    }
    let started: Vec<Node> = nodes.start(&[1, 3]).await.into_iter().map(Result::unwrap).collect();
    let mut leadership = started[0].group(1).unwrap().leadership();
    let led = leadership.wait_for(|now| now.leader.is_some());
    tokio::time::timeout(DEADLINE, led).await.expect("it is led without node 2").unwrap();
    join_all(started.iter().map(Node::kill)).await;
}

/// F69: a node that loses its data directory between the founding's first step and its last is not taken for the one that
/// was there at the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_wiped_during_the_founding_is_refused() {
    let mut nodes = Nodes::new().await;
    let cluster_id = Uuid::new_v4();
    let mut first = FirstMembers { nodes: nodes.rows(), joined: false };
    first.nodes.get_mut(&2).unwrap().identity = Uuid::new_v4();
    for id in [1, 3] {
        let first = tenure_engine::codec::encode(&first);
        nodes.write(id, &[(FIRST_MEMBERS, first), (CLUSTER_ID, codec::encode(&cluster_id))]);
    }
    let mut started = nodes.start(&[1, 2, 3]).await;
    match started.remove(1) {
        Err(StartError::Refused { message, .. }) => assert!(message.contains("lost its data directory"), "{message}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the wiped node was let in"),
    }
    let started: Vec<Node> = started.into_iter().map(Result::unwrap).collect();
    let recorded: Vec<_> = started[0].map().nodes.values().map(|row| row.identity).collect();
    assert_eq!(recorded, first.nodes.values().map(|row| row.identity).collect::<Vec<_>>());
    join_all(started.iter().map(Node::kill)).await;
}
