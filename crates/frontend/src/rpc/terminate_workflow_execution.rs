//! TerminateWorkflowExecution.

use super::{links, prelude::*};

/// What history says where the request gives no reason; tools look for it.
const DEFAULT_REASON: &str = "terminated by user via frontend";
const DEFAULT_IDENTITY: &str = "frontend-service";

impl Rpc for api::TerminateWorkflowExecutionRequest {
    type Response = api::TerminateWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        links::check(&self.links)?;
        if self.reason.is_empty() {
            self.reason = DEFAULT_REASON.into();
        }
        if self.identity.is_empty() {
            self.identity = DEFAULT_IDENTITY.into();
        }
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::TerminateWorkflow(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}
