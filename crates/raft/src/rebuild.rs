//! A replica whose rows are rotten, or not those of the others, gets the rows of another one. Its log and its vote stay, so nothing
//! that it has promised is forgotten, and it counts in its majority all the while. It applies nothing meanwhile.

use crate::{codec, entry::AppliedLog, group::Group, node::Core, snapshot, types::Vote};
use std::time::Instant;
use tenure_peer::{admin::RebuildReply, proto::CopyRowsRequest};
use tonic::Status;

/// Rebuilds this node's replica of a shard. What fails changes nothing.
pub(crate) async fn rebuild(core: &Core, group: &Group) -> Result<RebuildReply, Status> {
    let (shard, begin) = (group.id(), Instant::now());
    if group.status().voters.len() <= 1 {
        return Err(Status::failed_precondition(format!("shard {shard} has no other replica")));
    }
    let receiving = group.receiving().try_lock();
    let _one = receiving.map_err(|_| Status::aborted(format!("shard {shard} is already receiving rows")))?;
    group.forbid_election(true);
    let rebuilt = async {
        core.hand_over_group(group.clone()).await;
        if group.leads() {
            return Err(Status::unavailable(format!("no other node can lead shard {shard} now")));
        }
        from_any(core, group).await
    };
    let rebuilt = rebuilt.await;
    match rebuilt {
        Ok((from, index)) => {
            group.is_whole();
            tracing::info!(shard, from, index, "the replica here is rebuilt");
            Ok(RebuildReply { from, index, seconds: begin.elapsed().as_secs_f64() })
        }
        Err(status) => {
            group.forbid_election(group.damage().is_some());
            Err(status)
        }
    }
}

/// Takes the rows of the leader, or else of another one that is whole. Tells whose, and how far they go.
async fn from_any(core: &Core, group: &Group) -> Result<(u64, u64), Status> {
    let status = group.status();
    let mut sources: Vec<u64> = status.voters.into_iter().filter(|node| *node != core.node).collect();
    sources.retain(|node| core.is_alive(*node) && !core.pool.condition(*node).damaged_shards.contains(&group.id()));
    sources.sort_by_key(|node| Some(*node) != status.leadership.leader);
    let mut failed = Status::unavailable("no other node has a whole replica now");
    for node in sources {
        match from(core, group, node).await {
            Ok(index) => return Ok((node, index)),
            Err(status) => {
                tracing::warn!(shard = group.id(), node, reason = status.message(), "rows could not be copied");
                failed = Status::new(status.code(), format!("node {node}: {}", status.message()));
            }
        }
    }
    Err(failed)
}

async fn from(core: &Core, group: &Group, node: u64) -> Result<u64, Status> {
    let mut pause = group.rows().pause().await;
    let at_least = *group.applied().borrow();
    let request = CopyRowsRequest { shard: group.id(), at_least };
    let mut chunks = core.pool.connect(node).await?.copy_rows(request).await?.into_inner();
    let first = chunks.message().await?.ok_or_else(|| Status::data_loss("it sent nothing"))?;
    let (_, log): (Vote, AppliedLog) =
        codec::decode(&first.header).map_err(|error| Status::internal(format!("what it sent: {error}")))?;
    let new = snapshot::receive_rows(core.storage.state().clone(), first, chunks).await?;
    let received = AppliedLog::from_row(new.applied()).map_err(|error| Status::data_loss(error.to_string()))?;
    if received != log || received.index() < at_least {
        snapshot::discard(group.id(), new).await;
        return Err(Status::data_loss("the rows are not those that were announced"));
    }
    let (old, index) = (group.rows().current(), received.index());
    // Readers must find the new rows before the old ones are deleted.
    group.rows().put(new.clone());
    *pause = Some(received);
    let installed = core.storage.install(group.id(), &old, &new).await;
    installed.map_err(|error| Status::internal(error.to_string()))?;
    Ok(index)
}
