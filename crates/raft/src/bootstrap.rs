//! Founding the cluster, and finding one's place in it again.
//!
//! The lowest listed node mints the cluster id once all listed nodes are there and hold nothing; the others take it
//! over. The system shard's first entry then fixes identities, shards and placement; whoever leads it writes that.
//! All of it can be interrupted anywhere and goes on at the next start.

use crate::{
    codec, entry,
    group::Group,
    members::{CLUSTER_MAP, REMOVED, first_members},
    node::{Core, StartError},
};
use futures::future::{join_all, try_join_all};
use openraft::{
    EmptyNode,
    errors::{InitializeError, RaftError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tenure_engine::system::cluster::{ClusterMap, FirstMembers, NodeRow, SYSTEM_SHARD, feature_level};
use tenure_peer::{proto::HelloReply, says_removed};
use tenure_storage::{LogOp, ShardId, Storage, write_set};
use tonic::Code;
use uuid::Uuid;

const CLUSTER_ID: &str = "cluster-id";
const FIRST_MEMBERS: &str = "first-members";
const NODE_ID: &str = "node-id";

/// Between rounds of hellos while nodes are awaited.
const ROUND: Duration = Duration::from_millis(50);

/// Between rounds of hellos of a node that waits until an operator makes it a member.
const JOINING_ROUND: Duration = Duration::from_millis(500);

/// How often a wait for other nodes is mentioned.
const MENTION: Duration = Duration::from_secs(5);

/// The others are given this long to take over the cluster id before the first election.
const JOINING: Duration = Duration::from_secs(2);

/// A group that has no leader for this long may never have begun: whoever should have begun it is gone.
const LATE: Duration = Duration::from_secs(5);

/// What this node knows of its cluster at start.
pub(crate) struct Standing {
    pub(crate) cluster_id: Option<Uuid>,
    /// Those of whom it is to become a member, or with whom it founds the cluster.
    pub(crate) first: FirstMembers,
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
        if let Some(why) = log.node(REMOVED)? {
            return Err(StartError::Removed(codec::decode(&why)?));
        }
        let first = log.node(FIRST_MEMBERS)?.map(|row| tenure_engine::codec::decode(&row)).transpose();
        let map = log.node(CLUSTER_MAP)?.map(|row| tenure_engine::codec::decode(&row)).transpose();
        Ok(Standing {
            cluster_id: log.node(CLUSTER_ID)?.map(|row| codec::decode(&row)).transpose()?,
            first: first.map_err(entry::malformed)?.unwrap_or_default(),
            map: map.map_err(entry::malformed)?,
        })
    }
}

pub(crate) struct Bootstrap<'a> {
    pub(crate) core: &'a Core,
    pub(crate) standing: Standing,
}

impl Bootstrap<'_> {
    /// Opens all groups; the cluster is founded when this returns.
    pub(crate) async fn run(self) -> Result<(), StartError> {
        let core = self.core;
        let Standing { cluster_id, first, map } = self.standing;
        if map.is_some() {
            core.open(SYSTEM_SHARD).await?;
        } else {
            let first = match cluster_id {
                Some(_) => first,
                None => core.enter().await?,
            };
            let system = core.open(SYSTEM_SHARD).await?;
            core.begin(&system, &first).await?;
            let map = core.wait_founded(&system, &first).await?;
            core.members.follow(map).await?;
        }
        let map = core.members.map();
        if let Some(system) = core.groups.get(SYSTEM_SHARD) {
            let (level, known) = (feature_level(&system.reader())?, core.options.known_level);
            if level > known {
                return Err(StartError::FeatureLevel { level, known });
            }
        }
        let members: Vec<u64> = map.members().map(|(id, _)| id).collect();
        if !members.contains(&core.node) {
            return Err(StartError::NotAMember { node: core.node, members });
        }
        let unknown: Vec<u64> = core.options.nodes.keys().copied().filter(|id| !members.contains(id)).collect();
        if !unknown.is_empty() {
            tracing::warn!(listed = ?unknown, ?members, "the configuration lists nodes that are no members of the cluster");
        }
        if let Some(system) = core.groups.get(SYSTEM_SHARD) {
            core.initialize_in_turn(&system, &map).await?;
        }
        try_join_all(map.shards.keys().map(|shard| core.open_data(*shard, &map))).await?;
        Ok(())
    }
}

impl Core {
    async fn open_data(&self, shard: ShardId, map: &ClusterMap) -> Result<(), StartError> {
        let group = self.open(shard).await?;
        self.initialize_in_turn(&group, map).await
    }

