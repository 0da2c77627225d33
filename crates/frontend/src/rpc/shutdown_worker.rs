//! ShutdownWorker and RecordWorkerHeartbeat.

use super::prelude::*;
use crate::Frontend;
use tokio::time::Instant;

impl Rpc for api::ShutdownWorkerRequest {
    type Response = api::ShutdownWorkerResponse;
    /// The worker's sticky queue; without a name there is none.
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        admission.length(&self.sticky_task_queue, "StickyTaskQueue")?;
        Ok(admission.queue(&self.sticky_task_queue, TaskKind::Workflow))
    }

    async fn run(self: Arc<Self>, sticky: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        if !sticky.name.is_empty() {
            call.leader.worker_gone(&sticky);
        }
        let key = &self.worker_instance_key;
        // A worker that names its task queue counts on its polls being ended; one that does not ends them itself.
        if !key.is_empty() && !self.task_queue.is_empty() && key.len() <= call.leader.limits().id_length {
            call.leader.end_polls(&self.namespace, key).await;
        }
        Ok(Self::Response::default())
    }
}

/// Workers are not listed yet, so that there is nothing to keep of what one tells of itself.
impl LocalRpc for api::RecordWorkerHeartbeatRequest {
    type Response = api::RecordWorkerHeartbeatResponse;

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        frontend.namespace(&self.namespace, deadline).await?;
        Ok(Self::Response::default())
    }
}
