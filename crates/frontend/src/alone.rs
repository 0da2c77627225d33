//! A frontend of a node that is alone, for what needs no more.

use crate::{Frontend, Options};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_engine::Process;
use tenure_peer::{Gate, Local, Pool, admin::StatusReply};
use tenure_shard::{CallFailed, Mesh, NodeId, Replica, ShardId, Shards};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A node that is alone and holds nothing.
struct Nothing;

impl Mesh for Nothing {
    fn node(&self) -> NodeId {
        1
    }
    fn process(&self) -> Process {
        Process { node: 1, boot: 1 }
    }
    fn replicas(&self) -> Vec<Arc<dyn Replica>> {
        Vec::new()
    }
    fn shard_of(&self, _slot: u16) -> ShardId {
        1
    }
    fn nodes(&self) -> Vec<NodeId> {
        vec![1]
    }
    fn is_alive(&self, _node: NodeId) -> bool {
        false
    }
    fn call(&self, node: NodeId, _: Bytes, _: Duration) -> BoxFuture<'static, Result<Bytes, CallFailed>> {
        Box::pin(async move { Err(CallFailed { node, cause: "alone".into() }) })
    }
}

/// Its frontend. Within a runtime.
pub(crate) fn frontend() -> Frontend {
    let local = Arc::new(Local::new(1, Uuid::nil(), None));
    let peers = Pool::new(local, Arc::new(Gate::new(1, [1])), BTreeMap::new()).expect("no addresses");
    let shards = Shards::start(Arc::new(Nothing), tenure_shard::Options::default());
    let options =
        Options { timeout: Duration::from_millis(50), long_timeout: Duration::from_millis(50), ..Options::default() };
    let status = Arc::new(|| async { StatusReply { node_id: 1, ..Default::default() } }.boxed());
    Frontend::new(shards, peers, status, options, CancellationToken::new())
}