    /// A group begins on the node that should lead it, so that elections are balanced from the start. If that node is
    /// gone by then, any other founder begins it: the first entry is the same, whoever writes it. Once members have come
    /// and gone all groups have begun, and a node that holds nothing of one must not begin another.
    async fn initialize_in_turn(&self, group: &Group, map: &ClusterMap) -> Result<(), StartError> {
        let founders = map.replicas(group.id());
        if map.members.revision > 0 || !founders.contains(&self.node) {
            return Ok(());
        }
        if map.preferred_leader(group.id()) == Some(self.node) {
            return self.initialize(group, &founders).await;
        }
        let (core, group) = (self.clone(), group.clone());
        self.options.on_fatal.spawn("the beginning of a group", async move {
            let mut leadership = group.leadership();
            let led = leadership.wait_for(|now| now.leader.is_some());
            let late = tokio::time::timeout(LATE, led).await.is_err();
            let status = group.status();
            // The members may have changed meanwhile.
            if late && core.members.map().members.revision == 0 && status.leadership.term == 0 {
                tracing::info!(shard = group.id(), "nobody has begun the group: beginning it");
                if let Err(error) = core.initialize(&group, &founders).await {
                    tracing::warn!(%error, "the group has not begun");
                }
            }
        });
        Ok(())
    }

