//! What workers say of themselves goes to the homes of their queues.

use crate::{
    node::polled::Served,
    node::router::Router,
    seam::{
        error::NoLeader,
        messages::{Answer, Request},
        replica::ShardId,
    },
};
use futures::future;
use std::{collections::BTreeMap, sync::Arc};
use tenure_api::{error::ApiError, worker::v1::WorkerHeartbeat};
use tenure_engine::{FeatureLevel, NamespaceId, QueueKey, TaskKind, proto::Encoded};
use tokio::time::Instant;

/// The home of a queue, which it has for all its kinds of tasks.
pub(crate) fn home_of(router: &Router, namespace: NamespaceId, queue: &str) -> ShardId {
    let queue = QueueKey { namespace, kind: TaskKind::Workflow, name: queue.into() };
    router.mesh.shard_of(queue.slot())
}

/// Tells all homes what workers of a namespace say of themselves. Below the feature level that brings this, nobody keeps it.
///
/// # Errors
/// UNAVAILABLE if a home does not answer by the caller's deadline.
pub(crate) async fn tell(
    router: &Arc<Router>,
    level: FeatureLevel,
    namespace: NamespaceId,
    heartbeats: &[WorkerHeartbeat],
    deadline: Instant,
) -> Result<(), ApiError> {
    if level < FeatureLevel::WORKERS {
        return Ok(());
    }
    let mut by_home: BTreeMap<ShardId, Vec<Encoded<WorkerHeartbeat>>> = BTreeMap::new();
    for heartbeat in heartbeats {
        let home = home_of(router, namespace, &heartbeat.task_queue);
        by_home.entry(home).or_default().push(Encoded::of(heartbeat));
    }
    let told = by_home.into_iter().map(async |(home, heartbeats)| {
        let request = Request::WorkersSaid { home, namespace, heartbeats };
        match router.ask_leader(home, request, deadline).await {
            Ok(Served::Answer(Answer::Done)) => Ok(()),
            Ok(Served::Answer(Answer::Refused(error))) => Err(error),
            Ok(_) => Err(ApiError::internal("an answer to something else")),
            Err(NoLeader { shard }) => Err(ApiError::unavailable(format!("shard {shard} did not answer in time"))),
        }
    });
    future::try_join_all(told).await.map(|_| ())
}
