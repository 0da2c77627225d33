//! The node: all groups of this process, the peer port, and what runs beside them.

use crate::{
    admin::AdminService,
    balance,
    bootstrap::{self, Bootstrap},
    compaction, compare,
    cpu::Cpu,
    drain,
    fitness::{self, Fitness},
    group::{Applied, Group},
    inbound::{Groups, Inbound},
    links::Links,
    liveness,
    log_store::LogStore,
    members::{self, Members},
    network::Network,
    options::Options,
    pulse,
    read_rounds::ReadRounds,
    room::{self, SharedRoom},
    sending::Sending,
    state_machine::{Rows, StateMachine},
    tail::Tails,
    types::Raft,
};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use openraft::{Config, SnapshotPolicy};
use parking_lot::Mutex;
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tenure_clock::ClusterClock;
use tenure_engine::{
    FeatureLevel,
    rows::{Op, ReadError, RowKey, SystemTable, WriteSet},
    system::cluster::ClusterMap,
};
use tenure_peer::{
    AskHandler, ForwardHandler, Gate, Local, PeerService, Pool, SecretHandler, UpgradeHandler, admin::StatusReply,
};
use tenure_storage::{Latencies, ShardId, ShardRows, Storage, StorageError, write_set};
use tenure_vital::FatalHook;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::transport::server::TcpIncoming;
use uuid::Uuid;

/// A peer that was not heard for this long counts as dead. Peers say hello every half second.
pub(crate) const ALIVE: Duration = Duration::from_secs(2);

/// How long connections may take to end on a stop.
const CLOSING: Duration = Duration::from_secs(1);

/// Why a node does not start. Each is one line, fit to be the last that a process says.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("node {0} is not among the nodes that the configuration lists")]
    NotListed(u64),
    #[error("peer address of a node: {0}")]
    Address(#[from] tonic::transport::Error),
    #[error("{0}")]
    Timing(#[from] openraft::ConfigError),
    #[error("the data directory belongs to node {found}, the configuration says that this is node {configured}")]
    OtherNode { found: u64, configured: u64 },
    /// For good: its id and its data directory have no place in the cluster any more.
    #[error("{0}")]
    Removed(String),
    #[error(
        "this node's data directory belongs to cluster {ours}, and the join token is of cluster {theirs}: empty the directory, or leave the token out"
    )]
    OtherToken { ours: Uuid, theirs: Uuid },
    #[error("node {node} is no member of the cluster, whose members are {members:?}")]
    NotAMember { node: u64, members: Vec<u64> },
    #[error("the cluster is at feature level {level}, this build knows {known}: start a newer one")]
    FeatureLevel { level: FeatureLevel, known: FeatureLevel },
    #[error("this node's data directory is empty, but node {node} belongs to cluster {cluster_id} already")]
    ClusterExists { node: u64, cluster_id: Uuid },
    #[error("refused by node {node}: {message}")]
    Refused { node: u64, message: String },
    #[error("{0}")]
    Founding(#[from] tenure_engine::system::cluster::FoundingError),
    #[error("shard {shard}: {cause}")]
    Group { shard: ShardId, cause: String },
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    #[error("storage: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Read(#[from] ReadError),
}

/// A node of the cluster. Cheap to clone.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: Options,
    cluster_id: Uuid,
    pub(crate) core: Core,
    /// Why the node is not ready; `None` if it is.
    not_ready: Arc<Mutex<Option<String>>>,
    service: PeerService,
    admin: AdminService,
    stop_serving: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<Infallible>>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// What it takes to open groups; there before the cluster is.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) node: u64,
    pub(crate) options: Arc<Options>,
    pub(crate) config: Arc<Config>,
    pub(crate) storage: Storage,
    pub(crate) pool: Pool,
    pub(crate) links: Links,
    pub(crate) members: Members,
    pub(crate) groups: Groups,
    pub(crate) tails: Tails,
    /// From proposing an entry until it is applied here, of all groups.
    pub(crate) commits: Arc<Latencies>,
    pub(crate) cpu: Arc<Cpu>,
    pub(crate) fitness: Fitness,
    pub(crate) clock: ClusterClock,
    pub(crate) sending: Sending,
    /// What there is room for on this node's disk.
    pub(crate) room: SharedRoom,
}

