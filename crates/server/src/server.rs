//! A node, from its ports to its groups: what starts in which order, and stops in which.

use crate::{
    config::{Config, Listen, TimeSkipping},
    connections,
    gauges::Gauges,
    http::{self, Readiness},
    namespace,
    over_raft::{Answers, RaftMesh, Secret, Upgrades},
    ready::Stage,
    telemetry,
    ui::Pages,
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tenure_engine::FeatureLevel;
use tenure_frontend::{Frontend, Services};
use tenure_limits::Memory;
use tenure_raft::{Node, NodeAddress};
use tenure_shard::{Shards, VirtualTime};
use tenure_storage::Storage;
use tenure_vital::FatalHook;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

/// Why a node does not start. Each is one line, fit to be the last that a process says.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} (`{key}`): {cause}")]
    Listen { address: SocketAddr, key: &'static str, cause: std::io::Error },
    #[error("{0} (`node.data_dir`)")]
    DataDirectory(#[from] tenure_storage::OpenError),
    #[error("{0}")]
    Node(#[from] tenure_raft::StartError),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

impl StartError {
    /// The sentence that says so, where the node was removed from its cluster: it never starts again.
    pub fn removed(&self) -> Option<&str> {
        match self {
            StartError::Node(tenure_raft::StartError::Removed(why)) => Some(why),
            _ => None,
        }
    }
}

/// A part that the node cannot be without has ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// The addresses on which a node really listens: the configuration may have asked for any free port.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub grpc: SocketAddr,
    pub peer: SocketAddr,
    pub http: SocketAddr,
}

/// A node's ports, taken before it starts: the members of a cluster name each other's.
#[derive(Debug)]
pub struct Listeners {
    pub grpc: TcpListener,
    pub peer: TcpListener,
    pub http: TcpListener,
}

impl Listeners {
    /// Takes the ports that a configuration names; 0 is any free one.
    pub async fn bind(listen: &Listen) -> Result<Listeners, StartError> {
        Ok(Listeners {
            grpc: bind(listen.grpc, "listen.grpc").await?,
            peer: bind(listen.peer, "listen.peer").await?,
            http: bind(listen.http, "listen.http").await?,
        })
    }

    pub fn addresses(&self) -> std::io::Result<Addresses> {
        let (grpc, peer, http) = (self.grpc.local_addr()?, self.peer.local_addr()?, self.http.local_addr()?);
        Ok(Addresses { grpc, peer, http })
    }
}

/// A running node. Dropping it leaves everything as a crash would; [`Server::stop`] is the graceful way.
pub struct Server {
    addresses: Addresses,
    stop_timeout: Duration,
    node: Node,
    shards: Shards,
    stage: Arc<Stage>,
    /// Ends the API: no new calls, and long polls come back empty.
    closing: CancellationToken,
    api: Mutex<Option<JoinHandle<()>>>,
    /// Ends what only watches.
    watching: CancellationToken,
    /// Calls of the JSON API that are in flight.
    http_calls: TaskTracker,
    failures: tokio::sync::Mutex<mpsc::Receiver<Failure>>,
}

impl Server {
    /// Takes the ports, opens the data directory and joins or founds the cluster. In a cluster that is not founded yet,
    /// this waits for the other nodes; the HTTP port answers meanwhile.
    ///
    /// The future is boxed: a server is compiled in this crate, once, and not in every program and test that starts one.
    pub fn start(config: Config) -> BoxFuture<'static, Result<Server, StartError>> {
        async {
            let listeners = Listeners::bind(&config.listen).await?;
            Self::start_parts(config, listeners).await
        }
        .boxed()
    }

    /// The same, on ports that were taken before.
    pub fn start_on(config: Config, listeners: Listeners) -> BoxFuture<'static, Result<Server, StartError>> {
        Self::start_parts(config, listeners).boxed()
    }

    async fn start_parts(config: Config, listeners: Listeners) -> Result<Server, StartError> {
        let configured = Addresses { grpc: config.listen.grpc, peer: config.listen.peer, http: config.listen.http };
        let addresses = listeners.addresses().unwrap_or(configured);
        let Listeners { grpc, peer, http } = listeners;
        let (failed, failures) = mpsc::channel(8);
        let watching = CancellationToken::new();
        // Until this function returns a server, nobody else would end what it has begun.
        let undo = watching.clone().drop_guard();

        let metrics = telemetry::metrics()?;
        let stage = Arc::new(Stage::default());
        let gauges = Arc::new(Gauges::default());
        let (check, health, refresh) = (stage.clone(), stage.clone(), gauges.clone());
        let api = http::Api::default();
        let pages = Pages::new(&config.ui, config.cluster.namespaces.first().map(String::as_str));
        let publish = Arc::new(move || refresh.publish());
        let checks: (http::ReadyCheck, http::HealthCheck) =
            (Arc::new(move || check.check()), Arc::new(move || health.ill()));
        let http_calls = TaskTracker::new();
        let routes = http::router(metrics.clone(), publish, checks, api.clone(), http_calls.clone(), pages);
        let on_fatal = FatalHook::default();
        on_fatal.spawn("the HTTP server", http::serve(http, routes, watching.clone()));
        on_fatal.spawn("the upkeep of metrics", upkeep(metrics, watching.clone()));

        let options = storage_options(&config);
        let opened = tokio::task::spawn_blocking(move || Storage::open(options)).await;
        let storage = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        gauges.watch(storage.clone());
        stage.set_storage(storage.clone());

        stage.set_waiting(match (config.cluster.join, config.join_token().is_some()) {
            (_, true) => "waiting to be let in by the cluster of its join token",
            (true, false) => {
                "waiting to join: `tenure cluster add-node` or `replace-node` makes this node a member, and `tenure cluster \
                 init` founds a cluster of it"
            }
            (false, false) => "waiting for the other nodes, to found or to join the cluster",
        });
        let node = Node::start(raft_options(&config, addresses), storage, peer).await?;
        let shards = Shards::start(RaftMesh::new(node.clone()), shard_options(&config, &node));
        node.set_ask_handler(Arc::new(Answers(shards.clone())));
        node.set_upgrade_handler(Arc::new(Upgrades(shards.clone())));
        node.set_secret_handler(Arc::new(Secret(shards.clone())));
        let closing = CancellationToken::new();
        let options = frontend_options(&config, &node);
        let of_cluster = node.clone();
        let status = Arc::new(move || of_cluster.status());
        let frontend = Frontend::new(shards.clone(), node.peers().clone(), status, options, closing.clone());
        node.set_forward_handler(Arc::new(frontend.clone()));
        let _ = api.set(frontend.http_api(&http_options(&config)));

        let services = frontend.services();
        stage.set_running(node.clone());
        let publishing = publish_readiness(stage.clone(), node.clone(), services.health.clone());
        on_fatal.spawn("readiness", watching.clone().run_until_cancelled_owned(publishing));
        let registering = namespace::register(config.cluster.clone(), services.routes.clone(), stage.clone());
        let registering = watching.clone().run_until_cancelled_owned(registering);
        let registering = on_fatal.spawn("the first namespace's registration", registering);
        // Who starts a node and connects at once must not be told that the first namespace does not exist. In a
        // cluster it exists, or the other nodes answer while this one starts.
        let first = config.cluster.members.is_empty().then_some(registering);
        let api = on_fatal.spawn("the API server", serve_api(grpc, services, first, closing.clone(), failed));
        tracing::info!(
            node = config.node.id, cluster = %node.cluster_id(), grpc = %addresses.grpc, peer = %addresses.peer,
            http = %addresses.http, "started"
        );
        undo.disarm();
        Ok(Server {
            addresses,
            stop_timeout: config.runtime.stop_timeout,
            node,
            shards,
            stage,
            closing,
            api: Mutex::new(Some(api)),
            watching,
            http_calls,
            failures: tokio::sync::Mutex::new(failures),
        })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The clock of its leaders, where time is skipped.
    pub fn virtual_time(&self) -> Option<&Arc<VirtualTime>> {
        self.shards.virtual_time()
    }

    /// The node that leads the shard of a workflow, as far as this node knows. `None`: nobody now, or there is no such
    /// namespace here.
    pub async fn leader_of(&self, namespace: &str, workflow_id: &str) -> Option<u64> {
        let soon = tokio::time::Instant::now() + Duration::from_secs(1);
        let namespace = self.shards.namespace(namespace, soon).await.ok()??;
        let shard = self.shards.shard_of(tenure_engine::slot(namespace.id, workflow_id));
        let leader = self.node.group(shard)?.leadership().borrow().leader;
        leader.filter(|leader| self.node.is_alive(*leader))
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> Readiness {
        self.stage.check()
    }

    /// Returns once clients may be sent here.
    pub async fn ready(&self) {
        while !self.readiness().ready {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns when a part has ended that the node cannot be without.
    pub async fn failed(&self) -> Failure {
        match self.failures.lock().await.recv().await {
            Some(failure) => failure,
            // All that could fail has ended, on purpose.
            None => std::future::pending().await,
        }
    }

    /// Returns once this node was removed from its cluster, with a sentence that says so: it is of no use any more, and
    /// neither is its data directory.
    pub async fn removed(&self) -> String {
        self.node.until_removed().await
    }

    /// Hands leaderships over, takes no more calls, lets what is in flight finish, and makes everything durable.
    pub fn stop(&self) -> BoxFuture<'_, ()> {
        self.stop_parts().boxed()
    }

    async fn stop_parts(&self) {
        self.stage.set_waiting("stopping");
        self.node.set_readiness(self.stage.check().reason);
        // Calls go on at the new leaders, over this node.
        if timeout(self.stop_timeout, self.node.leave()).await.is_err() {
            tracing::warn!("leaderships are left to an election");
        }
        self.closing.cancel();
        let api = self.api.lock().take();
        if let Some(mut api) = api
            && timeout(self.stop_timeout, &mut api).await.is_err()
        {
            tracing::warn!("calls were still in flight after {:?}; they are cut off", self.stop_timeout);
            api.abort();
        }
        self.http_calls.close();
        if timeout(self.stop_timeout, self.http_calls.wait()).await.is_err() {
            tracing::warn!("calls over HTTP were still in flight after {:?}; they are cut off", self.stop_timeout);
        }
        self.shards.stop().await;
        if let Err(error) = self.node.stop().await {
            tracing::error!(%error, "the data directory was not closed cleanly; the next start replays the log");
        }
        self.watching.cancel();
        tracing::info!("stopped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
        self.watching.cancel();
    }
}

async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, key, cause })
}

async fn serve_api(
    listener: TcpListener,
    services: Services,
    first: Option<JoinHandle<Option<()>>>,
    closing: CancellationToken,
    failed: mpsc::Sender<Failure>,
) {
    if let Some(first) = first {
        let _ = closing.run_until_cancelled(first).await;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(Duration::from_secs(60)));
    let served = tonic::transport::Server::builder()
        // A worker's pollers share one connection, and a history page is large.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(tenure_limits::STREAMS)
        .layer(services.layer)
        .add_routes(services.routes)
        .serve_with_incoming_shutdown(
            connections::at_most(tenure_limits::CONNECTIONS, incoming),
            closing.cancelled_owned(),
        )
        .await;
    if let Err(error) = served {
        let _ = failed.try_send(Failure(format!("the gRPC port is closed: {error}")));
    }
}

/// Passes the readiness on to gRPC's health service and to `tenure cluster status`.
async fn publish_readiness(stage: Arc<Stage>, node: Node, health: HealthReporter) {
    let mut published = None;
    loop {
        let Readiness { ready, reason } = stage.check();
        node.set_readiness(reason);
        if published != Some(ready) {
            tenure_frontend::set_serving(&health, ready).await;
            published = Some(ready);
        }
        tenure_vital::succeeded("readiness");
        tokio::time::sleep(Duration::from_millis(if ready { 100 } else { 10 })).await;
    }
}

/// Folds what histograms recorded; without it they grow until somebody scrapes.
async fn upkeep(metrics: metrics_exporter_prometheus::PrometheusHandle, watching: CancellationToken) {
    let fold = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
            tenure_vital::succeeded("upkeep of metrics");
        }
    };
    watching.run_until_cancelled(fold).await;
}

