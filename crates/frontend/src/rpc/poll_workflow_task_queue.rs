//! PollWorkflowTaskQueue.

use super::prelude::*;
use tenure_engine::{command::Poll, proto::Encoded};
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
    async fn run(self: Arc<Self>, target: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        let poll = Poll {
            identity: self.identity.clone(),
            process: call.origin,
            queue: target.name.to_string(),
            worker_version: self.worker_version_capabilities.as_ref().map(Encoded::of),
            deployment: self.deployment_options.as_ref().map(Encoded::of),
        };
        let sticky = is_sticky(self.task_queue.as_ref());
        let deadline = call.deadline;
        let request = PollRequest { queue: target, poll, sticky, queue_rate: None, deadline };
        Ok(call.leader.poll(request).await?.into())
    }
}
