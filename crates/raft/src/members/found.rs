//! What an operator asks of a cluster that is to grow: that there is one, and join tokens for those that come.

use super::{coordinator::unix_millis, invite::learn_key};
use crate::node::Core;
use std::time::{Duration, Instant};
use tenure_peer::{
    JoinToken,
    admin::{InitReply, TokenReply},
};
use tonic::Status;

/// How long a node may take to do what it is asked for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// A token names no more nodes than this: one of them will be there.
const NAMED: usize = 5;

/// Founds a cluster of this node, which waits for that; returns when it belongs to it.
pub(crate) async fn found(core: &Core) -> Result<InitReply, Status> {
    let (node, local) = (core.node, core.pool.local());
    if let Some(cluster) = local.cluster_id() {
        return Err(Status::failed_precondition(format!("node {node} belongs to cluster {cluster} already")));
    }
    if let Some(token) = &core.options.join_token {
        let cluster = token.cluster_id();
        return Err(Status::failed_precondition(format!(
            "node {node} was started with a join token of cluster {cluster}, and waits to be let in there"
        )));
    }
    if !core.options.join {
        let listed: Vec<u64> = core.options.nodes.keys().copied().collect();
        return Err(Status::failed_precondition(format!(
            "node {node} founds a cluster with the nodes that its configuration lists, {listed:?}, as soon as all of them are \
             there: only one with `cluster.join = true` waits for this"
        )));
    }
    tracing::info!("an operator founds a cluster of this node");
    core.members.init();
    let begin = Instant::now();
    loop {
        if let Some(cluster_id) = local.cluster_id() {
            return Ok(InitReply { cluster_id: cluster_id.to_string(), node_id: node });
        }
        if begin.elapsed() > PATIENCE {
            return Err(Status::unavailable("the node is starting: try again"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes a token; the cluster has its secret by then, but this replica may not have heard of it yet.
pub(crate) async fn token(core: &Core, valid_for_ms: u64) -> Result<TokenReply, Status> {
    let begin = Instant::now();
    let key = loop {
        learn_key(core);
        match core.pool.gate().join_key() {
            Some(key) => break key,
            None if begin.elapsed() > PATIENCE => return Err(Status::unavailable("the node is behind: try again")),
            None => tokio::time::sleep(LOOK).await,
        }
    };
    let map = core.members.map();
    let nodes = map.members().take(NAMED).map(|(id, row)| (id, core.members.peer_address(id, row)));
    let expires_ms = unix_millis().saturating_add(valid_for_ms);
    let token = JoinToken::new(&key, map.cluster.cluster_id, expires_ms, nodes.collect());
    Ok(TokenReply { token: token.to_string(), expires_ms })
}
