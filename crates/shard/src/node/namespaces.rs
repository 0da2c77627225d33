//! Every node's view of the namespaces: the system shard's rows as they are applied here.

use crate::{
    node::router::Router,
    seam::{
        error::NoLeader,
        replica::{Rows, SYSTEM_SHARD},
    },
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

/// A namespace as every node knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub id: NamespaceId,
    pub name: String,
    /// Its description, without capabilities and limits.
    pub description: DescribeNamespaceResponse,
    /// The search attributes that are its own.
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
pub(crate) struct Namespaces {
    router: Arc<Router>,
    view: RwLock<Arc<View>>,
}

#[derive(Default)]
struct View {
    by_name: HashMap<String, Arc<Namespace>>,
    by_id: HashMap<NamespaceId, Arc<Namespace>>,
}

impl Namespaces {
    pub(crate) fn new(router: Arc<Router>) -> Namespaces {
        Namespaces { router, view: RwLock::default() }
    }

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

    /// A namespace by name; what is not known here is looked for at the system shard's leader. `None`: it does not
    /// exist.
    pub(crate) async fn find(&self, name: &str, deadline: Instant) -> Result<Option<Arc<Namespace>>, NoLeader> {
        if let Some(known) = self.by_name(name) {
            return Ok(Some(known));
        }
        self.refresh(deadline).await?;
        Ok(self.by_name(name))
    }

    /// After this the view shows all that was acknowledged before the call.
    pub(crate) async fn refresh(&self, deadline: Instant) -> Result<(), NoLeader> {
        let replica = self.router.system_caught_up(deadline).await?;
        self.read(&*replica.rows()).map_err(|error| {
            tracing::error!(%error, "namespaces cannot be read");
            NoLeader { shard: SYSTEM_SHARD }
        })
    }
}

/// Reads the namespaces again whenever the system shard's rows change here.
pub(crate) async fn follow(namespaces: Weak<Namespaces>) {
    let replica = namespaces.upgrade().and_then(|namespaces| namespaces.router.replica(SYSTEM_SHARD).cloned());
    let Some(replica) = replica else { return };
    let mut applied = replica.applied();
    loop {
        applied.mark_unchanged();
        let Some(namespaces) = namespaces.upgrade() else { return };
        if let Err(error) = namespaces.read(&*replica.rows()) {
            tracing::error!(%error, "namespaces cannot be read");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        drop(namespaces);
        if applied.changed().await.is_err() {
            return;
        }
    }
}
