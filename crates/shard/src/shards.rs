//! The shards as one process sees them: where a slot lives, who leads, and the leaders that are here.

use crate::{
    handle::{Delivery, LeaderHandle},
    options::Options,
    replica::{Mesh, NodeId, ShardId},
};
use bytes::Bytes;
use std::sync::Arc;
use tenure_engine::token::TaskToken;
use tokio::time::Instant;

/// One per process; cheap to clone.
#[derive(Clone)]
pub struct Shards {
    mesh: Arc<dyn Mesh>,
}

/// Who leads a shard.
#[derive(Clone)]
pub enum Lead {
    Here(LeaderHandle),
    At { node: NodeId, term: u64 },
}

/// No leader was known by the deadline.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("shard {shard} has no leader")]
pub struct NoLeader {
    pub shard: ShardId,
}

impl Shards {
    /// Follows the leadership of all shards from now on. To be called in a tokio runtime.
    pub fn start(mesh: Arc<dyn Mesh>, _options: Options) -> Shards {
        Shards { mesh }
    }

    pub fn node(&self) -> NodeId {
        self.mesh.node()
    }

    pub fn shard_of(&self, slot: u16) -> ShardId {
        self.mesh.shard_of(slot)
    }

    /// Waits until a leader is known, other than the one that just said that it is not (`not`: node and term).
    pub async fn leader(
        &self,
        shard: ShardId,
        _deadline: Instant,
        _not: Option<(NodeId, u64)>,
    ) -> Result<Lead, NoLeader> {
        Err(NoLeader { shard })
    }

    /// The leader of a shard if it is here and ready.
    pub fn local(&self, _shard: ShardId) -> Option<LeaderHandle> {
        None
    }

    /// Answers a `Peer.Match` call.
    pub async fn handle_match(&self, _from: NodeId, _body: Bytes) -> Bytes {
        Bytes::new()
    }

    /// To be called on the node that holds the worker's connection, before a started task is sent. `None`: the owner
    /// has given the task up meanwhile, it must not be sent.
    pub fn deliver(&self, token: &TaskToken) -> Option<Delivery> {
        let _ = token;
        None
    }

    /// Ends all leaders that are here; their calls fail with `NotLeader`.
    pub async fn stop(&self) {}
}
