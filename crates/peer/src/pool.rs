//! Connections to the other nodes, and when each was last heard.

use crate::{Condition, Faults, Gate, Local, admin::admin_client::AdminClient, proto::peer_client::PeerClient};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// A peer that does not answer the connection attempt within this time counts as down.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection on which nothing comes back for this long is dropped. Well above any pause of a busy machine: a
/// paused process costs its peers latency on calls that wait for it, and nothing else.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections to the other members. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    local: Arc<Local>,
    gate: Arc<Gate>,
    peers: RwLock<BTreeMap<u64, Arc<Peer>>>,
    faults: Faults,
    /// This node's own.
    condition: Mutex<Condition>,
}

struct Peer {
    address: String,
    channel: Channel,
    heard: Mutex<Option<Instant>>,
    /// How far its clock was ahead of ours when it was last heard, in seconds.
    clock_ahead: Mutex<Option<f64>>,
    /// As it said when it was last heard.
    condition: Mutex<Condition>,
    draining: AtomicBool,
}

/// No node of that id is a member, or it is this node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {0} is not a peer of this node")]
pub struct UnknownNode(pub u64);

/// Signs calls with who we are.
#[derive(Clone)]
pub struct Signer {
    pool: Pool,
    to: u64,
}

/// A channel whose calls are signed.
pub type Stamped = InterceptedService<Channel, Signer>;

impl Interceptor for Signer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !self.pool.faults().reaches(self.to) {
            return Err(Status::unavailable("cut off by fault injection"));
        }
        self.pool.0.local.sign(request.metadata_mut());
        self.pool.0.gate.callee(self.to).sign(request.metadata_mut());
        Ok(request)
    }
}

impl Pool {
    /// `peers`: node id to `host:port` of its peer port. Connects lazily; must be called inside a tokio runtime.
    pub fn new(
        local: Arc<Local>,
        gate: Arc<Gate>,
        peers: BTreeMap<u64, String>,
    ) -> Result<Pool, tonic::transport::Error> {
        let pool = Pool(Arc::new(Inner {
            local,
            gate,
            peers: RwLock::default(),
            faults: Faults::default(),
            condition: Mutex::default(),
        }));
        pool.set_peers(peers)?;
        Ok(pool)
    }

    /// These are the other nodes from now on. Connections to those that stay where they were are kept.
    pub fn set_peers(&self, peers: BTreeMap<u64, String>) -> Result<(), tonic::transport::Error> {
        let mut now = self.0.peers.write();
        let mut next = BTreeMap::new();
        for (id, address) in peers.into_iter().filter(|(id, _)| *id != self.0.local.node_id) {
            let peer = match now.get(&id).filter(|peer| peer.address == address) {
                Some(peer) => peer.clone(),
                None => Arc::new(Peer::at(address)?),
            };
            next.insert(id, peer);
        }
        *now = next;
        Ok(())
    }

    pub fn local(&self) -> &Arc<Local> {
        &self.0.local
    }

