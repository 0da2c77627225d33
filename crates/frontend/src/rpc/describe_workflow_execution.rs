//! DescribeWorkflowExecution.

use super::prelude::*;
use tenure_engine::describe::describe;

impl Rpc for api::DescribeWorkflowExecutionRequest {
    type Response = api::DescribeWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.execution.as_ref())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (run, state) = call.leader.execution(&target.workflow, target.run_id).await?;
        Ok(describe(&run, &state))
    }
}