fn memory(config: &Config) -> Memory {
    Memory::of(config.memory.budget_bytes)
}

fn storage_options(config: &Config) -> tenure_storage::Options {
    let mut options = tenure_storage::Options::new(&config.node.data_dir);
    options.memory = memory(config);
    options.reserve_bytes = config.disk.reserve_bytes;
    options
}

fn raft_options(config: &Config, addresses: Addresses) -> tenure_raft::Options {
    let own = config.node.id;
    let address = |(id, peer): (u64, String)| {
        let api = if id == own { addresses.grpc.to_string() } else { String::new() };
        (id, NodeAddress { peer, api })
    };
    let mut nodes: BTreeMap<_, _> = config.members().into_iter().map(address).collect();
    if let Some(alone) = nodes.get_mut(&own).filter(|_| config.cluster.members.is_empty()) {
        alone.peer = addresses.peer.to_string();
    }
    let mut options = tenure_raft::Options::new(own, nodes);
    options.join_token = config.join_token();
    options.join = config.cluster.join || options.join_token.is_some();
    options.shards = config.cluster.shards;
    options.version = env!("CARGO_PKG_VERSION").to_owned();
    options.http_address = addresses.http.to_string();
    options.heartbeat = config.raft.heartbeat;
    options.election_min = config.raft.election_min;
    options.lease = config.raft.lease;
    options.flush_bytes = config.raft.flush_bytes;
    options.flush_interval = config.raft.flush_interval;
    options.keep_entries = config.raft.keep_entries;
    options.keep_bytes = config.raft.keep_bytes;
    options.snapshot_bytes_per_second = config.raft.snapshot_bytes_per_second;
    options.disk_floor_bytes = config.disk.floor_bytes;
    options.compare_every = config.raft.compare_every;
    options.balance_after = config.raft.balance_after;
    options.known_level = known_level();
    options.tail_bytes = memory(config).tails;
    options
}

