//! PauseActivity, UnpauseActivity, ResetActivity and UpdateActivityOptions.

use super::prelude::*;
use tenure_api::common::v1::WorkflowExecution;

impl Rpc for api::PauseActivityRequest {
    type Response = api::PauseActivityResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        target(admission, self.execution.as_ref(), self.activity.is_some())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::PauseActivity(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UnpauseActivityRequest {
    type Response = api::UnpauseActivityResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        target(admission, self.execution.as_ref(), self.activity.is_some())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::UnpauseActivity(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::ResetActivityRequest {
    type Response = api::ResetActivityResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        target(admission, self.execution.as_ref(), self.activity.is_some())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.workflow, ShardCommand::ResetActivity(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UpdateActivityOptionsRequest {
    type Response = api::UpdateActivityOptionsResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = target(admission, self.execution.as_ref(), self.activity.is_some())?;
        let refused = match (self.restore_original, &self.activity_options, &self.update_mask) {
            (true, _, Some(_)) => "Both UpdateMask and RestoreOriginal are provided",
            (false, None, _) => "ActivityOptions are not provided",
            (false, Some(_), None) => "UpdateMask is not provided",
            (true, _, None) | (false, Some(_), Some(_)) => return Ok(target),
        };
        Err(ApiError::invalid_argument(refused))
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let command = ShardCommand::UpdateActivityOptions(RunRequest::new(target.run_id, self));
        match call.execute(target.workflow, command).await? {
            Reply::ActivityOptions(options) => Ok(Self::Response { activity_options: Some(*options) }),
            reply => Err(unexpected(&reply)),
        }
    }
}

fn target(
    admission: &Admission<'_>,
    execution: Option<&WorkflowExecution>,
    selects: bool,
) -> Result<RunTarget, ApiError> {
    let WorkflowExecution { workflow_id, run_id } = execution.cloned().unwrap_or_default();
    let target = admission.run(&workflow_id, &run_id)?;
    if !selects {
        return Err(ApiError::invalid_argument("Either Activity.Id or Activity.Type should be set on request."));
    }
    Ok(target)
}
