//! Who a node is to its peers, and how its calls say so.
//!
//! A data directory has a random identity. A member that comes back with another identity has lost its log, and with
//! it its votes: it must not take part under the old node id.

use crate::JoinToken;
use std::sync::OnceLock;
use tokio::sync::watch;
use tonic::{Status, metadata::MetadataMap};
use uuid::Uuid;

pub(crate) const CLUSTER_ID: &str = "tenure-cluster-id";
const NODE_ID: &str = "tenure-node-id";
const IDENTITY: &str = "tenure-identity";
const CALLEE_NODE_ID: &str = "tenure-callee-node-id";
const CALLEE_IDENTITY: &str = "tenure-callee-identity";

/// This node.
#[derive(Debug)]
pub struct Local {
    pub node_id: u64,
    pub identity: Uuid,
    /// Where its peers reach it; empty if it does not say so.
    pub peer_address: String,
    /// The highest feature level that its build knows; zero if it does not say so.
    pub known_level: u32,
    /// It is no member, and waits until it is made one.
    pub joining: bool,
    /// With which it waits.
    pub join_token: Option<JoinToken>,
    cluster_id: OnceLock<Uuid>,
    draining: watch::Sender<bool>,
}

impl Local {
    pub fn new(node_id: u64, identity: Uuid, cluster_id: Option<Uuid>) -> Local {
        let cluster_id = cluster_id.map(OnceLock::from).unwrap_or_default();
        let draining = watch::Sender::new(false);
        Local {
            node_id,
            identity,
            peer_address: String::new(),
            known_level: 0,
            joining: false,
            join_token: None,
            cluster_id,
            draining,
        }
    }

    /// It leads nothing if it can help it.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub fn set_draining(&self, draining: bool) {
        self.draining.send_replace(draining);
    }

    /// Returns once, and at once while, this node is drained.
    pub async fn until_draining(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// `None` until the node belongs to a cluster.
    pub fn cluster_id(&self) -> Option<Uuid> {
        self.cluster_id.get().copied()
    }

    /// Joins a cluster, once and for all.
    ///
    /// # Panics
    /// If the node already belongs to another one.
    pub fn join(&self, cluster_id: Uuid) {
        let joined = *self.cluster_id.get_or_init(|| cluster_id);
        assert_eq!(joined, cluster_id, "a node never changes its cluster");
    }

    pub(crate) fn sign(&self, metadata: &mut MetadataMap) {
        put(metadata, NODE_ID, self.node_id);
        put(metadata, IDENTITY, self.identity);
        if let Some(id) = self.cluster_id() {
            put(metadata, CLUSTER_ID, id);
        }
    }
}

fn put(metadata: &mut MetadataMap, key: &'static str, id: impl ToString) {
    metadata.insert(key, id.to_string().parse().expect("ids are plain ASCII"));
}

fn field<T: std::str::FromStr>(metadata: &MetadataMap, key: &str) -> Result<Option<T>, Status> {
    let Some(value) = metadata.get(key) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|v| v.parse().ok());
    parsed.map(Some).ok_or_else(|| Status::unauthenticated(format!("{key} is malformed")))
}

/// Who says to be calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub node_id: u64,
    pub identity: Uuid,
    /// `None` from a node that belongs to no cluster yet.
    pub cluster_id: Option<Uuid>,
}

impl Caller {
    pub(crate) fn read(metadata: &MetadataMap) -> Result<Caller, Status> {
        let missing = |key| Status::unauthenticated(format!("{key} is missing: the caller is not a node"));
        Ok(Caller {
            node_id: field(metadata, NODE_ID)?.ok_or_else(|| missing(NODE_ID))?,
            identity: field(metadata, IDENTITY)?.ok_or_else(|| missing(IDENTITY))?,
            cluster_id: field(metadata, CLUSTER_ID)?,
        })
    }
}

/// Who a call is meant for. An address may have become another node's, or the node's data directory another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    pub node_id: u64,
    /// `None` while the caller does not know it.
    pub identity: Option<Uuid>,
}

impl Callee {
    pub(crate) fn sign(&self, metadata: &mut MetadataMap) {
        put(metadata, CALLEE_NODE_ID, self.node_id);
        if let Some(identity) = self.identity {
            put(metadata, CALLEE_IDENTITY, identity);
        }
    }

    /// `None` from a build that does not say whom it means.
    pub(crate) fn read(metadata: &MetadataMap) -> Result<Option<Callee>, Status> {
        let Some(node_id) = field(metadata, CALLEE_NODE_ID)? else { return Ok(None) };
        Ok(Some(Callee { node_id, identity: field(metadata, CALLEE_IDENTITY)? }))
    }

    /// Whether a node, as it says of itself, is the one that is meant. It tells its identity to members only.
    pub fn check(&self, node_id: u64, identity: Option<Uuid>) -> Result<(), Status> {
        if node_id != self.node_id {
            let message = format!("the address of node {} is node {node_id}'s", self.node_id);
            return Err(Status::permission_denied(message));
        }
        match self.identity {
            Some(known) if identity.is_some_and(|identity| known != identity) => Err(Status::failed_precondition(
                format!("node {node_id} is known with another data directory than the one that answers"),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_caller_signs_and_is_read_back() {
        let local = Local::new(2, Uuid::from_u128(22), None);
        let mut metadata = MetadataMap::new();
        assert!(Caller::read(&metadata).is_err());
        local.sign(&mut metadata);
        assert_eq!(Caller::read(&metadata).unwrap().cluster_id, None);
        local.join(OURS);
        local.sign(&mut metadata);
        let want = Caller { node_id: 2, identity: Uuid::from_u128(22), cluster_id: Some(OURS) };
        assert_eq!(Caller::read(&metadata).unwrap(), want);
        metadata.insert(NODE_ID, "x".parse().unwrap());
        assert!(Caller::read(&metadata).is_err());
    }

    #[test]
    fn a_call_says_whom_it_means() {
        let mut metadata = MetadataMap::new();
        assert_eq!(Callee::read(&metadata).unwrap(), None);
        for identity in [None, Some(Uuid::from_u128(33))] {
            let callee = Callee { node_id: 3, identity };
            callee.sign(&mut metadata);
            assert_eq!(Callee::read(&metadata).unwrap(), Some(callee));
        }
    }
}
