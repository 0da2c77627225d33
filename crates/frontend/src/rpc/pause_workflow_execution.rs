//! PauseWorkflowExecution and UnpauseWorkflowExecution.

use super::prelude::*;

impl Rpc for api::PauseWorkflowExecutionRequest {
    type Response = api::PauseWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        check_lengths(admission, &self.identity, &self.reason, &self.request_id)?;
        target(admission, &self.workflow_id, &self.run_id)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::PauseWorkflow(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UnpauseWorkflowExecutionRequest {
    type Response = api::UnpauseWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        check_lengths(admission, &self.identity, &self.reason, &self.request_id)?;
        target(admission, &self.workflow_id, &self.run_id)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::UnpauseWorkflow(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

fn check_lengths(admission: &Admission<'_>, identity: &str, reason: &str, request_id: &str) -> Result<(), ApiError> {
    let fields = [(identity, "identity"), (reason, "reason"), (request_id, "request id")];
    match fields.into_iter().find(|(value, _)| value.len() > admission.limits.id_length) {
        Some((_, what)) => Err(ApiError::invalid_argument(format!("{what} is too long."))),
        None => Ok(()),
    }
}

fn target(admission: &Admission<'_>, workflow_id: &str, run_id: &str) -> Result<RunTarget, ApiError> {
    if workflow_id.is_empty() {
        return Err(ApiError::invalid_argument("Can't load workflow execution.  WorkflowId not set."));
    }
    admission.run(workflow_id, run_id)
}
