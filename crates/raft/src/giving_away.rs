//! Leaderships that go to other nodes at once, from a node that is not fit to lead. (Before a stop: `drain.rs`.)

use crate::{
    group::{Group, TransferError},
    node::Core,
};
use futures::future::join_all;

impl Core {
    /// Hands over what this node should not lead.
    pub(crate) async fn hand_over_unfit(&self) {
        let own = self.pool.own_condition();
        let unfit = self.groups.all().into_iter().filter(|group| !own.is_fit_for(group.id()));
        join_all(unfit.map(|group| self.hand_over_group(group))).await;
    }

    pub(crate) async fn hand_over_group(&self, group: Group) {
        let shard = group.id();
        let status = group.status();
        if !status.leadership.is_leader {
            return;
        }
        let mut candidates: Vec<_> = status.lag.iter().filter_map(|(node, lag)| Some(((*lag)?, *node))).collect();
        candidates.retain(|(_, node)| self.is_alive(*node) && self.pool.condition(*node).is_fit_for(shard));
        candidates.retain(|(_, node)| !self.pool.is_draining(*node));
        // Spread over the others: of those that lack least, not always the same.
        candidates.sort_by_key(|(lag, node)| (*lag, (*node + u64::from(shard)) % 7));
        for (_, node) in candidates {
            match group.transfer_leader(node).await {
                Ok(()) | Err(TransferError::NotLeader(_) | TransferError::TookOver { .. }) => return,
                Err(error) => tracing::warn!(shard, %error, "leadership not handed over"),
            }
        }
    }
}
