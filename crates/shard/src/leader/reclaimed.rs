//! The namespaces of which a shard is not to have anything any more, as its rows say and a little ahead of them.

use crate::seam::replica::{Rows, SYSTEM_SHARD, ShardId};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use tenure_engine::{NamespaceId, reclaim::Reclaim, rows::ReadError};

/// What one leader knows of namespaces that were deleted.
pub(crate) struct Reclaimed(RwLock<BTreeMap<NamespaceId, Reclaim>>);

impl Reclaimed {
    pub(crate) fn load(shard: ShardId, rows: &dyn Rows) -> Result<Reclaimed, ReadError> {
        let all = if shard == SYSTEM_SHARD { BTreeMap::new() } else { Reclaim::all(rows)? };
        Ok(Reclaimed(RwLock::new(all)))
    }

    pub(crate) fn get(&self, namespace: NamespaceId) -> Option<Reclaim> {
        self.0.read().get(&namespace).copied()
    }

    pub(crate) fn all(&self) -> Vec<(NamespaceId, Reclaim)> {
        self.0.read().iter().map(|(namespace, reclaim)| (*namespace, *reclaim)).collect()
    }

    pub(crate) fn set(&self, namespace: NamespaceId, reclaim: Reclaim) {
        self.0.write().insert(namespace, reclaim);
    }

    pub(crate) fn remove(&self, namespace: NamespaceId) {
        self.0.write().remove(&namespace);
    }
}
