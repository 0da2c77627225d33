//! The links to the other members, one each, as members come and go.

use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tenure_peer::{Link, Pool};
use tenure_vital::FatalHook;

/// Links by node id. Clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<Inner>);

struct Inner {
    pool: Pool,
    on_fatal: FatalHook,
    links: RwLock<BTreeMap<u64, Arc<Link>>>,
}

impl Links {
    /// Opens links to the pool's peers.
    pub(crate) fn new(pool: Pool, on_fatal: FatalHook) -> Links {
        let links = Links(Arc::new(Inner { pool, on_fatal, links: RwLock::default() }));
        links.follow();
        links
    }

    pub(crate) fn get(&self, node: u64) -> Option<Arc<Link>> {
        self.0.links.read().get(&node).cloned()
    }

    /// There is one link to each of the pool's peers, as they are now. A node that waits to join has none: nobody lets it in.
    pub(crate) fn follow(&self) {
        let local = self.0.pool.local();
        if local.joining && local.cluster_id().is_none() {
            return;
        }
        let peers: BTreeSet<u64> = self.0.pool.peers().collect();
        let mut links = self.0.links.write();
        links.retain(|node, _| peers.contains(node));
        for node in peers {
            links.entry(node).or_insert_with(|| Arc::new(Link::open(self.0.pool.clone(), node, &self.0.on_fatal)));
        }
    }
}
