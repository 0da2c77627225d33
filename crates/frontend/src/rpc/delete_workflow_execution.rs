//! DeleteWorkflowExecution.

use super::prelude::*;

impl Rpc for api::DeleteWorkflowExecutionRequest {
    type Response = api::DeleteWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.workflow_execution.as_ref())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::DeleteWorkflow { run_id: target.run_id }).await?;
        Ok(Self::Response::default())
    }
}
