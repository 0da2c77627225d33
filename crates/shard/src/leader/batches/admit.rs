//! What a batch job that is to be started depends on besides its own state.

use super::job::{query, unavailable};
use crate::{
    leader::context::LeaderContext,
    node::{gather::Gather, list_query::list_query},
    seam::{error::CommandError, question::Question},
};
use tenure_api::{
    enums::v1::{ResourceExhaustedCause as Cause, ResourceExhaustedScope as Scope},
    error::ApiError,
    workflowservice::v1::StartBatchOperationRequest,
};
use tenure_engine::{Lane, ProposalId, batch};
use tokio::time::Instant;

/// See [`LeaderHandle::admit_batch`](crate::LeaderHandle::admit_batch).
pub(super) async fn admit(
    context: &LeaderContext,
    lane: &Lane,
    proposal: ProposalId,
    request: &StartBatchOperationRequest,
    deadline: Instant,
) -> Result<(), CommandError> {
    context.barrier().await?;
    // One that is tried again has its place.
    if batch::read(&*context.rows, lane)?.is_some_and(|job| job.proposal == proposal) {
        return Ok(());
    }
    let kind = batch::kind_of_targets(request);
    if !request.visibility_query.is_empty() {
        let namespace = context.node.system.by_id(lane.namespace);
        let namespace = namespace.ok_or_else(|| unavailable("the namespace is not known here yet"))?;
        // By itself, too: the error's place is one of it.
        let asked = list_query(&namespace, kind, request.visibility_query.clone());
        asked.and_then(|_| list_query(&namespace, kind, query(request))).map_err(|error| {
            let cause = error.message.strip_prefix("invalid query: ").unwrap_or(&error.message);
            ApiError::invalid_argument(format!("invalid visibility query: {cause}"))
        })?;
    }
    let most = context.options().limits.batch_operations;
    let question = Question::Batches { namespace: lane.namespace };
    let places = context.router().data_shards().into_iter().map(|shard| (shard, None)).collect();
    let (first, _) = Gather::new(context.node.clone(), question, deadline).page(places, most.max(1)).await?;
    let running = first.iter().filter(|item| batch::is_running(&item.place)).count();
    if running >= most {
        let message = "Max concurrent batch operations is reached";
        return Err(ApiError::exhausted(Cause::ConcurrentLimit, Scope::Namespace, message).into());
    }
    Ok(())
}
