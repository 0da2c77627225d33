//! Clusters inside the test's process: real storage in temporary directories, real connections over loopback.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tenure_engine::rows::{Op, RowKey, SystemTable, WriteSet};
use tenure_raft::{Group, Node, NodeAddress, Options, ShardId, StartError};
use tenure_storage::{OpenError, Storage, write_set};
use tenure_vital::FatalHook;
use tokio::net::TcpListener;

/// Longer than anything here takes on a machine that is busy with other things.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Cluster {
    pub options: Options,
    pub nodes: BTreeMap<u64, Node>,
    /// Where nodes are that have joined later.
    joined: BTreeMap<u64, NodeAddress>,
    // Behind the nodes, which write to them.
    dirs: BTreeMap<u64, TempDir>,
}

impl Cluster {
    /// Starts `size` nodes together.
    pub async fn start(size: u64, tune: impl FnOnce(&mut Options)) -> Cluster {
        let mut cluster = Cluster::prepare(size, tune).await;
        let starts = (1..=size).map(|id| cluster.try_start(id));
        let started = futures::future::join_all(starts).await;
        cluster.nodes = (1..).zip(started.into_iter().map(|node| node.expect("starts"))).collect();
        cluster
    }

    /// Directories and addresses, nothing running.
    pub async fn prepare(size: u64, tune: impl FnOnce(&mut Options)) -> Cluster {
        let mut addresses = BTreeMap::new();
        let mut listeners = Vec::new();
        for id in 1..=size {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = listener.local_addr().unwrap().to_string();
            addresses.insert(id, NodeAddress { peer, api: format!("127.0.0.1:{}", 10_000 + id) });
            listeners.push(listener);
        }
        let mut options = Options::new(1, addresses);
        options.shards = 3;
        options.on_fatal = told();
        tune(&mut options);
        let dirs = (1..=size).map(|id| (id, TempDir::new().unwrap())).collect();
        Cluster { options, dirs, nodes: BTreeMap::new(), joined: BTreeMap::new() }
    }

    /// Makes a place for a node that is to join.
    pub async fn prepare_joining(&mut self, id: u64) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        self.joined.insert(id, NodeAddress { peer, api: String::new() });
        self.dirs.insert(id, TempDir::new().unwrap());
    }

    /// From now on the configurations of all nodes list this one, too, which has joined.
    pub fn list(&mut self, id: u64) {
        self.options.nodes.insert(id, self.joined[&id].clone());
    }

    /// Where a node's peers and its operators reach it.
    pub fn address(&self, id: u64) -> String {
        let address = self.options.nodes.get(&id).or_else(|| self.joined.get(&id));
        address.expect("has an address").peer.clone()
    }

    pub async fn try_start(&self, id: u64) -> Result<Node, StartError> {
        self.starting(id).await
    }

    /// Starts a node, while the cluster may be used otherwise.
    pub fn starting(&self, id: u64) -> impl Future<Output = Result<Node, StartError>> + Send + 'static {
        let mut options = Options { node_id: id, ..self.options.clone() };
        if self.joined.contains_key(&id) {
            options.join = true;
            options.nodes.extend(self.joined.clone());
        }
        let dir = self.dirs[&id].path().to_owned();
        async move {
            let listener = eventually("the port is free", || async {
                let address = options.nodes.get(&id).map_or("127.0.0.1:0", |node| &node.peer);
                TcpListener::bind(address).await.ok()
            })
            .await;
            Node::start(options.clone(), open(dir).await, listener).await
        }
    }

    pub async fn restart(&mut self, id: u64) {
        let node = self.try_start(id).await.expect("starts again");
        self.nodes.insert(id, node);
    }

    /// As `kill -9` does: nothing is handed over, nothing is flushed.
    pub async fn kill(&mut self, id: u64) {
        let node = self.nodes.remove(&id).expect("is running");
        node.kill().await;
    }

    /// The node comes back without its data.
    pub fn wipe(&mut self, id: u64) {
        assert!(!self.nodes.contains_key(&id));
        self.dirs.insert(id, TempDir::new().unwrap());
    }

    pub fn group(&self, node: u64, shard: ShardId) -> Group {
        self.nodes[&node].group(shard).expect("has a replica")
    }

    /// The shard's leader and term, as the leader itself says and a majority confirms.
    pub async fn leader(&self, shard: ShardId) -> (Group, u64) {
        eventually(&format!("shard {shard} has a leader"), || async move {
            for node in self.nodes.values() {
                let group = node.group(shard)?;
                let now = *group.leadership().borrow();
                let confirm = tokio::time::timeout(Duration::from_millis(700), group.linearizable());
                if now.is_leader && matches!(confirm.await, Ok(Ok(_))) {
                    return Some((group, now.term));
                }
            }
            None
        })
        .await
    }

    /// Writes rows one after the other, wherever the leader is.
    pub async fn write(&self, shard: ShardId, keys: std::ops::Range<u64>) {
        let (mut group, mut term) = self.leader(shard).await;
        for key in keys {
            while group.propose(term, row(key, 100)).await.is_err() {
                (group, term) = self.leader(shard).await;
            }
        }
    }

    /// All replicas that run have applied the same, and hold the same rows.
    pub async fn assert_same(&self) {
        let shards: Vec<ShardId> = self.nodes.values().next().unwrap().groups().iter().map(|g| g.id()).collect();
        for shard in shards {
            let _ = self.leader(shard).await;
            let mut sums = Vec::new();
            eventually(&format!("replicas of shard {shard} applied the same"), || async {
                let applied = self.nodes.values().map(|n| *n.group(shard).unwrap().applied().borrow());
                let applied: Vec<u64> = applied.collect();
                applied.iter().all(|index| *index == applied[0]).then_some(())
            })
            .await;
            for id in self.nodes.keys() {
                sums.push((*id, self.group(*id, shard).checksum().await.unwrap()));
            }
            assert!(sums.iter().all(|(_, sum)| *sum == sums[0].1), "shard {shard}: {sums:?}");
        }
    }

    pub async fn stop(self) {
        futures::future::join_all(self.nodes.values().map(Node::kill)).await;
    }
}

/// What ends a process shows in the test; a node that writes on after its test's end, into a directory that is gone, is none
/// of the next test's business.
fn told() -> FatalHook {
    FatalHook(Arc::new(|cause| panic!("{cause}")))
}

async fn open(dir: PathBuf) -> Storage {
    eventually("the data directory is free", || async {
        match Storage::open(tenure_storage::Options { on_fatal: told(), ..tenure_storage::Options::new(&dir) }) {
            Ok(storage) => Some(storage),
            Err(OpenError::InUse { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

/// An encoded write set with one row.
pub fn row(key: u64, size: usize) -> Bytes {
    let name = RowKey::System { table: SystemTable::Namespace, key: format!("row-{key:08}").into() };
    let value = Bytes::from(vec![key as u8; size]);
    write_set::encode([&WriteSet { ops: vec![Op::Put(name, value)] }])
}

/// Waits until it is there.
#[track_caller]
pub fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let what = what.to_owned();
    let at = std::panic::Location::caller();
    async move {
        let begin = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begin.elapsed() < DEADLINE, "{at}: not within {DEADLINE:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
