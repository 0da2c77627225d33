//! What operators ask of the members. Any node takes it and has the leader of the system shard answer.

use super::coordinator::unix_millis;
use crate::{group::Group, node::Core};
use std::collections::BTreeSet;
use tenure_engine::{
    FeatureLevel,
    system::{
        change::{Nodes, Phase},
        cluster::{ClusterMap, NodeRow, NodeStanding, SYSTEM_SHARD},
    },
};
use tenure_peer::{
    Callee,
    admin::{
        Candidate, ChangeMembersRequest, MemberStatus, MembersChange, MembersEnd, MembersReply, MembersRequest,
        ShardMove,
    },
};
use tenure_storage::write_set;
use tonic::{Request, Status};
use uuid::Uuid;

/// Tells who the members are, and how far a change has come.
pub(crate) async fn tell(core: &Core) -> Result<MembersReply, Status> {
    if let Some(mut leader) = other_leader(core)? {
        return leader.members(Request::new(MembersRequest {})).await.map(tonic::Response::into_inner);
    }
    // Not as this node follows it: what was begun by the last request is there.
    let system = core.groups.get(SYSTEM_SHARD).ok_or_else(starting)?;
    Ok(reply(core, &newest(&system).await?))
}

/// Begins a change, or takes it back.
pub(crate) async fn change(core: &Core, mut request: ChangeMembersRequest) -> Result<MembersReply, Status> {
    if request.add > 0 && request.candidate.is_none() {
        request.candidate = core.pool.gate().candidate(request.add).map(|found| Candidate {
            identity: found.identity.as_bytes().to_vec().into(),
            peer_address: found.peer_address,
            known_level: found.known_level,
        });
    }
    if let Some(mut leader) = other_leader(core)? {
        return leader.change_members(Request::new(request)).await.map(tonic::Response::into_inner);
    }
    let system = core.groups.get(SYSTEM_SHARD).ok_or_else(starting)?;
    let _turn = core.members.turn().await;
    let term = system.leadership().borrow().term;
    let map = newest(&system).await?;
    let next = match request.undo {
        true => map.undo().map_err(|error| Status::failed_precondition(error.to_string()))?,
        false => match begin(core, &map, &request).await? {
            Some(next) => next,
            // It was asked for before.
            None => return Ok(reply(core, &map)),
        },
    };
    if request.dry_run {
        return Ok(MembersReply { shards: plan(core, &next), ..reply(core, &next) });
    }
    let writes = next.writes_since(&map);
    if !writes.ops.is_empty() {
        core.options.steps.reach(core.node, || "the change is asked for, and not written".into()).await;
        let written = system.propose(term, write_set::encode([&writes])).await;
        written.map_err(|error| Status::unavailable(format!("not known whether it has begun: {error}")))?;
        tracing::info!(revision = next.members.revision, change = ?next.members.change, "an operator changes the members");
        core.options.steps.reach(core.node, || "the change is asked for, and written".into()).await;
    }
    core.members.wake();
    Ok(reply(core, &next))
}

/// A client of the system shard's leader; `None` if that is here.
fn other_leader(core: &Core) -> Result<Option<AdminClient>, Status> {
    let system = core.groups.get(SYSTEM_SHARD).ok_or_else(starting)?;
    let leadership = *system.leadership().borrow();
    if leadership.is_leader {
        return Ok(None);
    }
    let leader = leadership.leader.filter(|leader| *leader != core.node);
    let leader = leader.ok_or_else(|| Status::unavailable("the system shard has no leader now: try again"))?;
    core.pool.admin(leader).map(Some).map_err(|error| Status::unavailable(error.to_string()))
}

type AdminClient = tenure_peer::admin::admin_client::AdminClient<tenure_peer::Stamped>;

fn starting() -> Status {
    Status::unavailable("the node is starting")
}

async fn newest(system: &Group) -> Result<ClusterMap, Status> {
    system.linearizable().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let map = ClusterMap::read(&system.reader()).map_err(|error| Status::data_loss(error.to_string()))?;
    map.ok_or_else(starting)
}

/// The map with which the change begins; `None` if it is going on, or was the last one.
async fn begin(core: &Core, map: &ClusterMap, request: &ChangeMembersRequest) -> Result<Option<ClusterMap>, Status> {
    let nodes = Nodes { add: some(request.add), remove: some(request.remove) };
    let is_going_on = map.members.change.as_ref().is_some_and(|change| change.nodes == nodes);
    let was_last = map.members.last.as_ref().is_some_and(|last| last.nodes == nodes && !last.undone);
    if is_going_on || was_last && map.members.change.is_none() {
        return Ok(None);
    }
    map.check(nodes).map_err(|error| Status::failed_precondition(error.to_string()))?;
    may_go(core, map, nodes)?;
    let row = match (nodes.add, &request.candidate) {
        (None, _) => None,
        (Some(add), Some(candidate)) => Some(may_come(core, map, add, candidate).await?),
        (Some(add), None) => {
            return Err(Status::failed_precondition(format!(
                "node {add} does not wait to join at node {}: start it with an empty data directory, `cluster.join = true`, \
                 and this node among its `cluster.members`",
                core.node
            )));
        }
    };
    map.begin(nodes, row, unix_millis()).map(Some).map_err(|error| Status::failed_precondition(error.to_string()))
}