/// The highest feature level of this build. One for fault tests may be told to be an earlier one.
fn known_level() -> FeatureLevel {
    let told = cfg!(feature = "fault-injection").then(|| std::env::var("TENURE_KNOWN_LEVEL").ok()).flatten();
    told.and_then(|level| level.parse().ok()).map_or(FeatureLevel::KNOWN, FeatureLevel)
}

fn shard_options(config: &Config, node: &Node) -> tenure_shard::Options {
    let limits = config.limits.clone();
    let virtual_time = config.time_skipping.map(|begin| VirtualTime::new(begin == TimeSkipping::Locked));
    let options = tenure_shard::Options {
        limits,
        clock: node.clock().clone(),
        virtual_time,
        known_level: known_level(),
        sweep_interval: config.runtime.sweep_interval,
        ..Default::default()
    };
    options.within(&memory(config))
}

fn http_options(config: &Config) -> tenure_frontend::HttpOptions {
    tenure_frontend::HttpOptions {
        cors_origins: config.http.cors_origins.clone(),
        default_namespace: config.cluster.namespaces.first().cloned().unwrap_or_default(),
    }
}

fn frontend_options(config: &Config, node: &Node) -> tenure_frontend::Options {
    tenure_frontend::Options {
        limits: config.limits.clone(),
        cluster_id: node.cluster_id().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    }
}
