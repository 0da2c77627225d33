//! Leaderships that go to other nodes at once: before a stop, and from a node that is not fit to lead.

use crate::{
    group::{Group, TransferError},
    node::Core,
};
use futures::future::join_all;

impl Core {
    /// Hands all leaderships to other replicas, as far as one can take over.
    pub(crate) async fn hand_over(&self) {
        // Nothing comes back here meanwhile: a new leader keeps what it got for a while.
        join_all(self.groups.all().into_iter().map(|group| self.hand_over_group(group))).await;
    }

    /// Hands over what this node should not lead.
    pub(crate) async fn hand_over_unfit(&self) {
        let own = self.pool.own_condition();
        let unfit = self.groups.all().into_iter().filter(|group| !own.is_fit_for(group.id()));
        join_all(unfit.map(|group| self.hand_over_group(group))).await;
    }

    async fn hand_over_group(&self, group: Group) {
        let shard = group.id();
        let status = group.status();
        if !status.leadership.is_leader {
            return;
        }
        let mut candidates: Vec<_> = status.lag.iter().filter_map(|(node, lag)| Some(((*lag)?, *node))).collect();
        candidates.retain(|(_, node)| self.is_alive(*node) && self.pool.condition(*node).is_fit_for(shard));
        // Spread over the others: of those that lack least, not always the same.
        candidates.sort_by_key(|(lag, node)| (*lag, (*node + u64::from(shard)) % 7));
        for (_, node) in candidates {
            match group.transfer_leader(node).await {
                Ok(()) | Err(TransferError::NotLeader(_)) => return,
                Err(error) => tracing::warn!(shard, %error, "leadership not handed over"),
            }
        }
    }
}
