//! PollActivityTaskQueue.

use super::prelude::*;
use tenure_engine::{Process, command::Poll, proto::Encoded};
use tenure_shard::PollRequest;

impl Rpc for api::PollActivityTaskQueueRequest {
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
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Activity)
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
        let queue_rate = self.task_queue_metadata.as_ref().and_then(|metadata| metadata.max_tasks_per_second);
        // What is no number limits nothing.
        let queue_rate = queue_rate.filter(|rate| !rate.is_nan());
        let deadline = call.deadline;
        let request = PollRequest { queue, id: call.proposal, poll, sticky: false, queue_rate, deadline };
        Ok(call.leader.poll(request).await?.into())
    }
}
