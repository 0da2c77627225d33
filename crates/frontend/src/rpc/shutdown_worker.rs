//! ShutdownWorker.

use super::{prelude::*, workers};
use std::slice;

impl Rpc for api::ShutdownWorkerRequest {
    type Response = api::ShutdownWorkerResponse;
    /// The worker's sticky queue; without a name there is none.
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        admission.length(&self.sticky_task_queue, "StickyTaskQueue")?;
        // One that says nothing of itself may send a heartbeat without a key.
        self.worker_heartbeat.take_if(|last| last.worker_instance_key.is_empty());
        self.worker_heartbeat.iter().try_for_each(|last| workers::check(last, admission.limits))?;
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
        if let Some(last) = &self.worker_heartbeat
            && let Err(error) = call.leader.workers_said(sticky.namespace, slice::from_ref(last), call.deadline).await
        {
            // It has gone all the same.
            tracing::debug!(%error, "the last heartbeat of a worker is lost");
        }
        Ok(Self::Response::default())
    }
}
