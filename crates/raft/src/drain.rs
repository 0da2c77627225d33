//! Draining: a node hands over all that it leads, and is given nothing to lead, until it is told otherwise or starts again.
//!
//! No row remembers it. A node that is drained says so in its answers to hello, so that the others do not give it its
//! leaderships back, and should it win an election all the same, because nobody else could, it hands over again.

use crate::{
    group::{Group, TransferError},
    handover::TRANSFER_LAG,
    node::Core,
};
use futures::future::join_all;
use std::{convert::Infallible, time::Duration};
use tenure_storage::ShardId;

/// Between two looks at what is still led here.
const ROUND: Duration = Duration::from_millis(100);

/// A shard that is led here, and who is to lead it, if anybody can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) shard: ShardId,
    /// Those that could lead it, the best one first.
    pub(crate) heirs: Vec<u64>,
    /// Why nobody takes over now.
    pub(crate) waits_for: Option<String>,
}

/// What this node leads, and who could lead that.
pub(crate) fn led(core: &Core) -> Vec<Led> {
    let groups = core.groups.all();
    groups.iter().filter(|group| group.leads()).map(|group| look(core, group, false)).collect()
}

/// Hands over whatever this node leads as long as it is drained.
pub(crate) async fn run(core: Core) -> Infallible {
    let local = core.pool.local().clone();
    loop {
        local.until_draining().await;
        let left = pass(&core, false).await;
        if !left.is_empty() {
            tracing::debug!(?left, "draining");
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Hands over all that is led here for as long as there is somebody who may take it. Before a stop: clients see latency
/// instead of an election.
pub(crate) async fn leave(core: &Core) {
    core.pool.local().set_draining(true);
    // So that nobody who stops at the same time gives it anything.
    let told = join_all(core.pool.peers().map(|node| async move { core.pool.hello(node).await }));
    let _ = tokio::time::timeout(ROUND, told).await;
    while pass(core, false).await.iter().any(|led| !led.heirs.is_empty()) {
        tokio::time::sleep(ROUND).await;
    }
    // Who is drained, too, is still better than nobody.
    pass(core, true).await;
}

/// Hands over once what is led here; returns what is still led.
pub(crate) async fn pass(core: &Core, to_drained: bool) -> Vec<Led> {
    let groups = core.groups.all();
    let led = groups.iter().filter(|group| group.leads());
    join_all(led.map(|group| async move {
        let shard = look(core, group, to_drained);
        hand_over(group, &shard.heirs).await;
        shard
    }))
    .await
    .into_iter()
    .filter(|led| core.groups.get(led.shard).is_some_and(|group| group.leads()))
    .collect()
}

async fn hand_over(group: &Group, heirs: &[u64]) {
    let shard = group.id();
    for node in heirs {
        match group.transfer_leader(*node).await {
            Ok(()) | Err(TransferError::NotLeader(_) | TransferError::TookOver { .. }) => return,
            Err(error) => tracing::warn!(shard, %error, "leadership not handed over"),
        }
    }
}

fn look(core: &Core, group: &Group, to_drained: bool) -> Led {
    let (shard, status) = (group.id(), group.status());
    let mut heirs: Vec<(u64, u64)> = status.lag.iter().filter_map(|(node, lag)| Some(((*lag)?, *node))).collect();
    heirs.retain(|(_, node)| status.voters.contains(node) && core.is_alive(*node));
    heirs.retain(|(_, node)| core.pool.condition(*node).is_fit_for(shard));
    let run = !heirs.is_empty();
    heirs.retain(|(_, node)| to_drained || !core.pool.is_draining(*node));
    // Spread over the others: of those that lack least, not always the same.
    heirs.sort_by_key(|(lag, node)| (*lag, (*node + u64::from(shard)) % 7));
    let waits_for = match heirs.first() {
        Some((entries, node)) if *entries > TRANSFER_LAG => Some(format!("node {node} lacks {entries} entries")),
        Some(_) => None,
        None if run => Some("the other nodes are drained, too".to_owned()),
        None => Some("no other node with a replica answers and is fit to lead".to_owned()),
    };
    Led { shard, heirs: heirs.into_iter().map(|(_, node)| node).collect(), waits_for }
}
