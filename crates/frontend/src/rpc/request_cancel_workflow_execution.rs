//! RequestCancelWorkflowExecution.

use super::{links, prelude::*};

impl Rpc for api::RequestCancelWorkflowExecutionRequest {
    type Response = api::RequestCancelWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        links::check(&self.links)?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::RequestCancelWorkflow(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}
