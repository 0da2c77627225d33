//! ResetWorkflowExecution.

use super::prelude::*;

impl Rpc for api::ResetWorkflowExecutionRequest {
    type Response = api::ResetWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        admission.name(&self.request_id, "RequestId")?;
        if !self.post_reset_operations.is_empty() {
            return Err(ApiError::unimplemented("ResetWorkflowExecutionRequest.post_reset_operations"));
        }
        Ok(target)
    }

    async fn run(self, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        match call.execute(target.workflow, ShardCommand::ResetWorkflow(Box::new(self))).await? {
            Reply::WorkflowReset { run_id } => Ok(Self::Response { run_id: run_id.to_string() }),
            reply => Err(unexpected(&reply)),
        }
    }
}
