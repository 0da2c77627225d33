//! Founding the cluster, and finding one's place in it again.
//!
//! The lowest listed node mints the cluster id once all listed nodes are there and hold nothing; the others take it
//! over. The system shard's first entry then fixes identities, shards and placement; whoever leads it writes that.
//! All of it can be interrupted anywhere and goes on at the next start.

use crate::{
    codec, entry,
    group::Group,
    node::{Core, StartError},
};
use futures::future::{join_all, try_join_all};
use openraft::{
    EmptyNode,
    errors::{InitializeError, RaftError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tenure_engine::system::cluster::{ClusterMap, NodeRow, SYSTEM_SHARD, feature_level};
use tenure_peer::proto::{HelloReply, HelloRequest};
use tenure_storage::{LogOp, ShardId, Storage, write_set};
use tonic::{Code, Request, Status};
use uuid::Uuid;

const CLUSTER_ID: &str = "cluster-id";
const CLUSTER_MAP: &str = "cluster-map";
const NODE_ID: &str = "node-id";

/// Between rounds of hellos while nodes are awaited.
const ROUND: Duration = Duration::from_millis(50);
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a wait for other nodes is mentioned.
const MENTION: Duration = Duration::from_secs(5);

/// The others are given this long to take over the cluster id before the first election.
const JOINING: Duration = Duration::from_secs(2);

/// What this node knows of its cluster at start.
pub(crate) struct Standing {
    pub(crate) cluster_id: Option<Uuid>,
    pub(crate) map: Option<ClusterMap>,
}

impl Standing {
    /// Reads it from the log database; a new data directory becomes this node's.
    pub(crate) fn load(storage: &Storage, node: u64) -> Result<Standing, StartError> {
        let log = storage.log();
        match log.node(NODE_ID)? {
            Some(row) => {
                let found = codec::decode(&row)?;
                if found != node {
                    return Err(StartError::OtherNode { found, configured: node });
                }
            }
            None => log.write_blocking(LogOp::Node { name: NODE_ID, value: codec::encode(&node) })?,
        }
        Ok(Standing {
            cluster_id: log.node(CLUSTER_ID)?.map(|row| codec::decode(&row)).transpose()?,
            map: log
                .node(CLUSTER_MAP)?
                .map(|row| tenure_engine::codec::decode(&row))
                .transpose()
                .map_err(entry::malformed)?,
        })
    }
}

pub(crate) struct Bootstrap<'a> {
    pub(crate) core: &'a Core,
    pub(crate) standing: Standing,
}

impl Bootstrap<'_> {
    /// Opens all groups; the cluster is founded when this returns.
    pub(crate) async fn run(self) -> Result<ClusterMap, StartError> {
        let core = self.core;
        let listed: Vec<u64> = core.options.nodes.keys().copied().collect();
        let map = match self.standing.map {
            Some(map) => {
                self.core.open(SYSTEM_SHARD).await?;
                map
            }
            None => {
                if self.standing.cluster_id.is_none() {
                    let cluster_id = if listed.first() == Some(&core.node) {
                        core.mint(&listed).await?
                    } else {
                        core.find_cluster().await?
                    };
                    let value = codec::encode(&cluster_id);
                    core.storage.log().write(LogOp::Node { name: CLUSTER_ID, value }).await?;
                    core.pool.local().join(cluster_id);
                    tracing::info!(%cluster_id, node = core.node, "joined the cluster");
                }
                let system = core.open(SYSTEM_SHARD).await?;
                if listed.first() == Some(&core.node) {
                    core.wait_joined(&listed).await;
                    core.initialize(&system, &listed).await?;
                }
                let map = core.wait_founded(&system).await?;
                let value = tenure_engine::codec::encode(&map);
                core.storage.log().write(LogOp::Node { name: CLUSTER_MAP, value }).await?;
                core.gate.record(map.nodes.iter().map(|(id, row)| (*id, row.identity)));
                map
            }
        };
        if let Some(system) = core.groups.get(SYSTEM_SHARD) {
            let (level, known) = (feature_level(&system.reader())?, core.options.known_level);
            if level > known {
                return Err(StartError::FeatureLevel { level, known });
            }
        }
        let members: Vec<u64> = map.nodes.keys().copied().collect();
        if members != listed {
            return Err(StartError::OtherMembers { listed, members });
        }
        if let Some(system) = core.groups.get(SYSTEM_SHARD) {
            core.initialize_if_mine(&system, &map).await?;
        }
        try_join_all(map.shards.keys().map(|shard| core.open_data(*shard, &map))).await?;
        Ok(map)
    }
}

impl Core {
    async fn open_data(&self, shard: ShardId, map: &ClusterMap) -> Result<(), StartError> {
        if !map.replicas(shard).contains(&self.node) {
            return Ok(());
        }
        let group = self.open(shard).await?;
        self.initialize_if_mine(&group, map).await
    }

    /// A group begins on the node that should lead it; elections are balanced from the start.
    async fn initialize_if_mine(&self, group: &Group, map: &ClusterMap) -> Result<(), StartError> {
        match map.preferred_leader(group.id()) {
            Some(node) if node == self.node => self.initialize(group, &map.replicas(group.id())).await,
            _ => Ok(()),
        }
    }

