//! PollWorkflowTaskQueue.

use super::prelude::*;
use tenure_engine::{Process, command::Poll, proto::Encoded};
use tenure_shard::PollRequest;

impl Rpc for api::PollWorkflowTaskQueueRequest {
    type Response = EncodedResponse;
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        Kind::Poll
    }

    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        Some(PollingWorker { namespace: &self.namespace, key: &self.worker_instance_key })
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        admission.length(&self.identity, "Identity")?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)
    }

    fn poll(&self, queue: &QueueKey, process: Process) -> Option<(QueueKey, Poll)> {
        Some((queue.clone(), poll(self, queue, process)))
    }

    async fn run(self: Arc<Self>, queue: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        let poll = poll(&self, &queue, call.origin);
        let sticky = is_sticky(self.task_queue.as_ref());
        let deadline = call.deadline;
        let request = PollRequest { queue, id: call.proposal, poll, sticky, queue_rate: None, deadline };
        Ok(call.leader.poll(request).await?.into())
    }
}

#[allow(deprecated)]
fn poll(request: &api::PollWorkflowTaskQueueRequest, queue: &QueueKey, process: Process) -> Poll {
    Poll {
        identity: request.identity.clone(),
        process,
        queue: queue.name.to_string(),
        worker_version: request.worker_version_capabilities.as_ref().map(Encoded::of),
        deployment: request.deployment_options.as_ref().map(Encoded::of),
    }
}
