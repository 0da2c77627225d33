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

    #[allow(deprecated)]
    fn poll(&self, queue: &QueueKey, process: Process) -> Option<(QueueKey, Poll)> {
        let poll = Poll {
            identity: self.identity.clone(),
            process,
            queue: queue.name.to_string(),
            worker_version: self.worker_version_capabilities.as_ref().map(Encoded::of),
            deployment: self.deployment_options.as_ref().map(Encoded::of),
        };
        Some((queue.clone(), poll))
    }

    async fn run(self: Arc<Self>, target: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        let Some((queue, poll)) = self.poll(&target, call.origin) else { return Ok(EncodedResponse::default()) };
        let sticky = is_sticky(self.task_queue.as_ref());
        let deadline = call.deadline;
        let request = PollRequest { queue, id: call.proposal, poll, sticky, queue_rate: None, deadline };
        Ok(call.leader.poll(request).await?.into())
    }
}
