//! What operators ask of this node, on the peer port.

use crate::{
    compare, cpu,
    drain::{self, Led},
    group::{Group, TransferError},
    members,
    node::Core,
    rebuild,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tenure_engine::{
    NamespaceId, RowKey, StateReader, codec,
    system::{
        cluster::{self, NodeRow, NodeStanding, SLOTS, SYSTEM_SHARD},
        namespace,
    },
    visibility::Filling,
};
use tenure_peer::{
    Cut, SecretHandler, Slot, Stamped, UpgradeHandler,
    admin::{
        ChangeMembersRequest, DrainReply, DrainRequest, InitReply, InitRequest, LedShard, LocateReply, LocateRequest,
        MembersReply, MembersRequest, NodeStatus, PartitionReply, PartitionRequest, RebuildReply, RebuildRequest,
        ShardStatus, StatusReply, StatusRequest, TokenReply, TokenRequest, TransferLeaderReply, TransferLeaderRequest,
        UpgradeReply, UpgradeRequest, VerifyReply, VerifyRequest, Vitals,
        admin_client::AdminClient,
        admin_server::{Admin, AdminServer},
    },
};
use tenure_storage::{Disk, Latencies, ShardId};
use tonic::{Code, Request, Response, Status};

/// A peer that was not heard for this many seconds is shown as unreachable.
const REACHABLE_SECONDS: f64 = 2.0;

/// A disk that takes longer to tell of itself is left out.
const DISK_PATIENCE: Duration = Duration::from_millis(500);

/// How long another node may take to answer whoever drains it.
const DRAIN: Duration = Duration::from_secs(2);

/// What a look at the disk finds: what is absent is not known.
#[derive(Clone, Default)]
struct OnDisk {
    whole: Disk,
    shards: BTreeMap<ShardId, Sizes>,
}

/// Bytes of a replica, about.
#[derive(Clone, Copy)]
struct Sizes {
    /// Of its rows, in files.
    rows: u64,
    /// Of the entries of its log.
    log: u64,
}

/// What was last seen of the disk; held while somebody looks, so that a disk that hangs keeps one thread at most.
type LastLook = Arc<tokio::sync::Mutex<(Option<Instant>, OnDisk)>>;

#[derive(Clone)]
pub(crate) struct AdminService {
    core: Core,
    /// Why the node is not ready; `None` if it is.
    not_ready: Arc<Mutex<Option<String>>>,
    started_at: SystemTime,
    last_look: LastLook,
    founded: Arc<AtomicBool>,
    upgrade: Arc<Slot<dyn UpgradeHandler>>,
    secret: Arc<Slot<dyn SecretHandler>>,
}

impl AdminService {
    pub(crate) fn new(core: Core, not_ready: Arc<Mutex<Option<String>>>) -> AdminService {
        let started_at = SystemTime::now();
        AdminService {
            core,
            not_ready,
            started_at,
            last_look: Arc::default(),
            founded: Arc::default(),
            upgrade: Arc::default(),
            secret: Arc::default(),
        }
    }

    /// From now on the shards are known, and members can change.
    pub(crate) fn founded(&self) {
        self.founded.store(true, Ordering::Release);
    }

    fn is_founded(&self) -> Result<(), Status> {
        let founded = self.founded.load(Ordering::Acquire);
        founded.then_some(()).ok_or_else(|| Status::unavailable("the node is starting"))
    }

    /// Who raises the feature level from now on.
    pub(crate) fn set_upgrade(&self, handler: Arc<dyn UpgradeHandler>) {
        self.upgrade.set(handler);
    }

    /// Who sees to it that the cluster has a secret from now on.
    pub(crate) fn set_secret(&self, handler: Arc<dyn SecretHandler>) {
        self.secret.set(handler);
    }

    /// Lets go of the handlers, which hold the node.
    pub(crate) fn close(&self) {
        self.upgrade.clear();
        self.secret.clear();
    }

    fn group(&self, shard: ShardId) -> Result<Group, Status> {
        let group = self.core.groups.get(shard);
        group.ok_or_else(|| Status::not_found(format!("this node has no replica of shard {shard}")))
    }

    /// The cluster's feature level as this node has applied it; zero while it does not know.
    fn feature_level(&self) -> u32 {
        let system = self.is_founded().ok().and_then(|()| self.core.groups.get(SYSTEM_SHARD));
        let Some(system) = system else { return 0 };
        cluster::feature_level(&system.reader()).map_or(0, |level| level.0)
    }

    pub(crate) fn into_server(self) -> AdminServer<AdminService> {
        AdminServer::new(self).max_decoding_message_size(tenure_limits::STRANGER)
    }

    /// What this node knows of the cluster.
    pub(crate) async fn describe(&self) -> StatusReply {
        let local = self.core.pool.local();
        let map = self.core.members.map();
        let members: Vec<NodeStatus> = map.members().map(|(id, row)| self.member(id, row)).collect();
        let not_ready = self.not_ready.lock().clone();
        let on_disk = tokio::time::timeout(DISK_PATIENCE, self.look_at_disk()).await.unwrap_or_default();
        let shard = |group: &Group| self.shard(group, on_disk.shards.get(&group.id()));
        StatusReply {
            cluster_id: local.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
            node_id: local.node_id,
            version: self.core.options.version.clone(),
            nodes: if members.is_empty() { self.configured() } else { members },
            shards: self.core.groups.all().iter().map(shard).collect(),
            ready: not_ready.is_none(),
            feature_level: self.feature_level(),
            known_feature_level: self.core.options.known_level.0,
            not_ready_because: not_ready.unwrap_or_default(),
            vitals: Some(self.vitals(on_disk.whole)),
            snapshots: self.core.sending.status(),
            unfit_because: self.core.pool.own_condition().unfit_because,
        }
    }

    /// Looks at the disk; whoever asks while somebody looks waits for that one.
    async fn look_at_disk(&self) -> OnDisk {
        let asked = Instant::now();
        let mut last = self.last_look.clone().lock_owned().await;
        if last.0.is_some_and(|seen| seen >= asked) {
            return last.1.clone();
        }
        let (storage, groups) = (self.core.storage.clone(), self.core.groups.all());
        let look = tokio::task::spawn_blocking(move || {
            let shards = groups.iter().map(|group| (group.id(), sizes(group))).collect();
            *last = (Some(Instant::now()), OnDisk { whole: storage.disk(), shards });
            last.1.clone()
        });
        look.await.unwrap_or_default()
    }

    fn vitals(&self, disk: Disk) -> Vitals {
        let options = &self.core.options;
        let seconds = |latencies: &Latencies| {
            let quantiles = latencies.quantiles([0.5, 0.99]);
            quantiles.map_or([None; 2], |found| found.map(|time| Some(time.as_secs_f64())))
        };
        let [sync_p50, sync_p99] = seconds(self.core.storage.log().syncs());
        let [commit_p50, commit_p99] = seconds(&self.core.commits);
        Vitals {
            started_at_ms: self.started_at.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as u64),
            grpc_address: options.nodes.get(&self.core.node).map(|own| own.api.clone()).unwrap_or_default(),
            http_address: options.http_address.clone(),
            memory_bytes: memory(),
            disk_used_bytes: disk.used_bytes,
            disk_free_bytes: disk.free_bytes,
            sync_p50,
            sync_p99,
            commit_p50,
            commit_p99,
            cpu_cores: self.core.cpu.cores(),
            cores: cpu::available(),
        }
    }

    /// The nodes that the configuration lists, while there is no cluster.
    fn configured(&self) -> Vec<NodeStatus> {
        let nodes = self.core.options.nodes.iter();
        nodes.map(|(id, address)| self.node(*id, address.peer.clone(), NodeStanding::Joining)).collect()
    }

    fn member(&self, id: u64, row: &NodeRow) -> NodeStatus {
        self.node(id, self.core.members.peer_address(id, row), row.standing)
    }

    fn node(&self, id: u64, peer_address: String, standing: NodeStanding) -> NodeStatus {
        let silence = match id == self.core.node {
            true => Some(0.0),
            false => self.core.pool.silence(id).map(|s| s.as_secs_f64()),
        };
        NodeStatus {
            node_id: id,
            peer_address,
            standing: self.standing(id, standing).to_owned(),
            reachable: silence.is_some_and(|s| s < REACHABLE_SECONDS),
            seconds_since_contact: silence.unwrap_or(-1.0),
            free_bytes: 0,
            clock_ahead_seconds: self.core.pool.clock_ahead(id),
        }
    }

    fn standing(&self, id: u64, standing: NodeStanding) -> &'static str {
        let pool = &self.core.pool;
        let draining = if id == self.core.node { pool.local().is_draining() } else { pool.is_draining(id) };
        match standing {
            NodeStanding::Member if draining => "drained",
            _ => members::standing(standing),
        }
    }

    /// What this node leads, for whoever drains it.
    fn draining(&self) -> DrainReply {
        let shard = |led: Led| LedShard {
            shard: led.shard,
            to: led.heirs.first().copied().unwrap_or(0),
            waits_for: led.waits_for.unwrap_or_default(),
        };
        let led = drain::led(&self.core).into_iter().map(shard).collect();
        DrainReply { node: self.core.node, draining: self.core.pool.local().is_draining(), led }
    }

    /// A client of another member's.
    fn member_admin(&self, node: u64) -> Result<AdminClient<Stamped>, Status> {
        let is_member = self.core.members.map().members().any(|(id, _)| id == node);
        let client = self.core.pool.admin(node).ok().filter(|_| is_member);
        client.ok_or_else(|| Status::not_found(format!("there is no node {node} in this cluster")))
    }

    fn shard(&self, group: &Group, sizes: Option<&Sizes>) -> ShardStatus {
        let status = group.status();
        let shard = group.id();
        let filling = filling(group);
        let map = self.core.members.map();
        let slots = match map.shards.get(&shard) {
            Some(row) => (u32::from(row.first_slot), u32::from(row.last_slot)),
            None if shard == SYSTEM_SHARD => (0, 0),
            None => (0, SLOTS - 1),
        };
        ShardStatus {
            shard,
            first_slot: slots.0,
            last_slot: slots.1,
            leader: status.leadership.leader.unwrap_or(0),
            term: status.leadership.term,
            last_log_index: status.last_log_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            role: status.role.to_owned(),
            voters: status.voters,
            lists_filled_percent: filling.as_ref().map(|filling| percent(filling, slots)),
            lists_left_out: filling.map_or(0, |filling| filling.left_out),
            bytes: sizes.map(|sizes| sizes.rows),
            log_bytes: sizes.map(|sizes| sizes.log),
            damage: group.damage().map(|damage| damage.to_string()).unwrap_or_default(),
        }
    }
}

