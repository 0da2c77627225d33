//! ResetWorkflowExecution.

use super::{prelude::*, update_workflow_execution_options::check_options};
use tenure_api::workflow::v1::post_reset_operation::Variant;

impl Rpc for api::ResetWorkflowExecutionRequest {
    type Response = api::ResetWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        admission.name(&self.request_id, "RequestId")?;
        for operation in &self.post_reset_operations {
            if let Some(Variant::UpdateWorkflowOptions(update)) = &operation.variant {
                check_options(update.workflow_execution_options.as_ref())?;
            }
        }
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        match call.execute(target.workflow, ShardCommand::ResetWorkflow(RunRequest::new(target.run_id, self))).await? {
            Reply::WorkflowReset { run_id } => Ok(Self::Response { run_id: run_id.to_string() }),
            reply => Err(unexpected(&reply)),
        }
    }
}
