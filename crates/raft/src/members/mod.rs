//! The members of the cluster: who they are now, as this node knows it, and how that changes.
//!
//! The system shard's rows say who is a member and which replicas have votes (`tenure_engine::system::members`). Every
//! node follows them: whom it lets in, whom it connects to, what it tells. The leader of the system shard is the
//! coordinator of a change: it has the leaders of all shards take one step after the other until they are where the rows
//! want them, and then writes the next rows. All of it can be asked for again, so whoever leads next goes on.

mod coordinator;
mod drive;
mod found;
mod invite;
mod progress;
mod requests;
mod step;

pub(crate) use coordinator::run as coordinate;
pub(crate) use drive::{Report, Wanted, drive};
pub(crate) use found::{found, token};
pub(crate) use invite::run as invite;
pub(crate) use progress::{Progress, ShardProgress};
pub(crate) use requests::{change, standing, tell};

use crate::{codec, links::Links, node::Core, options::Options};
use parking_lot::Mutex;
use std::{collections::BTreeMap, convert::Infallible, sync::Arc};
use tenure_engine::system::cluster::{self, ClusterMap, FirstMembers, NodeRow, NodeStanding, SYSTEM_SHARD};
use tenure_peer::{
    Pool,
    proto::{HelloReply, MemberInfo},
};
use tenure_storage::{LogOp, Storage, StorageError};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The row of the log database that holds the map.
pub(crate) const CLUSTER_MAP: &str = "cluster-map";

/// The row of the log database that says that this node was removed, in the words of a member.
pub(crate) const REMOVED: &str = "removed";

/// Who is a member, as this node knows it. Clones share it.
#[derive(Clone)]
pub(crate) struct Members(Arc<Inner>);

struct Inner {
    options: Arc<Options>,
    storage: Storage,
    pool: Pool,
    links: Links,
    map: watch::Sender<Arc<ClusterMap>>,
    /// What each other node said last: why it does not let this one in, or `None` if it does.
    refusals: Mutex<BTreeMap<u64, Option<String>>>,
    /// A member said that this node was removed, and how it said that.
    removed: watch::Sender<Option<String>>,
    /// An operator has asked for a cluster of this node.
    init: Notify,
    progress: Mutex<Progress>,
    /// Tells the coordinator that there is something to do.
    wake: Notify,
    /// Held while rows of the members are read and written: the coordinator and operators take turns.
    writing: tokio::sync::Mutex<()>,
}

