//! PollWorkflowTaskQueue.

use super::prelude::*;
use tenure_api::encoded;
use tenure_engine::command::Poll;
use tenure_shard::PollRequest;

/// The tokens of a workflow task, wherever it is in a response.
pub(super) fn of_workflow_task(task: &mut encoded::PollWorkflowTaskQueueResponse) -> [Token<'_>; 2] {
    [Token::task(&mut task.task_token), Token::history_page(&mut task.next_page_token)]
}

impl Rpc for api::PollWorkflowTaskQueueRequest {
    type Response = encoded::PollWorkflowTaskQueueResponse;
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
            worker_version: self.worker_version_capabilities.clone(),
            deployment: self.deployment_options.clone(),
        };
        let sticky = is_sticky(self.task_queue.as_ref());
        let deadline = call.deadline;
        let request = PollRequest { queue: target, poll, sticky, queue_rate: None, deadline };
        Ok(call.leader.poll_workflow(request).await?.unwrap_or_default())
    }

    fn tokens(response: &mut Self::Response) -> Vec<Token<'_>> {
        of_workflow_task(response).into()
    }

    fn withdraw(response: &mut Self::Response, _token: &Bytes) {
        *response = Self::Response::default();
    }
}