impl Node {
    /// Serves the peer port on `listener` and takes part in the cluster: founds it, if all nodes are new, or finds
    /// its place again. Returns when all groups of this node are open; they may not have leaders yet. Waits for the
    /// other nodes as long as it takes while the cluster is not founded.
    ///
    /// The future is boxed, as others of this crate that lead into openraft are: what it needs of openraft is then compiled
    /// here, once, and not in every program and test that starts a node.
    pub fn start(
        options: Options,
        storage: Storage,
        listener: TcpListener,
    ) -> BoxFuture<'static, Result<Node, StartError>> {
        Self::start_groups(options, storage, listener).boxed()
    }

    async fn start_groups(options: Options, storage: Storage, listener: TcpListener) -> Result<Node, StartError> {
        let node = options.node_id;
        if !options.nodes.contains_key(&node) {
            return Err(StartError::NotListed(node));
        }
        let standing = bootstrap::Standing::load(&storage, node)?;
        if let (Some(token), Some(ours)) = (&options.join_token, standing.cluster_id)
            && token.cluster_id() != ours
        {
            return Err(StartError::OtherToken { ours, theirs: token.cluster_id() });
        }
        let config = Arc::new(raft_config(&options)?);
        let shared = Arc::new(options.clone());
        let mut local = Local::new(node, storage.identity(), standing.cluster_id);
        local.peer_address = options.nodes.get(&node).map(|own| own.peer.clone()).unwrap_or_default();
        local.known_level = options.known_level.0;
        local.joining = options.join;
        local.join_token = options.join_token.clone();
        let peers = options.nodes.iter().map(|(id, address)| (*id, address.peer.clone())).collect();
        let pool = Pool::new(Arc::new(local), Arc::new(Gate::new(node, options.nodes.keys().copied())), peers)?;
        let links = Links::new(pool.clone(), options.on_fatal.clone());
        let members = Members::new(shared.clone(), storage.clone(), pool.clone(), links.clone());
        match &standing.map {
            Some(map) => members.go_by(map.clone()),
            None => members.meet(&standing.first),
        }
        let core = Core {
            node,
            options: shared,
            config,
            storage: storage.clone(),
            pool: pool.clone(),
            links,
            members: members.clone(),
            groups: Groups::new(),
            tails: Tails::new(options.tail_bytes),
            commits: Arc::default(),
            cpu: Arc::default(),
            fitness: Fitness::new(pool.clone()),
            clock: ClusterClock::new(options.nodes.len()),
            sending: Sending::new(options.snapshot_bytes_per_second),
            room: SharedRoom::default(),
        };
        let service = PeerService::new(pool);
        let (room, sending) = (core.room.clone(), core.sending.clone());
        service.set_raft(Arc::new(Inbound { groups: core.groups.clone(), storage, members, room, sending }));
        let not_ready = Arc::new(Mutex::new(Some("starting".to_owned())));
        let admin = AdminService::new(core.clone(), not_ready.clone());
        let (stop_serving, stopped) = watch::channel(false);
        let on_fatal = options.on_fatal.clone();
        let served = serve(listener, service.clone(), admin.clone(), stopped, on_fatal.clone());
        let server = on_fatal.spawn("the peer server", served);

        let founded = Bootstrap { core: &core, standing }.run().await;
        if let Err(error) = founded {
            server.abort();
            shut_down(&core.groups.all()).await;
            return Err(error);
        }
        admin.founded();
        let tasks = vec![
            on_fatal.spawn("compaction", compaction::run(core.clone())),
            on_fatal.spawn("balance", balance::run(core.clone())),
            on_fatal.spawn("draining", drain::run(core.clone())),
            on_fatal.spawn("comparing replicas", compare::run(core.clone())),
            on_fatal.spawn("liveness", liveness::run(core.clone())),
            on_fatal.spawn("the pulse", pulse::run(core.clone())),
            on_fatal.spawn("the members", members::follow(core.clone())),
            on_fatal.spawn("the coordinator of members", members::coordinate(core.clone())),
            on_fatal.spawn("the watch on the node's fitness", fitness::watch(core.clone())),
            on_fatal.spawn("the watch on room", room::watch(core.clone())),
            on_fatal.spawn("giving leaderships away", fitness::give_away(core.clone())),
            on_fatal.spawn("join tokens", members::invite(core.clone())),
            on_fatal.spawn("the watch on processor time", core.cpu.clone().watch()),
        ];
        Ok(Node(Arc::new(Inner {
            options,
            cluster_id: core.members.map().cluster.cluster_id,
            core,
            not_ready,
            service,
            admin,
            stop_serving,
            tasks: Mutex::new(tasks),
            server: Mutex::new(Some(server)),
        })))
    }

    pub fn id(&self) -> u64 {
        self.0.core.node
    }

    pub fn cluster_id(&self) -> Uuid {
        self.0.cluster_id
    }

    /// Nodes, shards, and which slots each shard owns, as this node knows it now.
    pub fn map(&self) -> Arc<ClusterMap> {
        self.0.core.members.map()
    }

    /// Why the other nodes do not let this one in; `None` if they do.
    pub fn refused(&self) -> Option<String> {
        self.0.core.members.refused()
    }

    /// Returns once a member has said that this node was removed from the cluster, with a sentence that says so. From then on
    /// nobody listens to it.
    pub fn until_removed(&self) -> BoxFuture<'static, String> {
        let members = self.0.core.members.clone();
        async move { members.until_removed().await }.boxed()
    }

    /// This node's replica of a shard.
    pub fn group(&self, shard: ShardId) -> Option<Group> {
        self.0.core.groups.get(shard)
    }

    /// All groups with a replica here, the system shard's first.
    pub fn groups(&self) -> Vec<Group> {
        self.0.core.groups.all()
    }

    /// Connections to the other nodes.
    pub fn peers(&self) -> &Pool {
        &self.0.core.pool
    }

    /// False for a node that was not heard for so long that it counts as dead. This node is alive.
    pub fn is_alive(&self, node: u64) -> bool {
        self.0.core.is_alive(node)
    }

    /// Who serves API requests that other nodes received. Once.
    pub fn set_forward_handler(&self, handler: Arc<dyn ForwardHandler>) {
        self.0.service.set_forward(handler);
    }

    /// Who answers what other nodes ask. Once.
    pub fn set_ask_handler(&self, handler: Arc<dyn AskHandler>) {
        self.0.service.set_ask(handler);
    }

    /// Who raises the cluster's feature level when an operator asks for it. Once.
    pub fn set_upgrade_handler(&self, handler: Arc<dyn UpgradeHandler>) {
        self.0.admin.set_upgrade(handler);
    }

    /// Who sees to it that the cluster has a secret, for join tokens. Once.
    pub fn set_secret_handler(&self, handler: Arc<dyn SecretHandler>) {
        self.0.admin.set_secret(handler);
    }

    /// What the node says of itself in its status: why clients are not to be sent to it; `None` if they are.
    pub fn set_readiness(&self, not_because: Option<String>) {
        *self.0.not_ready.lock() = not_because;
    }

    /// What this node tells operators of itself and of its replicas.
    pub fn status(&self) -> BoxFuture<'static, StatusReply> {
        let admin = self.0.admin.clone();
        async move { admin.describe().await }.boxed()
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Hands all leaderships to other replicas, as far as one can take over, and takes none any more. Before a stop: clients
    /// see latency instead of an election.
    pub fn leave(&self) -> BoxFuture<'_, ()> {
        drain::leave(&self.0.core).boxed()
    }

    /// This machine's clock among those of the other nodes.
    pub fn clock(&self) -> &ClusterClock {
        &self.0.core.clock
    }

    /// For how long the disk has not answered a write, if that is out of the ordinary.
    pub fn disk_silence(&self) -> Option<Duration> {
        self.0.core.storage.disk_silence()
    }

    /// Hands leaderships over, ends all groups, and makes everything durable.
    pub async fn stop(&self) -> Result<(), StorageError> {
        self.0.core.pool.local().set_draining(true);
        drain::pass(&self.0.core, true).await;
        self.kill().await;
        let storage = self.0.core.storage.clone();
        let closed = tokio::task::spawn_blocking(move || storage.close()).await;
        closed.unwrap_or_else(|e| Err(io::Error::other(e).into()))
    }

    /// Ends everything as it is, without saying good-bye: what a crash leaves is on disk. For tests.
    pub fn kill(&self) -> BoxFuture<'_, ()> {
        self.end().boxed()
    }

    async fn end(&self) {
        for task in self.0.tasks.lock().drain(..) {
            task.abort();
        }
        self.0.service.close();
        self.0.admin.close();
        self.0.stop_serving.send_replace(true);
        shut_down(&self.groups()).await;
        let server = self.0.server.lock().take();
        if let Some(mut server) = server
            && tokio::time::timeout(CLOSING, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

async fn shut_down(groups: &[Group]) {
    join_all(groups.iter().map(Group::shut_down)).await;
}

async fn serve(
    listener: TcpListener,
    service: PeerService,
    admin: AdminService,
    mut stop: watch::Receiver<bool>,
    on_fatal: FatalHook,
) {
    let stopping = stop.clone();
    let served = tonic::transport::Server::builder()
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .max_concurrent_streams(tenure_limits::PEER_STREAMS)
        .add_service(service.into_server())
        .add_service(admin.into_server())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            // An error: the node is gone.
            let _ = stop.wait_for(|stop| *stop).await;
        });
    let served = served.await;
    // An error: the node is gone.
    if !*stopping.borrow() && stopping.has_changed().is_ok() {
        let cause = served.err().map_or_else(|| "nobody asked for it".to_owned(), |error| error.to_string());
        on_fatal.report(&format!("the peer port is closed: {cause}"));
    }
}