    /// Who is let in, and who is meant by a node id.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// The other nodes, as they are now.
    pub fn peers(&self) -> impl Iterator<Item = u64> + use<> {
        self.0.peers.read().keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The peer address of another node.
    pub fn address(&self, node: u64) -> Option<String> {
        self.0.peers.read().get(&node).map(|peer| peer.address.clone())
    }

    /// A client whose calls share one connection to the node, made when it is needed and again after it broke.
    pub fn client(&self, node: u64) -> Result<PeerClient<Stamped>, UnknownNode> {
        Ok(self.signed(node, self.peer(node)?.channel.clone()))
    }

    /// A client of what operators ask of the node, on the same connection.
    pub fn admin(&self, node: u64) -> Result<AdminClient<Stamped>, UnknownNode> {
        let channel = self.peer(node)?.channel.clone();
        Ok(AdminClient::with_interceptor(channel, Signer { pool: self.clone(), to: node }))
    }

    /// A client with a connection of its own, for what must not stand in the way of others. Whoever answers there was asked
    /// who it is.
    pub async fn connect(&self, node: u64) -> Result<PeerClient<Stamped>, Status> {
        let address = self.address(node).ok_or_else(|| Status::not_found(UnknownNode(node).to_string()))?;
        let mut client = self.connect_to(&address, node).await?;
        self.greet(&self.gate().callee(node), &mut client).await?;
        Ok(client)
    }

    pub(crate) async fn connect_to(&self, address: &str, node: u64) -> Result<PeerClient<Stamped>, Status> {
        let endpoint = endpoint(address).map_err(|e| Status::invalid_argument(format!("{address}: {e}")))?;
        let failed = |e| Status::unavailable(format!("node {node} at {address}: {}", root_cause(&e)));
        let channel = endpoint.connect().await.map_err(failed)?;
        Ok(self.signed(node, channel))
    }

    /// The node was heard just now.
    pub fn heard(&self, node: u64) {
        if let Ok(peer) = self.peer(node) {
            *peer.heard.lock() = Some(Instant::now());
        }
    }

    /// Time since the node was last heard; `None` if it never was since this process started.
    pub fn silence(&self, node: u64) -> Option<Duration> {
        self.peer(node).ok()?.heard.lock().map(|at| at.elapsed())
    }

    /// Notes how far a node's clock is ahead of ours, in seconds.
    pub fn set_clock_ahead(&self, node: u64, seconds: f64) {
        if let Ok(peer) = self.peer(node) {
            *peer.clock_ahead.lock() = Some(seconds);
        }
    }

    /// How far a node's clock was ahead of ours when it was last heard, in seconds.
    pub fn clock_ahead(&self, node: u64) -> Option<f64> {
        *self.peer(node).ok()?.clock_ahead.lock()
    }

    /// What a node said of its condition when it was last heard.
    pub fn condition(&self, node: u64) -> Condition {
        self.peer(node).map(|peer| peer.condition.lock().clone()).unwrap_or_default()
    }

    /// Notes what a node says of its condition.
    pub fn set_condition(&self, node: u64, condition: Condition) {
        if let Ok(peer) = self.peer(node) {
            *peer.condition.lock() = condition;
        }
    }

    /// What this node says of its own.
    pub fn own_condition(&self) -> Condition {
        self.0.condition.lock().clone()
    }

    /// Changes what this node says of its own.
    pub fn change_condition(&self, change: impl FnOnce(&mut Condition)) {
        change(&mut self.0.condition.lock());
    }

    /// Notes whether a node says that it leads nothing if it can help it.
    pub(crate) fn set_draining(&self, node: u64, draining: bool) {
        if let Ok(peer) = self.peer(node) {
            peer.draining.store(draining, Ordering::Relaxed);
        }
    }

    /// Whether another node said so when it was last heard.
    pub fn is_draining(&self, node: u64) -> bool {
        self.peer(node).is_ok_and(|peer| peer.draining.load(Ordering::Relaxed))
    }

    /// The switch that cuts peers off in tests.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    fn peer(&self, node: u64) -> Result<Arc<Peer>, UnknownNode> {
        self.0.peers.read().get(&node).cloned().ok_or(UnknownNode(node))
    }

    fn signed(&self, node: u64, channel: Channel) -> PeerClient<Stamped> {
        PeerClient::with_interceptor(channel, Signer { pool: self.clone(), to: node })
            .max_decoding_message_size(tenure_limits::FRAME)
            .max_encoding_message_size(tenure_limits::FRAME)
    }
}

impl Peer {
    fn at(address: String) -> Result<Peer, tonic::transport::Error> {
        let channel = endpoint(&address)?.connect_lazy();
        Ok(Peer {
            address,
            channel,
            heard: Mutex::default(),
            clock_ahead: Mutex::default(),
            condition: Mutex::default(),
            draining: AtomicBool::new(false),
        })
    }
}

fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_TIMEOUT / 2)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20))
}

/// The last of a chain of errors: tonic hides what went wrong behind 'transport error'.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
