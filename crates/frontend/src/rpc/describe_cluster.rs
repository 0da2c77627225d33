//! DescribeCluster, of our own API: what each node says of itself and of its replicas, put together.

use super::prelude::*;
use crate::Frontend;
use futures::future::join_all;
use prost_types::Timestamp as ProtoTimestamp;
use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, SystemTime},
};
use tenure_api::tenure::v1::{
    ClusterNode, ClusterShard, DescribeClusterRequest, DescribeClusterResponse, ShardReplica,
};
use tenure_peer::admin::{ShardStatus, StatusReply, StatusRequest};
use tokio::time::{Instant, timeout_at};

/// How long the other nodes are waited for. A page that is brought up to date each second sees a dead node within two.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node is slow if what its log takes is so many times what the others' take, and so long at least.
const SLOWER: f64 = 5.0;
const SLOW_MS: f64 = 20.0;

/// A clock that is so far off is told; with twice as much, nodes should neither lead nor propose.
const CLOCK_MS: f64 = 250.0;

/// A disk with less room than this is told.
const FREE_BYTES: u64 = 1 << 30;

/// A replica that lacks more entries than this is told; what is on its way is less.
const LAG: u64 = 1_000;

/// What a node answered, or why it did not.
type Answers = BTreeMap<u64, Result<StatusReply, String>>;

impl LocalRpc for DescribeClusterRequest {
    type Response = DescribeClusterResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let others =
            join_all(frontend.peers().peers().map(|node| async move { (node, ask(frontend, node, deadline).await) }));
        let (own, others) = tokio::join!(frontend.status(), others);
        let id = own.node_id;
        let mut answers: Answers = others.into_iter().collect();
        answers.insert(id, Ok(own));
        Ok(DescribeClusterResponse { now: Some(SystemTime::now().into()), ..describe(id, &answers) })
    }
}

