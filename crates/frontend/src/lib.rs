//! The API as clients see it: each request is validated, routed to the leader of the shard it is for (here or at
//! another node), tried again over a change of leaders within its deadline, and answered.
//!
//! One file per RPC in `rpc/`; what all of them share is in `call.rs`. What a command does to an execution is not
//! here but in the engine.

#[cfg(any(test, feature = "fuzzing"))]
mod alone;
mod budget;
mod call;
mod client;
mod deadline;
mod erased;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grpc;
mod handover;
mod json;
mod message;
mod observe;
mod pace;
mod rpc;
mod services;
mod test_service;
mod validate;
mod versions;

use budget::Budget;
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tenure_engine::Limits;
use tenure_peer::{Pool, admin::StatusReply};
use tenure_shard::Shards;
use tokio_util::sync::CancellationToken;

pub use budget::Capacity;
pub use handover::{HandoverLayer, HandoverService};
pub use json::{HttpApi, HttpOptions};
pub use services::{Services, set_serving};

/// What can be set about the API's face.
#[derive(Clone, Debug)]
pub struct Options {
    /// What requests are held to; the engine's are the same.
    pub limits: Limits,
    /// Bytes of one request; a larger one is refused with RESOURCE_EXHAUSTED.
    pub request_bytes: usize,
    /// What all requests in progress may take; beyond it they are refused with RESOURCE_EXHAUSTED.
    pub capacity: Capacity,
    /// How long a request may take whose caller set no deadline.
    pub timeout: Duration,
    /// The same for requests that wait for something to happen.
    pub long_timeout: Duration,
    /// What GetClusterInfo says of the cluster.
    pub cluster_id: String,
    pub version: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            request_bytes: tenure_limits::MESSAGE,
            capacity: Capacity::default(),
            timeout: Duration::from_secs(10),
            long_timeout: Duration::from_secs(70),
            cluster_id: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What this node tells operators of itself and of its replicas; the others are asked for the same.
pub type OwnStatus = Arc<dyn Fn() -> BoxFuture<'static, StatusReply> + Send + Sync>;

/// The API of one node; cheap to clone.
#[derive(Clone)]
pub struct Frontend(Arc<Inner>);

struct Inner {
    shards: Shards,
    peers: Pool,
    status: OwnStatus,
    options: Options,
    budget: Budget,
    /// The node is about to stop: polls come back empty.
    closing: CancellationToken,
}

impl Frontend {
    /// `closing`, once cancelled, ends the long polls, so that a graceful stop does not wait for them.
    pub fn new(
        shards: Shards,
        peers: Pool,
        status: OwnStatus,
        options: Options,
        closing: CancellationToken,
    ) -> Frontend {
        let budget = Budget::new(options.capacity);
        Frontend(Arc::new(Inner { shards, peers, status, options, budget, closing }))
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn peers(&self) -> &Pool {
        &self.0.peers
    }

    pub(crate) fn status(&self) -> BoxFuture<'static, StatusReply> {
        (self.0.status)()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}