/// It may read from disk.
fn sizes(group: &Group) -> Sizes {
    Sizes { rows: group.rows().current().file_bytes(), log: group.log().bytes() }
}

/// Bytes of memory that the process has, where the kernel tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// The filling of the shard's lists, as this replica knows it.
fn filling(group: &Group) -> Option<Filling> {
    let row = group.reader().get(&RowKey::ListFill).ok()??;
    codec::decode(&row).ok()
}

/// How far lists are filled, by the slot that the filling is at.
fn percent(filling: &Filling, (first, last): (u32, u32)) -> u32 {
    match filling {
        Filling { done: true, .. } => 100,
        Filling { after: None, .. } => 0,
        Filling { after: Some(run), .. } => {
            let passed = u32::from(run.workflow.slot()).saturating_sub(first);
            (100 * passed / (last - first + 1)).min(99)
        }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn status(&self, _request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(self.describe().await))
    }

    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateReply>, Status> {
        let LocateRequest { namespace, workflow_id } = request.into_inner();
        self.is_founded()?;
        let system = self.core.groups.get(SYSTEM_SHARD).ok_or_else(|| Status::unavailable("the node is starting"))?;
        let id = namespace::id_of(&system.reader(), &namespace).map_err(|e| Status::internal(e.to_string()))?;
        let id = id.ok_or_else(|| Status::not_found(format!("namespace {namespace} is not known here")))?;
        let slot = tenure_engine::slot(NamespaceId(id), &workflow_id);
        let shard = self.core.members.map().shard_of(slot);
        let group = self.core.groups.get(shard);
        let leader = group.and_then(|group| group.leadership().borrow().leader).unwrap_or(0);
        Ok(Response::new(LocateReply { slot: slot.into(), shard, leader }))
    }

    async fn transfer_leader(
        &self,
        request: Request<TransferLeaderRequest>,
    ) -> Result<Response<TransferLeaderReply>, Status> {
        let TransferLeaderRequest { shard, to } = request.into_inner();
        let group = self.group(shard)?;
        group.transfer_leader(to).await.map_err(|error| match error {
            TransferError::NotLeader(_) | TransferError::Lagging { .. } => {
                Status::failed_precondition(error.to_string())
            }
            TransferError::NoReplica { .. } => Status::invalid_argument(error.to_string()),
            TransferError::Silent(_) | TransferError::TookOver { .. } | TransferError::TimedOut(_) => {
                Status::unavailable(error.to_string())
            }
        })?;
        Ok(Response::new(TransferLeaderReply {}))
    }

    async fn upgrade(&self, _request: Request<UpgradeRequest>) -> Result<Response<UpgradeReply>, Status> {
        self.upgrade.get()?.upgrade().await.map(Response::new)
    }

    async fn init(&self, _request: Request<InitRequest>) -> Result<Response<InitReply>, Status> {
        members::found(&self.core).await.map(Response::new)
    }

    async fn token(&self, request: Request<TokenRequest>) -> Result<Response<TokenReply>, Status> {
        self.is_founded()?;
        self.secret.get()?.ensure_secret().await?;
        members::token(&self.core, request.into_inner().valid_for_ms).await.map(Response::new)
    }

    async fn members(&self, _request: Request<MembersRequest>) -> Result<Response<MembersReply>, Status> {
        self.is_founded()?;
        members::tell(&self.core).await.map(Response::new)
    }

    async fn change_members(&self, request: Request<ChangeMembersRequest>) -> Result<Response<MembersReply>, Status> {
        self.is_founded()?;
        members::change(&self.core, request.into_inner()).await.map(Response::new)
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        self.is_founded()?;
        let request = request.into_inner();
        let DrainRequest { node, undo, look } = request;
        if node != self.core.node {
            let mut request = Request::new(request);
            request.set_timeout(DRAIN);
            return self.member_admin(node)?.drain(request).await.map_err(|status| match status.code() {
                Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
                    let cause = status.message();
                    Status::unavailable(format!(
                        "node {node} does not answer, and one that is down leads nothing: {cause}"
                    ))
                }
                _ => status,
            });
        }
        if !look {
            if !undo && self.core.members.map().voting_nodes().all(|voter| voter == node) {
                let message = format!("node {node} is the only one of its cluster: nobody else can lead");
                return Err(Status::failed_precondition(message));
            }
            tracing::info!(draining = !undo, "an operator drains the node");
            self.core.pool.local().set_draining(!undo);
        }
        Ok(Response::new(self.draining()))
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<VerifyReply>, Status> {
        let (core, group) = (self.core.clone(), self.group(request.into_inner().shard)?);
        compare::compare(&core, &group, 0).await.map(Response::new)
    }

    async fn rebuild(&self, request: Request<RebuildRequest>) -> Result<Response<RebuildReply>, Status> {
        let (core, group) = (self.core.clone(), self.group(request.into_inner().shard)?);
        // On a task of its own: whoever asked may go away.
        let rebuilt = tokio::spawn(async move { rebuild::rebuild(&core, &group).await }).await;
        rebuilt.map_err(|error| Status::internal(error.to_string()))?.map(Response::new)
    }

    async fn partition(&self, request: Request<PartitionRequest>) -> Result<Response<PartitionReply>, Status> {
        let PartitionRequest { nodes, one_way } = request.into_inner();
        let nodes: BTreeSet<u64> = nodes.into_iter().filter(|node| *node != self.core.node).collect();
        let cut = if one_way { Cut::Outward(nodes) } else { Cut::BothWays(nodes) };
        match self.core.pool.faults().cut_off(cut) {
            true => Ok(Response::new(PartitionReply {})),
            false => Err(Status::unimplemented("this build has no fault injection")),
        }
    }
}
