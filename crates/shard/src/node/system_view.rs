//! Every node's view of what the system shard owns, as its rows are applied here: namespaces, the feature level.

use crate::{
    node::router::Router,
    seam::{
        error::NoLeader,
        replica::{Replica, SYSTEM_SHARD},
    },
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tenure_api::workflowservice::v1::DescribeNamespaceResponse;
use tenure_engine::{
    FeatureLevel, NamespaceId,
    rows::{ReadError, SystemTable},
    search_attributes::Registry,
    system::{cluster, namespace},
};
use tokio::{sync::watch, time::Instant};
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
    /// Whether it was deleted, and is only there until nothing of it is left.
    pub fn is_deleted(&self) -> bool {
        namespace::is_deleted(&self.description)
    }

    /// How long closed runs are kept.
    pub fn retention(&self) -> Option<Duration> {
        let config = self.description.config.as_ref()?;
        config.workflow_execution_retention_ttl.and_then(|ttl| Duration::try_from(ttl).ok())
    }
}

/// What this node knows of the system shard's rows.
pub(crate) struct SystemView {
    router: Arc<Router>,
    view: RwLock<View>,
    /// Held while rows are read, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
    /// The index of the system shard's log up to which the view shows it.
    revision: watch::Sender<u64>,
}

#[derive(Default)]
struct View {
    by_name: HashMap<String, Arc<Namespace>>,
    by_id: HashMap<NamespaceId, Known>,
    level: FeatureLevel,
}

impl View {
    /// Shows the namespace as it is known now, or not at all.
    fn set(&mut self, id: NamespaceId, known: Option<Known>) {
        let before = match known {
            Some(known) => {
                self.by_name.insert(known.namespace.name.clone(), known.namespace.clone());
                self.by_id.insert(id, known)
            }
            None => self.by_id.remove(&id),
        };
        let Some(before) = before else { return };
        let name = &before.namespace.name;
        // Another namespace may have the name by now.
        if self.by_id.get(&id).is_none_or(|now| now.namespace.name != *name)
            && self.by_name.get(name).is_some_and(|named| named.id == id)
        {
            self.by_name.remove(name);
        }
    }
}

/// A namespace, and the row that says so.
#[derive(Clone)]
struct Known {
    row: Bytes,
    namespace: Arc<Namespace>,
}

fn read_namespace(uuid: Uuid, id: Arc<str>, row: &[u8]) -> Result<Namespace, ReadError> {
    let description = namespace::description(id, row)?;
    let name = description.namespace_info.as_ref().map(|info| info.name.clone()).unwrap_or_default();
    let search_attributes = Registry::of(description.config.as_ref());
    Ok(Namespace { id: NamespaceId(uuid), name, description, search_attributes })
}

impl SystemView {
    pub(crate) fn new(router: Arc<Router>) -> SystemView {
        SystemView { router, view: RwLock::default(), reading: Mutex::default(), revision: watch::Sender::new(0) }
    }

    /// The forms that this node may write.
    pub(crate) fn level(&self) -> FeatureLevel {
        self.view.read().level
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Namespace>> {
        self.view.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: NamespaceId) -> Option<Arc<Namespace>> {
        self.view.read().by_id.get(&id).map(|known| known.namespace.clone())
    }

    pub(crate) fn name(&self, id: NamespaceId) -> Option<String> {
        self.by_id(id).map(|namespace| namespace.name.clone())
    }

    pub(crate) fn all(&self) -> Vec<Arc<Namespace>> {
        let mut all: Vec<_> = self.view.read().by_id.values().map(|known| known.namespace.clone()).collect();
        all.sort_by_key(|namespace| namespace.id);
        all
    }

    /// The namespaces that were deleted and are not forgotten yet.
    pub(crate) fn deleted(&self) -> Vec<Arc<Namespace>> {
        let view = self.view.read();
        let deleted = view.by_id.values().filter(|known| known.namespace.is_deleted());
        deleted.map(|known| known.namespace.clone()).collect()
    }

    /// Reads what was written since the last time; everything, if that is not known.
    fn read(&self, replica: &dyn Replica) -> Result<(), ReadError> {
        let _reading = self.reading.lock();
        // In this order: rows that are newer than the revision are shown sooner than they must be, and read once more.
        let (revision, shown) = (*replica.applied().borrow(), *self.revision.borrow());
        let (rows, written) = (replica.rows(), replica.written_since(shown, SystemTable::Namespace));
        let level = cluster::feature_level(&*rows)?;
        let whole = written.is_none();
        let found: Vec<(Arc<str>, Option<Bytes>)> = match written {
            Some(ids) => {
                ids.into_iter().map(|id| Ok((id.clone(), namespace::row(&*rows, id)?))).collect::<Result<_, _>>()?
            }
            None => namespace::rows(&*rows)?.into_iter().map(|(id, row)| (id, Some(row))).collect(),
        };
        let found = self.decode(found)?;
        let mut view = self.view.write();
        if whole {
            *view = View::default();
        }
        view.level = level;
        for (id, known) in found {
            view.set(id, known);
        }
        drop(view);
        self.revision.send_replace(revision);
        Ok(())
    }

    /// What rows say; those that are as they were are not decoded again. `None`: there is no such row.
    fn decode(&self, rows: Vec<(Arc<str>, Option<Bytes>)>) -> Result<Vec<(NamespaceId, Option<Known>)>, ReadError> {
        let view = self.view.read();
        let mut found = Vec::with_capacity(rows.len());
        for (id, row) in rows {
            let Ok(uuid) = Uuid::parse_str(&id) else { continue };
            let known = match (view.by_id.get(&NamespaceId(uuid)), row) {
                (_, None) => None,
                (Some(known), Some(row)) if known.row == row => Some(known.clone()),
                (_, Some(row)) => Some(Known { namespace: Arc::new(read_namespace(uuid, id, &row)?), row }),
            };
            found.push((NamespaceId(uuid), known));
        }
        Ok(found)
    }

    /// Resolves once the view shows the system shard up to this index of its log.
    pub(crate) async fn reached(&self, revision: u64) {
        // The sender is this view's own.
        _ = self.revision.subscribe().wait_for(|reached| *reached >= revision).await;
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
        self.read(&**replica).map_err(|error| {
            tracing::error!(%error, "the system shard cannot be read");
            NoLeader { shard: SYSTEM_SHARD }
        })
    }
}

/// Reads the view again whenever the system shard's rows change here.
///
/// # Panics
/// When the cluster is raised to a feature level that this build does not know: it could not read what the others write.
pub(crate) async fn follow(view: Weak<SystemView>, known: FeatureLevel) {
    let replica = view.upgrade().and_then(|view| view.router.replica(SYSTEM_SHARD).cloned());
    let Some(replica) = replica else { return };
    let mut applied = replica.applied();
    loop {
        applied.mark_unchanged();
        let Some(view) = view.upgrade() else { return };
        if let Err(error) = view.read(&*replica) {
            tracing::error!(%error, "the system shard cannot be read");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let level = view.level();
        assert!(level <= known, "the cluster is at feature level {level}, this build knows {known}: start a newer one");
        drop(view);
        if applied.changed().await.is_err() {
            return;
        }
    }
}
