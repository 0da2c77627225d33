//! SignalWorkflowExecution.

use super::{
    links::{self, Linked},
    prelude::*,
};
use tenure_api::enums::v1::EventType;

impl Rpc for api::SignalWorkflowExecutionRequest {
    type Response = api::SignalWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        admission.name(&self.signal_name, "SignalName")?;
        admission.length(&self.request_id, "RequestId")?;
        admission.blob(self.input.as_ref())?;
        links::check(&self.links)?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let linked = Linked { namespace: self.namespace.clone(), workflow_id: target.workflow.workflow_id.to_string() };
        let request_id = self.request_id.clone();
        match call.execute(target.workflow, ShardCommand::SignalWorkflow(RunRequest::new(target.run_id, self))).await? {
            Reply::WorkflowSignaled { run_id } => {
                let link = linked.request_link(run_id, request_id, EventType::WorkflowExecutionSignaled);
                Ok(Self::Response { link: Some(link) })
            }
            reply => Err(unexpected(&reply)),
        }
    }
}