fn raft_config(options: &Options) -> Result<Config, openraft::ConfigError> {
    let millis = |d: Duration| d.as_millis() as u64;
    let config = Config {
        cluster_name: "tenure".into(),
        heartbeat_interval: millis(options.heartbeat),
        election_timeout_min: millis(options.election_min),
        election_timeout_max: millis(options.lease),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: options.keep_entries,
        // Many small entries fit into the byte limit of an append request.
        max_payload_entries: 4096,
        // Sending a snapshot has its own ends: cancellation, and a connection that is watched.
        install_snapshot_timeout: 600_000,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        // A commit is only as quick as its slowest stage: followers get entries while our own sync runs.
        broadcast_submitted_on_append: Some(true),
        ..Config::default()
    };
    config.validate()
}

impl Core {
    /// False for a node that was not heard for so long that it counts as dead. This node is alive.
    pub(crate) fn is_alive(&self, node: u64) -> bool {
        node == self.node || self.pool.silence(node).is_some_and(|silence| silence < ALIVE)
    }

    /// Opens this node's replica of a shard; its log is applied up to what was known to be committed.
    pub(crate) async fn open(&self, shard: ShardId) -> Result<Group, StartError> {
        let failed = |cause: String| StartError::Group { shard, cause };
        let storage = self.storage.clone();
        let found = tokio::task::spawn_blocking(move || storage.shard(shard)).await.map_err(io::Error::other)??;
        spoil(shard, &found.rows)?;
        let rows = Rows::new(found.rows);
        let (tell_applied, applied) = watch::channel(0);
        let state_machine = StateMachine::new(shard, self.storage.clone(), rows.clone(), tell_applied)?;
        let state_machine = state_machine.telling(self.node, &self.options.steps);
        let recent = state_machine.recent();
        let log = LogStore::new(shard, self.storage.log().clone(), found.log, &self.tails, applied.clone())?;
        let network = Network {
            shard,
            node: self.node,
            pool: self.pool.clone(),
            links: self.links.clone(),
            rows: rows.clone(),
            sending: self.sending.clone(),
        };
        let raft = Raft::new(self.node, self.config.clone(), network, log.clone(), state_machine).await;
        let raft = raft.map_err(|fatal| failed(fatal.to_string()))?;
        let read_everywhere = recent.is_some();
        let reads =
            ReadRounds::new(shard, raft.clone(), log.clone(), self.links.clone(), read_everywhere, &self.options);
        let group = Group::new(
            shard,
            raft,
            log,
            rows,
            Applied { index: applied, recent, commits: self.commits.clone() },
            reads,
            &self.options,
        );
        self.groups.add(group.clone());
        Ok(group)
    }
}

/// In builds for tests: a row that no other replica has.
fn spoil(shard: ShardId, rows: &ShardRows) -> Result<(), StorageError> {
    let told = || std::env::var("TENURE_SPOILED_SHARD").is_ok_and(|told| told == shard.to_string());
    if let Some(applied) = rows.applied().filter(|_| cfg!(feature = "fault-injection") && told()) {
        let row = RowKey::System { table: SystemTable::Namespace, key: "spoiled".into() };
        let writes = WriteSet { ops: vec![Op::Put(row, "rows".into())] };
        rows.apply(&applied, [&write_set::encode([&writes])[..]])?;
    }
    Ok(())
}