async fn ask(frontend: &Frontend, node: u64, deadline: Instant) -> Result<StatusReply, String> {
    let mut client = frontend.peers().admin(node).map_err(|error| error.to_string())?;
    match timeout_at(deadline, client.status(StatusRequest {})).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(reason(&status)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// What went wrong: tonic hides it behind 'transport error'.
fn reason(status: &tonic::Status) -> String {
    let mut cause = status.source();
    while let Some(inner) = cause.and_then(Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// What the answers come to, as node `id` tells it.
fn describe(id: u64, answers: &Answers) -> DescribeClusterResponse {
    let replies = || answers.values().filter_map(|answer| answer.as_ref().ok());
    let own = answers.get(&id).and_then(|answer| answer.as_ref().ok()).cloned().unwrap_or_default();
    let mut by_shard: BTreeMap<u32, Vec<(u64, &ShardStatus)>> = BTreeMap::new();
    for reply in replies() {
        for shard in &reply.shards {
            by_shard.entry(shard.shard).or_default().push((reply.node_id, shard));
        }
    }
    let shards: Vec<ClusterShard> = by_shard.into_iter().map(|(id, replicas)| shard(id, &replicas)).collect();
    let mut nodes: Vec<ClusterNode> = own
        .nodes
        .iter()
        .map(|known| {
            let answer = answers.get(&known.node_id);
            let unheard = replies()
                .filter(|reply| reply.nodes.iter().any(|seen| seen.node_id == known.node_id && !seen.reachable));
            ClusterNode {
                id: known.node_id,
                peer_address: known.peer_address.clone(),
                unheard_by: unheard.map(|reply| reply.node_id).collect(),
                leaders: shards.iter().filter(|shard| shard.leader == known.node_id).count() as u32,
                clock_offset_ms: known.clock_ahead_seconds.filter(|_| known.reachable).map(|seconds| seconds * 1e3),
                ..node(answer)
            }
        })
        .collect();
    find_slow(&mut nodes);
    for node in &mut nodes {
        node.troubles = troubles_of(node, id);
        let reply = answers.get(&node.id).and_then(|answer| answer.as_ref().ok());
        let unfit = reply.iter().flat_map(|reply| &reply.unfit_because);
        let replicas = reply.iter().flat_map(|reply| &reply.shards).filter(|shard| !shard.damage.is_empty());
        let damaged = replicas
            .map(|it| format!("The replica of shard {} on node {} is damaged: {}.", it.shard, node.id, it.damage));
        let damaged: Vec<String> = damaged.collect();
        node.troubles.extend(damaged);
        node.troubles.extend(unfit.map(|because| format!("Node {} gives its leaderships away: {because}.", node.id)));
    }
    let of_nodes = nodes.iter().flat_map(|node| node.troubles.iter().cloned());
    let troubles = of_nodes.chain(shards.iter().flat_map(troubles_of_shard)).collect();
    DescribeClusterResponse {
        cluster_id: own.cluster_id,
        feature_level: own.feature_level,
        node: id,
        nodes,
        shards,
        troubles,
        now: None,
    }
}

/// What a node says of itself.
fn node(answer: Option<&Result<StatusReply, String>>) -> ClusterNode {
    let reply = match answer {
        Some(Ok(reply)) => reply,
        Some(Err(reason)) => return ClusterNode { reason: reason.clone(), ..Default::default() },
        None => return ClusterNode { reason: "this node does not know it".into(), ..Default::default() },
    };
    let vitals = reply.vitals.clone().unwrap_or_default();
    let ms = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e3);
    let started = vitals.started_at_ms;
    ClusterNode {
        reachable: true,
        ready: reply.ready,
        ready_reason: reply.not_ready_because.clone(),
        version: reply.version.clone(),
        known_feature_level: reply.known_feature_level,
        grpc_address: vitals.grpc_address,
        http_address: vitals.http_address,
        started_at: (started > 0)
            .then(|| ProtoTimestamp { seconds: (started / 1000) as i64, nanos: (started % 1000 * 1_000_000) as i32 }),
        memory_bytes: vitals.memory_bytes,
        disk_used_bytes: vitals.disk_used_bytes,
        disk_free_bytes: vitals.disk_free_bytes,
        sync_p50_ms: ms(vitals.sync_p50),
        sync_p99_ms: ms(vitals.sync_p99),
        commit_p50_ms: ms(vitals.commit_p50),
        commit_p99_ms: ms(vitals.commit_p99),
        cpu_cores: vitals.cpu_cores,
        cores: vitals.cores,
        ..Default::default()
    }
}

/// A shard by its replicas on nodes that answered. The leader of the highest term that a replica claims for itself is
/// believed; else what a majority could have elected is not known.
fn shard(id: u32, replicas: &[(u64, &ShardStatus)]) -> ClusterShard {
    let newest = replicas.iter().max_by_key(|(_, replica)| replica.term);
    let leading = replicas.iter().filter(|(node, replica)| replica.leader == *node);
    let leading = leading.max_by_key(|(_, replica)| replica.term);
    let leading = leading.filter(|(_, leader)| newest.is_some_and(|(_, newest)| newest.term == leader.term));
    let source = leading.or(newest).map(|(_, replica)| (*replica).clone()).unwrap_or_default();
    let replica = |(node, replica): &(u64, &ShardStatus)| ShardReplica {
        node: *node,
        role: replica.role.clone(),
        applied: replica.applied_index,
        lag: source.committed_index.saturating_sub(replica.applied_index),
        bytes: replica.bytes,
        log_bytes: replica.log_bytes,
    };
    ClusterShard {
        id,
        first_slot: source.first_slot,
        last_slot: source.last_slot,
        leader: leading.map_or(0, |(node, _)| *node),
        term: source.term,
        committed: source.committed_index,
        replicas: replicas.iter().map(replica).collect(),
    }
}

/// Marks the nodes whose logs take much longer than those of the others.
fn find_slow(nodes: &mut [ClusterNode]) {
    let times: Vec<Option<f64>> = nodes.iter().map(|node| node.sync_p99_ms).collect();
    for (at, node) in nodes.iter_mut().enumerate() {
        let others = times.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, time)| *time);
        let (Some(own), Some(others)) = (node.sync_p99_ms, others.max_by(f64::total_cmp)) else { continue };
        node.slow = own >= SLOW_MS && own >= SLOWER * others;
    }
}

/// What is wrong with a node, as node `asked` tells it.
fn troubles_of(node: &ClusterNode, asked: u64) -> Vec<String> {
    let id = node.id;
    if !node.reachable {
        return vec![format!("Node {id} does not answer: {}.", node.reason)];
    }
    let mut troubles = Vec::new();
    if !node.unheard_by.is_empty() {
        let by: Vec<String> = node.unheard_by.iter().map(u64::to_string).collect();
        troubles.push(format!("Node {id} answers, but has not been heard lately by node {}.", by.join(", ")));
    }
    if !node.ready {
        // A node of an earlier build does not say why.
        let why = if node.ready_reason.is_empty() { String::new() } else { format!(": {}", node.ready_reason) };
        troubles.push(format!("Node {id} is not ready{why}."));
    }
    if let (true, Some(sync)) = (node.slow, node.sync_p99_ms) {
        let slow = format!("Node {id} is slow: one in a hundred writes of its log takes {sync:.0} ms or longer");
        troubles.push(format!("{slow}, which the other nodes' do not. Look at its disk."));
    }
    if let Some(off) = node.clock_offset_ms.filter(|off| off.abs() >= CLOCK_MS) {
        let way = if off > 0.0 { "ahead of" } else { "behind" };
        troubles.push(format!("The clock of node {id} is {:.0} ms {way} that of node {asked}.", off.abs()));
    }
    if let Some(free) = node.disk_free_bytes.filter(|free| *free < FREE_BYTES) {
        troubles.push(format!("The disk of node {id} is nearly full: {} MiB are free.", free >> 20));
    }
    troubles
}

fn troubles_of_shard(shard: &ClusterShard) -> Vec<String> {
    let id = shard.id;
    if shard.leader == 0 {
        return vec![format!("Shard {id} has no leader: what is in it waits.")];
    }
    let behind = shard.replicas.iter().filter(|replica| replica.lag > LAG);
    behind.map(|replica| format!("Node {} lacks {} entries of shard {id}.", replica.node, replica.lag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_peer::admin::{NodeStatus, Vitals};

    /// The reply of a node of three that leads the shard of its number.
    fn reply(node_id: u64) -> StatusReply {
        let known = |node_id| NodeStatus { node_id, reachable: true, ..Default::default() };
        let replica = |shard| ShardStatus {
            shard,
            leader: u64::from(shard),
            term: 4,
            committed_index: 10,
            applied_index: 10,
            ..Default::default()
        };
        StatusReply {
            node_id,
            ready: true,
            nodes: [1, 2, 3].map(known).into(),
            shards: [1, 2, 3].map(replica).into(),
            vitals: Some(Vitals { sync_p99: Some(0.004), ..Default::default() }),
            ..Default::default()
        }
    }

    fn answers(change: impl Fn(&mut StatusReply)) -> Answers {
        let changed = |id| {
            let mut reply = reply(id);
            change(&mut reply);
            (id, Ok(reply))
        };
        [1, 2, 3].map(changed).into()
    }

    #[track_caller]
    fn check(answers: &Answers, troubles: &[&str]) {
        assert_eq!(describe(1, answers).troubles, troubles);
    }

    #[test]
    fn all_is_well() {
        let found = describe(1, &answers(|_| ()));
        assert_eq!(found.troubles, [""; 0]);
        assert_eq!(
            found.nodes.iter().map(|node| (node.id, node.leaders)).collect::<Vec<_>>(),
            [(1, 1), (2, 1), (3, 1)]
        );
        assert_eq!(found.nodes[0].memory_bytes, None, "what is not known is absent");
        assert_eq!(found.shards.iter().map(|shard| shard.leader).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_dead_node_and_the_shard_that_it_led() {
        let mut answers = answers(|_| ());
        answers.insert(3, Err("Connection refused (os error 111)".into()));
        check(
            &answers,
            &[
                "Node 3 does not answer: Connection refused (os error 111).",
                "Shard 3 has no leader: what is in it waits.",
            ],
        );
    }

    #[test]
    fn the_leader_of_an_older_term_is_not_believed() {
        let answers = answers(|reply| {
            if reply.node_id != 3 {
                let replica = &mut reply.shards[2];
                (replica.leader, replica.term, replica.committed_index) = (2, 5, 12);
            }
        });
        let found = describe(1, &answers);
        assert_eq!((found.shards[2].leader, found.shards[2].term, found.shards[2].committed), (2, 5, 12));
        assert_eq!(found.shards[2].replicas[2].lag, 2);
    }

    #[test]
    fn one_that_stands_out_is_named() {
        check(
            &answers(|reply| {
                if reply.node_id == 2 {
                    reply.vitals.get_or_insert_default().sync_p99 = Some(0.25);
                    reply.vitals.get_or_insert_default().disk_free_bytes = Some(300 << 20);
                    (reply.ready, reply.not_ready_because) = (false, "shard 1 has 5000 entries to apply".into());
                }
                if reply.node_id == 1 {
                    reply.nodes[1].clock_ahead_seconds = Some(-0.6);
                    reply.nodes[2].reachable = false;
                    reply.shards[1].committed_index = 10;
                }
            }),
            &[
                "Node 2 is not ready: shard 1 has 5000 entries to apply.",
                "Node 2 is slow: one in a hundred writes of its log takes 250 ms or longer, which the other nodes' do not. \
                 Look at its disk.",
                "The clock of node 2 is 600 ms behind that of node 1.",
                "The disk of node 2 is nearly full: 300 MiB are free.",
                "Node 3 answers, but has not been heard lately by node 1.",
            ],
        );
    }
}
