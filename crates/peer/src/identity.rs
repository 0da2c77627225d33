//! Who a node is to its peers, and who is let in.
//!
//! A data directory has a random identity. A member that comes back with another identity has lost its log, and with
//! it its votes: it must not take part under the old node id.

use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::OnceLock};
use tonic::{Status, metadata::MetadataMap};
use uuid::Uuid;

const CLUSTER_ID: &str = "tenure-cluster-id";
const NODE_ID: &str = "tenure-node-id";
const IDENTITY: &str = "tenure-identity";

/// This node.
#[derive(Debug)]
pub struct Local {
    pub node_id: u64,
    pub identity: Uuid,
    cluster_id: OnceLock<Uuid>,
}

impl Local {
    pub fn new(node_id: u64, identity: Uuid, cluster_id: Option<Uuid>) -> Local {
        Local { node_id, identity, cluster_id: cluster_id.map(OnceLock::from).unwrap_or_default() }
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
        let mut put = |key, value: String| {
            metadata.insert(key, value.parse().expect("ids are plain ASCII"));
        };
        put(NODE_ID, self.node_id.to_string());
        put(IDENTITY, self.identity.to_string());
        if let Some(id) = self.cluster_id() {
            put(CLUSTER_ID, id.to_string());
        }
    }
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
        fn field<T: std::str::FromStr>(metadata: &MetadataMap, key: &str) -> Result<Option<T>, Status> {
            let Some(value) = metadata.get(key) else { return Ok(None) };
            let parsed = value.to_str().ok().and_then(|v| v.parse().ok());
            parsed.map(Some).ok_or_else(|| Status::unauthenticated(format!("{key} is malformed")))
        }
        let missing = |key| Status::unauthenticated(format!("{key} is missing: the caller is not a node"));
        Ok(Caller {
            node_id: field(metadata, NODE_ID)?.ok_or_else(|| missing(NODE_ID))?,
            identity: field(metadata, IDENTITY)?.ok_or_else(|| missing(IDENTITY))?,
            cluster_id: field(metadata, CLUSTER_ID)?,
        })
    }
}

/// Decides who is let in.
#[derive(Debug)]
pub struct Gate {
    local_node: u64,
    /// Nodes of the configuration, with the identities that the cluster recorded; `None` before it is founded.
    members: RwLock<BTreeMap<u64, Option<Uuid>>>,
}

impl Gate {
    /// Lets in the nodes that the configuration lists.
    pub fn new(local_node: u64, listed: impl IntoIterator<Item = u64>) -> Gate {
        Gate { local_node, members: RwLock::new(listed.into_iter().map(|id| (id, None)).collect()) }
    }

    /// Records identities: from now on these nodes must have them.
    pub fn record(&self, identities: impl IntoIterator<Item = (u64, Uuid)>) {
        let mut members = self.members.write();
        for (id, identity) in identities {
            members.insert(id, Some(identity));
        }
    }

    /// Is this caller who it should be? It may belong to no cluster yet.
    pub fn check(&self, caller: &Caller, cluster_id: Option<Uuid>) -> Result<(), Status> {
        let node = caller.node_id;
        if let (Some(theirs), Some(ours)) = (caller.cluster_id, cluster_id)
            && theirs != ours
        {
            return Err(Status::permission_denied(format!("node {node} belongs to cluster {theirs}, this is {ours}")));
        }
        if node == self.local_node {
            return Err(Status::permission_denied(format!("two processes use node id {node}")));
        }
        match self.members.read().get(&node) {
            None => Err(Status::permission_denied(format!("node {node} is not a member of this cluster"))),
            Some(Some(recorded)) if *recorded != caller.identity => Err(Status::permission_denied(format!(
                "node {node} is known with identity {recorded}, this one is {}: a node that lost its data directory \
                 cannot come back under its old id",
                caller.identity
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Like [`Gate::check`], for calls that only members of one and the same cluster make.
    pub(crate) fn admit(&self, metadata: &MetadataMap, local: &Local) -> Result<u64, Status> {
        let caller = Caller::read(metadata)?;
        self.check(&caller, local.cluster_id())?;
        match (caller.cluster_id, local.cluster_id()) {
            (Some(_), Some(_)) => Ok(caller.node_id),
            (_, None) => Err(Status::unavailable("this node belongs to no cluster yet")),
            (None, _) => Err(Status::unauthenticated(format!("{CLUSTER_ID} is missing"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[track_caller]
    fn check(node_id: u64, identity: Uuid, cluster_id: Option<Uuid>, want: Result<(), &str>) {
        let gate = Gate::new(1, [1, 2, 3]);
        gate.record([(2, Uuid::from_u128(22))]);
        let got = gate.check(&Caller { node_id, identity, cluster_id }, Some(OURS));
        match (got, want) {
            (Ok(()), Ok(())) => {}
            (Err(status), Err(part)) => assert!(status.message().contains(part), "{}", status.message()),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }

    #[test]
    fn callers() {
        let known = Uuid::from_u128(22);
        check(2, known, Some(OURS), Ok(()));
        check(2, known, None, Ok(()));
        check(3, known, Some(OURS), Ok(()));
        check(2, known, Some(OTHER), Err("belongs to cluster"));
        check(2, OTHER, Some(OURS), Err("lost its data directory"));
        check(7, known, Some(OURS), Err("not a member"));
        check(1, known, Some(OURS), Err("two processes"));
    }

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
}