impl Members {
    pub(crate) fn new(options: Arc<Options>, storage: Storage, pool: Pool, links: Links) -> Members {
        Members(Arc::new(Inner {
            options,
            storage,
            pool,
            links,
            map: watch::Sender::default(),
            refusals: Mutex::default(),
            removed: watch::Sender::default(),
            init: Notify::new(),
            progress: Mutex::default(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// The cluster as this node knows it; without nodes and shards before it knows any.
    pub(crate) fn map(&self) -> Arc<ClusterMap> {
        self.0.map.borrow().clone()
    }

    /// Goes by the members that are known before the cluster's rows are.
    pub(crate) fn meet(&self, first: &FirstMembers) {
        if !first.nodes.is_empty() {
            self.admit(0, &first.nodes);
        }
    }

    /// Goes by what another member tells of members, if it knows more: the system shard's rows may be with nodes that this
    /// one does not know of yet, because it was away when they came.
    pub(crate) fn hear(&self, told: &HelloReply) {
        let map = self.map();
        if told.revision <= map.members.revision.max(self.0.pool.gate().revision()) || told.members.is_empty() {
            return;
        }
        tracing::info!(by = told.node_id, revision = told.revision, "told of a change of the members");
        let mut nodes = first_members(&told.members, true).nodes;
        for (id, row) in &map.nodes {
            let gone = NodeRow { standing: NodeStanding::Removed, ..row.clone() };
            nodes.entry(*id).or_insert(gone);
        }
        self.admit(told.revision, &nodes);
    }

    /// Nodes that the configuration lists, and that are not known as members, where they are said to be: when all others
    /// that were members have gone while this node was away, these know.
    pub(crate) fn strangers(&self) -> Vec<(u64, String)> {
        let map = self.map();
        let configured = self.0.options.nodes.iter().filter(|(id, _)| !map.nodes.contains_key(id));
        configured.map(|(id, address)| (*id, address.peer.clone())).collect()
    }

    /// Goes by a map that was read before.
    pub(crate) fn go_by(&self, map: ClusterMap) {
        self.admit(map.members.revision, &map.nodes);
        self.0.map.send_replace(Arc::new(map));
        self.0.wake.notify_one();
    }

    /// Goes by a newer map, and will after a restart.
    pub(crate) async fn follow(&self, map: ClusterMap) -> Result<(), StorageError> {
        let value = tenure_engine::codec::encode(&map);
        self.0.storage.log().write(LogOp::Node { name: CLUSTER_MAP, value }).await?;
        self.go_by(map);
        Ok(())
    }

    /// Lets these in, and connects to them. Where the configuration has an address of a node, that is its address: it may
    /// be newer than the row.
    fn admit(&self, revision: u64, nodes: &BTreeMap<u64, NodeRow>) {
        let removed = nodes.iter().filter(|(_, row)| row.standing == NodeStanding::Removed).map(|(id, _)| *id);
        let members: Vec<_> = nodes.iter().filter(|(_, row)| row.standing != NodeStanding::Removed).collect();
        if !self.0.pool.gate().set(revision, members.iter().map(|(id, row)| (**id, row.identity)), removed) {
            return;
        }
        let peers = members.iter().map(|(id, row)| (**id, self.peer_address(**id, row))).collect();
        if let Err(error) = self.0.pool.set_peers(peers) {
            tracing::error!(%error, "the address of a member is none");
        }
        self.0.links.follow();
    }

    /// The address of a member's peer port, this node's too.
    pub(crate) fn peer_address(&self, node: u64, row: &NodeRow) -> String {
        let configured = self.0.options.nodes.get(&node).map(|address| address.peer.clone());
        configured.unwrap_or_else(|| row.peer_address.clone())
    }

    /// Notes why another node does not let this one in; `None`: it does.
    pub(crate) fn set_refused(&self, by: u64, why: Option<String>) {
        self.0.refusals.lock().insert(by, why);
    }

    /// Why the others do not let this node in; `None` if one of them does, or nobody has answered.
    pub(crate) fn refused(&self) -> Option<String> {
        let refusals = self.0.refusals.lock();
        let said: Vec<_> = self.0.pool.peers().filter_map(|node| Some((node, refusals.get(&node)?.clone()))).collect();
        let (node, why) = said.first()?;
        let why = format!("refused by node {node}: {}", why.as_ref()?);
        said.iter().all(|(_, why)| why.is_some()).then_some(why)
    }

    /// Goes by what a member says: this node was removed, and neither it nor a later process of it has a place in the cluster.
    pub(crate) async fn set_removed(&self, why: &str) {
        if self.0.removed.borrow().is_some() {
            return;
        }
        let value = codec::encode(&why);
        if let Err(error) = self.0.storage.log().write(LogOp::Node { name: REMOVED, value }).await {
            tracing::warn!(%error, "it is not recorded that this node was removed");
        }
        self.0.removed.send_replace(Some(why.to_owned()));
    }

    /// Returns once this node is known to be removed, with a sentence that says so.
    pub(crate) async fn until_removed(&self) -> String {
        let mut removed = self.0.removed.subscribe();
        loop {
            let why = removed.borrow_and_update().clone();
            if let Some(why) = why {
                return why;
            }
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = removed.changed().await;
        }
    }

    /// Has a node that waits found a cluster of itself.
    pub(crate) fn init(&self) {
        self.0.init.notify_one();
    }

    pub(crate) async fn until_init(&self) {
        self.0.init.notified().await;
    }

    pub(crate) fn progress(&self) -> &Mutex<Progress> {
        &self.0.progress
    }

    /// Has the coordinator look at once, if it is here.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// Whoever reads rows of the members to write what follows from them waits for its turn.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }
}

/// The rows of members that a node tells.
pub(crate) fn first_members(told: &[MemberInfo], joined: bool) -> FirstMembers {
    let row = |member: &MemberInfo| {
        let identity = Uuid::from_slice(&member.identity).ok()?;
        Some((member.node_id, NodeRow::new(identity, member.peer_address.clone(), String::new())))
    };
    FirstMembers { nodes: told.iter().filter_map(row).collect(), joined }
}

/// Follows the system shard's rows as they are applied here.
pub(crate) async fn follow(core: Core) -> Infallible {
    let Some(system) = core.groups.get(SYSTEM_SHARD) else { return std::future::pending().await };
    let mut applied = system.applied();
    loop {
        applied.mark_unchanged();
        let known = core.members.map().members.revision;
        let newer = cluster::members(&system.reader()).is_ok_and(|row| row.revision > known);
        let read = if newer { ClusterMap::read(&system.reader()) } else { Ok(None) };
        match read {
            // Rows of one entry are applied together, but an entry may come between two looks.
            Ok(Some(map)) if map.members.revision > known => {
                let members: Vec<u64> = map.members().map(|(id, _)| id).collect();
                tracing::info!(revision = map.members.revision, ?members, "the cluster's members have changed");
                if let Err(error) = core.members.follow(map).await {
                    core.options.on_fatal.report(&format!("the members could not be recorded: {error}"));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the members cannot be read"),
        }
        if applied.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