    /// Writes a group's first entry and campaigns at once; nothing if the group has begun before.
    async fn initialize(&self, group: &Group, members: &[u64]) -> Result<(), StartError> {
        let members: BTreeMap<u64, EmptyNode> = members.iter().map(|id| (*id, EmptyNode::new())).collect();
        match group.raft().initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(StartError::Group { shard: group.id(), cause: error.to_string() }),
        }
    }

    fn listed(&self) -> Vec<u64> {
        self.options.nodes.keys().copied().collect()
    }

    /// Founds a cluster, or enters the one that is there. Who is in it, and with which data directory, is fixed with its id:
    /// a node that loses its directory while the cluster is founded is refused from then on.
    async fn enter(&self) -> Result<FirstMembers, StartError> {
        let listed = self.listed();
        let (cluster_id, first) = match listed.first() {
            _ if self.options.join => self.wait_admitted().await?,
            Some(first) if *first == self.node => self.mint(&listed).await?,
            _ => self.find_cluster().await?,
        };
        let log = self.storage.log();
        // In this order: what has an id has members.
        log.write(LogOp::Node { name: FIRST_MEMBERS, value: tenure_engine::codec::encode(&first) }).await?;
        log.write(LogOp::Node { name: CLUSTER_ID, value: codec::encode(&cluster_id) }).await?;
        self.members.meet(&first);
        self.pool.local().join(cluster_id);
        self.links.follow();
        tracing::info!(%cluster_id, node = self.node, "joined the cluster");
        Ok(first)
    }

    /// The lowest founder begins the system shard of a cluster that is founded.
    async fn begin(&self, system: &Group, first: &FirstMembers) -> Result<(), StartError> {
        let founders: Vec<u64> = match first.nodes.is_empty() {
            false => first.nodes.keys().copied().collect(),
            // The cluster id was taken over from a build that does not tell the members.
            true => self.listed(),
        };
        if first.joined || founders.first() != Some(&self.node) {
            return Ok(());
        }
        if founders.len() > 1 {
            self.wait_joined(&founders).await;
        }
        self.initialize(system, &founders).await
    }

    /// Once all listed nodes are there and hold nothing, there is a new cluster of them.
    async fn mint(&self, listed: &[u64]) -> Result<(Uuid, FirstMembers), StartError> {
        let everyone = |answers: &BTreeMap<u64, HelloReply>| answers.len() + 1 == listed.len();
        let answers = self.hello_until("waiting for all nodes, to found the cluster", everyone).await?;
        for (node, answer) in &answers {
            if let Some(cluster_id) = cluster_of(answer) {
                return Err(StartError::ClusterExists { node: *node, cluster_id });
            }
        }
        Ok((Uuid::new_v4(), FirstMembers { nodes: self.listed_rows(&answers), joined: false }))
    }

    /// The rows of the listed nodes, this one's too, with the identities that they answered with.
    fn listed_rows(&self, answers: &BTreeMap<u64, HelloReply>) -> BTreeMap<u64, NodeRow> {
        let row = |(id, address): (&u64, &crate::NodeAddress)| {
            let identity = match answers.get(id) {
                Some(answer) => Uuid::from_slice(&answer.identity).unwrap_or_default(),
                None => self.storage.identity(),
            };
            (*id, NodeRow::new(identity, address.peer.clone(), address.api.clone()))
        };
        self.options.nodes.iter().map(row).collect()
    }

    /// Takes over the cluster id that another node has, and the members. A node that the cluster knows with another
    /// identity is refused by its peers.
    async fn find_cluster(&self) -> Result<(Uuid, FirstMembers), StartError> {
        let someone = |answers: &BTreeMap<u64, HelloReply>| answers.values().any(|a| cluster_of(a).is_some());
        let answers = self.hello_until("waiting for the cluster to be founded", someone).await?;
        let found = answers.values().find_map(|answer| Some((cluster_of(answer)?, answer)));
        let (cluster_id, answer) = found.expect("awaited");
        Ok((cluster_id, first_members(&answer.members, false)))
    }

    /// Waits until a cluster has made this node a member, or an operator founds one of it.
    async fn wait_admitted(&self) -> Result<(Uuid, FirstMembers), StartError> {
        let node = self.node;
        let admitted = |answer: &HelloReply| {
            let cluster_id = cluster_of(answer).filter(|_| !answer.waiting)?;
            answer.members.iter().any(|member| member.node_id == node).then_some((cluster_id, answer.members.clone()))
        };
        let someone = |answers: &BTreeMap<u64, HelloReply>| answers.values().any(|answer| admitted(answer).is_some());
        let answers = tokio::select! {
            answers = self.hello_until("waiting to be made a member", someone) => answers?,
            () = self.members.until_init() => {
                let own = self.listed_rows(&BTreeMap::new()).remove_entry(&node);
                return Ok((Uuid::new_v4(), FirstMembers { nodes: own.into_iter().collect(), joined: false }));
            }
        };
        let (cluster_id, members) = answers.values().find_map(admitted).expect("awaited");
        Ok((cluster_id, first_members(&members, true)))
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

    /// Waits for the system shard's first rows; writes them if this node leads it. A node that joins waits until it is in
    /// them: the rows of before it come first.
    async fn wait_founded(&self, system: &Group, first: &FirstMembers) -> Result<ClusterMap, StartError> {
        let mut applied = system.applied();
        let mut leadership = system.leadership();
        loop {
            if let Some(map) = ClusterMap::read(&system.reader())?
                && (!first.joined || map.nodes.contains_key(&self.node))
            {
                return Ok(map);
            }
            let now = *leadership.borrow_and_update();
            if now.is_leader {
                self.found(system, now.term, first).await?;
                continue;
            }
            tokio::select! {
                _ = applied.changed() => {}
                _ = leadership.changed() => {}
                () = tokio::time::sleep(LATE) => {
                    tracing::info!("waiting for the system shard's leader");
                    // Who was taken back meanwhile is told so, and waits no longer.
                    self.hello_until("asking whether this node is still wanted", |_| true).await?;
                    if now.leader.is_none() && !first.joined && !first.nodes.is_empty() {
                        // Whoever should have begun it is gone; the first entry is the same, whoever writes it.
                        let founders: Vec<u64> = first.nodes.keys().copied().collect();
                        self.initialize(system, &founders).await?;
                    }
                }
            }
        }
    }

    async fn found(&self, system: &Group, term: u64, first: &FirstMembers) -> Result<(), StartError> {
        let nodes = match first.nodes.is_empty() {
            false => first.nodes.clone(),
            // The cluster id was taken over from a build that does not tell the members.
            true => {
                let others = self.options.nodes.len() - 1;
                let everyone = |answers: &BTreeMap<u64, HelloReply>| answers.len() == others;
                self.listed_rows(
                    &self.hello_until("waiting for all nodes, to record their identities", everyone).await?,
                )
            }
        };
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
            let round =
                join_all(self.pool.peers().map(|node| async move { (node, self.pool.hello(node).await) })).await;
            let mut answers = BTreeMap::new();
            for (node, answer) in round {
                match answer {
                    Ok(answer) => drop(answers.insert(node, answer)),
                    Err(status) if says_removed(&status) => {
                        self.members.set_removed(status.message()).await;
                        return Err(StartError::Removed(status.message().to_owned()));
                    }
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
                let waits_for = answers.values().map(|answer| answer.waits_for.as_str()).find(|why| !why.is_empty());
                tracing::info!(?silent, waits_for, "{what_for}");
            }
            tokio::time::sleep(if self.options.join { JOINING_ROUND } else { ROUND }).await;
        }
    }
}

fn cluster_of(answer: &HelloReply) -> Option<Uuid> {
    answer.cluster_id.parse().ok()
}

#[cfg(test)]
mod tests;
