//! The leaders that are here.

use crate::{leader::runtime::LeaderRuntime, node::router::Router, seam::replica::ShardId};
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc};

/// The leaders of one process.
pub(crate) struct Leaders {
    router: Arc<Router>,
    here: RwLock<BTreeMap<ShardId, Arc<LeaderRuntime>>>,
}

impl Leaders {
    pub(crate) fn new(router: Arc<Router>) -> Leaders {
        Leaders { router, here: RwLock::default() }
    }

    pub(crate) fn local(&self, shard: ShardId) -> Option<Arc<LeaderRuntime>> {
        self.here.read().get(&shard).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LeaderRuntime>> {
        self.here.read().values().cloned().collect()
    }

    pub(crate) fn set(&self, shard: ShardId, leader: Option<Arc<LeaderRuntime>>) {
        let term = leader.as_ref().map(|leader| leader.context.term);
        match leader {
            Some(leader) => _ = self.here.write().insert(shard, leader),
            None => _ = self.here.write().remove(&shard),
        }
        self.router.leads_here(shard, term);
    }
}