fn some(id: u64) -> Option<u64> {
    (id > 0).then_some(id)
}

/// Whether the cluster can be without the node that goes.
fn may_go(core: &Core, map: &ClusterMap, nodes: Nodes) -> Result<(), Status> {
    if let (Some(add), Some(remove)) = (nodes.add, nodes.remove)
        && core.is_alive(remove)
    {
        return Err(Status::failed_precondition(format!(
            "node {remove} runs, and only one that is lost is replaced: stop it for good, or add node {add} and remove node \
             {remove} after that"
        )));
    }
    let mut voters: BTreeSet<u64> = map.voting_nodes().filter(|node| Some(*node) != nodes.remove).collect();
    let alive: BTreeSet<u64> = voters.iter().copied().filter(|node| core.is_alive(*node)).collect();
    voters.extend(nodes.add);
    // The one that comes is asked whether it is there.
    let there = alive.len() + usize::from(nodes.add.is_some());
    if there * 2 <= voters.len() {
        return Err(Status::failed_precondition(format!(
            "of the nodes that would be left, {voters:?}, a majority has to run, and only {alive:?} do"
        )));
    }
    Ok(())
}

/// The row of a node that comes, once it was found where it says to be.
async fn may_come(core: &Core, map: &ClusterMap, add: u64, candidate: &Candidate) -> Result<NodeRow, Status> {
    let identity = Uuid::from_slice(&candidate.identity);
    let identity = identity.map_err(|_| Status::invalid_argument("the identity of a node has 16 bytes"))?;
    let level = map.cluster.feature_level;
    if FeatureLevel(candidate.known_level) < level {
        return Err(Status::failed_precondition(format!(
            "the build of node {add} knows feature level {}, and the cluster is at {level}: start a newer one",
            candidate.known_level
        )));
    }
    let address = &candidate.peer_address;
    let callee = Callee { node_id: add, identity: Some(identity) };
    let answer = core.pool.hello_at(address, &callee).await.map_err(|status| {
        let cause = status.message();
        Status::failed_precondition(format!(
            "node {add} says that it is at {address:?}, which node {} does not reach: {cause}",
            core.node
        ))
    })?;
    if !answer.cluster_id.is_empty() {
        let message = format!("node {add} at {address} belongs to a cluster already: its data directory must be empty");
        return Err(Status::failed_precondition(message));
    }
    Ok(NodeRow::new(identity, address.clone(), String::new()))
}

fn reply(core: &Core, map: &ClusterMap) -> MembersReply {
    let member = |(id, row): (&u64, &NodeRow)| MemberStatus {
        node_id: *id,
        peer_address: core.members.peer_address(*id, row),
        standing: standing(row.standing).to_owned(),
    };
    let change = map.members.change.as_ref().map(|change| MembersChange {
        add: change.nodes.add.unwrap_or(0),
        remove: change.nodes.remove.unwrap_or(0),
        phase: phase(change.phase).to_owned(),
        began_ms: change.began_ms,
    });
    let last = map.members.last.as_ref().map(|last| MembersEnd {
        add: last.nodes.add.unwrap_or(0),
        remove: last.nodes.remove.unwrap_or(0),
        undone: last.undone,
        began_ms: last.began_ms,
        ended_ms: last.ended_ms,
    });
    let progress = core.members.progress().lock().clone();
    let shards = progress.shards.into_iter().filter(|_| progress.revision == map.members.revision);
    let shard = |shard: super::ShardProgress| ShardMove {
        shard: shard.shard,
        done: shard.done,
        state: shard.state,
        voters: shard.voters.into_iter().collect(),
        bytes: 0,
    };
    MembersReply {
        revision: map.members.revision,
        members: map.nodes.iter().map(member).collect(),
        change,
        last,
        shards: shards.map(shard).collect(),
    }
}

/// What would be done to each shard.
fn plan(core: &Core, next: &ClusterMap) -> Vec<ShardMove> {
    let after = next.members.change.as_ref().filter(|change| change.phase == Phase::Learning).map(|_| next.advance(0));
    let after = after.as_ref().unwrap_or(next);
    let of_shard = |shard: u32| ShardMove {
        shard,
        done: false,
        state: String::new(),
        voters: after.replicas(shard),
        bytes: core.groups.get(shard).map_or(0, |group| group.rows().current().file_bytes()),
    };
    next.all_shards().map(of_shard).collect()
}

/// A node's standing, in a word.
pub(crate) fn standing(standing: NodeStanding) -> &'static str {
    match standing {
        NodeStanding::Joining => "joining",
        NodeStanding::Member => "member",
        NodeStanding::Leaving => "leaving",
        NodeStanding::Removed => "removed",
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Learning => "learning",
        Phase::Voting => "voting",
        Phase::Undoing => "undoing",
    }
}
