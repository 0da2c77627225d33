//! Every node's view of the namespaces: the system shard's rows as they are applied here.

use crate::{
    node::shared::{NoLeader, Served, Shared},
    seam::messages::{Answer, Request},
    seam::replica::{Replica, Rows, SYSTEM_SHARD},
};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_api::workflowservice::v1::DescribeNamespaceResponse;
use tenure_engine::{NamespaceId, rows::ReadError, search_attributes::Registry, system::namespace};
use tokio::time::Instant;
use uuid::Uuid;

/// Rows that cannot be read are tried again after this time.
const RETRY: Duration = Duration::from_secs(1);

/// A namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub id: NamespaceId,
    pub name: String,
    /// As it is described, but for capabilities and limits.
    pub description: DescribeNamespaceResponse,
    /// Those of its own.
    pub search_attributes: Registry,
}

impl Namespace {
    /// How long closed runs are kept.
    pub fn retention(&self) -> Option<Duration> {
        let config = self.description.config.as_ref()?;
        config.workflow_execution_retention_ttl.and_then(|ttl| Duration::try_from(ttl).ok())
    }
}

/// The namespaces that this node knows of.
#[derive(Default)]
pub(crate) struct Namespaces {
    view: RwLock<Arc<View>>,
}

#[derive(Default)]
struct View {
    by_name: HashMap<String, Arc<Namespace>>,
    by_id: HashMap<NamespaceId, Arc<Namespace>>,
}

impl Namespaces {
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Namespace>> {
        self.view.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: NamespaceId) -> Option<Arc<Namespace>> {
        self.view.read().by_id.get(&id).cloned()
    }

    pub(crate) fn name(&self, id: NamespaceId) -> Option<String> {
        self.by_id(id).map(|namespace| namespace.name.clone())
    }

    pub(crate) fn all(&self) -> Vec<Arc<Namespace>> {
        let mut all: Vec<_> = self.view.read().by_id.values().cloned().collect();
        all.sort_by_key(|namespace| namespace.id);
        all
    }

    fn read(&self, rows: &dyn Rows) -> Result<(), ReadError> {
        let mut view = View::default();
        for description in namespace::list(rows, None, usize::MAX)? {
            let info = description.namespace_info.clone().unwrap_or_default();
            let Ok(id) = Uuid::parse_str(&info.id) else { continue };
            let search_attributes = Registry::of(description.config.as_ref());
            let namespace = Namespace { id: NamespaceId(id), name: info.name, description, search_attributes };
            let namespace = Arc::new(namespace);
            view.by_name.insert(namespace.name.clone(), namespace.clone());
            view.by_id.insert(namespace.id, namespace);
        }
        *self.view.write() = Arc::new(view);
        Ok(())
    }
}

impl Shared {
    /// A namespace by name; what is not known here is looked for at the system shard's leader. `None`: it does not
    /// exist.
    pub(crate) async fn namespace(
        self: &Arc<Self>,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Arc<Namespace>>, NoLeader> {
        if let Some(known) = self.namespaces.by_name(name) {
            return Ok(Some(known));
        }
        self.refresh_namespaces(deadline).await?;
        Ok(self.namespaces.by_name(name))
    }

    /// After this the view shows all that was acknowledged before the call.
    pub(crate) async fn refresh_namespaces(self: &Arc<Self>, deadline: Instant) -> Result<(), NoLeader> {
        let replica = self.system_caught_up(deadline).await?;
        self.namespaces.read(&*replica.rows()).map_err(|error| {
            tracing::error!(%error, "namespaces cannot be read");
            NoLeader { shard: SYSTEM_SHARD }
        })
    }

    /// This node's replica of the system shard, with all that was acknowledged before the call.
    pub(crate) async fn system_caught_up(self: &Arc<Self>, deadline: Instant) -> Result<&Arc<dyn Replica>, NoLeader> {
        let no_leader = NoLeader { shard: SYSTEM_SHARD };
        let replica = self.replica(SYSTEM_SHARD).ok_or(no_leader)?;
        let served = self.ask_leader(SYSTEM_SHARD, Request::ReadIndex { shard: SYSTEM_SHARD }, deadline).await?;
        let Served::Answer(Answer::ReadIndex(index)) = served else { return Err(no_leader) };
        let mut applied = replica.applied();
        let caught_up = applied.wait_for(|applied| *applied >= index);
        match tokio::time::timeout_at(deadline, caught_up).await {
            Ok(Ok(_)) => Ok(replica),
            _ => Err(no_leader),
        }
    }
}

/// Reads the namespaces again whenever the system shard's rows change here.
pub(crate) async fn follow(shared: Weak<Shared>) {
    let Some(replica) = shared.upgrade().and_then(|shared| shared.replica(SYSTEM_SHARD).cloned()) else { return };
    let mut applied = replica.applied();
    loop {
        applied.mark_unchanged();
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = shared.namespaces.read(&*replica.rows()) {
            tracing::error!(%error, "namespaces cannot be read");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        drop(shared);
        if applied.changed().await.is_err() {
            return;
        }
    }
}