    /// Writes a group's first entry and campaigns at once; nothing if the group has begun before.
    async fn initialize(&self, group: &Group, members: &[u64]) -> Result<(), StartError> {
        let members: BTreeMap<u64, EmptyNode> = members.iter().map(|id| (*id, EmptyNode::new())).collect();
        match group.raft().initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(StartError::Group { shard: group.id(), cause: error.to_string() }),
        }
    }

    /// Once all listed nodes are there and hold nothing, there is a new cluster.
    async fn mint(&self, listed: &[u64]) -> Result<Uuid, StartError> {
        let everyone = |answers: &BTreeMap<u64, HelloReply>| answers.len() + 1 == listed.len();
        let answers = self.hello_until("waiting for all nodes, to found the cluster", everyone).await?;
        for (node, answer) in answers {
            if let Some(cluster_id) = cluster_of(&answer) {
                return Err(StartError::ClusterExists { node, cluster_id });
            }
        }
        Ok(Uuid::new_v4())
    }

    /// Takes over the cluster id that another node has. A node that the cluster knows with another identity is
    /// refused by its peers.
    async fn find_cluster(&self) -> Result<Uuid, StartError> {
        let someone = |answers: &BTreeMap<u64, HelloReply>| answers.values().any(|a| cluster_of(a).is_some());
        let answers = self.hello_until("waiting for the cluster to be founded", someone).await?;
        Ok(answers.values().find_map(cluster_of).expect("awaited"))
    }

    /// The first election goes through at once if the others are in the cluster by then.
    async fn wait_joined(&self, listed: &[u64]) {
        let ours = self.pool.local().cluster_id();
        let joined = |answers: &BTreeMap<u64, HelloReply>| {
            answers.len() + 1 == listed.len() && answers.values().all(|a| cluster_of(a) == ours)
        };
        // Without them it takes an election timeout longer.
        let _ = tokio::time::timeout(JOINING, self.hello_until("waiting for nodes to join", joined)).await;
    }

    /// Waits for the system shard's first rows; writes them if this node leads it.
    async fn wait_founded(&self, system: &Group) -> Result<ClusterMap, StartError> {
        let mut applied = system.applied();
        let mut leadership = system.leadership();
        loop {
            if let Some(map) = ClusterMap::read(&system.reader())? {
                return Ok(map);
            }
            let now = *leadership.borrow_and_update();
            if now.is_leader {
                self.found(system, now.term).await?;
                continue;
            }
            tokio::select! {
                _ = applied.changed() => {}
                _ = leadership.changed() => {}
                () = tokio::time::sleep(MENTION) => tracing::info!("waiting for the system shard's leader"),
            }
        }
    }

    async fn found(&self, system: &Group, term: u64) -> Result<(), StartError> {
        let others = self.options.nodes.len() - 1;
        let everyone = |answers: &BTreeMap<u64, HelloReply>| answers.len() == others;
        let answers = self.hello_until("waiting for all nodes, to record their identities", everyone).await?;
        let row = |(id, address): (&u64, &crate::NodeAddress)| {
            let identity = match answers.get(id) {
                Some(answer) => Uuid::from_slice(&answer.identity).unwrap_or_default(),
                None => self.storage.identity(),
            };
            (*id, NodeRow::new(identity, address.peer.clone(), address.api.clone()))
        };
        let nodes = self.options.nodes.iter().map(row).collect();
        let cluster_id = self.pool.local().cluster_id().expect("joined before the system shard was opened");
        let map = ClusterMap::found(cluster_id, self.options.known_level, nodes, self.options.shards)?;
        // Another leader's rows may be on their way to us.
        if system.linearizable().await.is_err() || ClusterMap::read(&system.reader())?.is_some() {
            return Ok(());
        }
        match system.propose(term, write_set::encode([&map.writes()])).await {
            Ok(_) => tracing::info!(%cluster_id, shards = map.shards.len(), "cluster founded"),
            Err(error) => tracing::warn!(%error, "founding the cluster: trying again"),
        }
        Ok(())
    }

    /// Says hello to all others, round after round, until the answers suffice.
    ///
    /// # Errors
    /// A node that knows us as someone else, or as part of another cluster, says so for good.
    async fn hello_until(
        &self,
        what_for: &str,
        enough: impl Fn(&BTreeMap<u64, HelloReply>) -> bool,
    ) -> Result<BTreeMap<u64, HelloReply>, StartError> {
        let mut mentioned = Instant::now();
        loop {
            let round = join_all(self.pool.peers().map(|node| async move { (node, self.hello(node).await) })).await;
            let mut answers = BTreeMap::new();
            for (node, answer) in round {
                match answer {
                    Ok(answer) => drop(answers.insert(node, answer)),
                    Err(status) if status.code() == Code::PermissionDenied => {
                        return Err(StartError::Refused { node, message: status.message().to_owned() });
                    }
                    Err(_) => {}
                }
            }
            if enough(&answers) {
                return Ok(answers);
            }
            if mentioned.elapsed() > MENTION {
                mentioned = Instant::now();
                let silent: BTreeSet<u64> = self.pool.peers().filter(|node| !answers.contains_key(node)).collect();
                tracing::info!(?silent, "{what_for}");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Who are you, and what do you have?
    pub(crate) async fn hello(&self, node: u64) -> Result<HelloReply, Status> {
        let local = self.pool.local();
        let hello = HelloRequest {
            node_id: local.node_id,
            identity: bytes::Bytes::copy_from_slice(local.identity.as_bytes()),
            cluster_id: local.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
            clock: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64),
        };
        let mut client = self.pool.client(node).map_err(|e| Status::not_found(e.to_string()))?;
        let mut request = Request::new(hello);
        request.set_timeout(HELLO_TIMEOUT);
        let answer = client.hello(request).await?.into_inner();
        if answer.node_id != node {
            return Err(Status::permission_denied(format!("the address of node {node} is node {}'s", answer.node_id)));
        }
        self.pool.heard(node);
        Ok(answer)
    }
}

fn cluster_of(answer: &HelloReply) -> Option<Uuid> {
    answer.cluster_id.parse().ok()
}
