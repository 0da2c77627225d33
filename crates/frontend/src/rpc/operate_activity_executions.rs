//! What is done to activities without a workflow: RequestCancelActivityExecution, TerminateActivityExecution,
//! DeleteActivityExecution, and PauseActivityExecution, UnpauseActivityExecution, ResetActivityExecution and
//! UpdateActivityExecutionOptions, which are for the activities of workflows, too.

use super::{
    activity_executions::{ExecutionTarget, check_target, target},
    prelude::*,
};
use tenure_api::common::v1::WorkflowExecution;
use tenure_engine::standalone::{options::check_mask, start::check_length};

impl Rpc for api::RequestCancelActivityExecutionRequest {
    type Response = api::RequestCancelActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = target(admission, &self.activity_id, &self.run_id)?;
        check_said(admission, &mut self.request_id, &self.identity, &self.reason)?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.lane, ShardCommand::RequestCancelActivity(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::TerminateActivityExecutionRequest {
    type Response = api::TerminateActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = target(admission, &self.activity_id, &self.run_id)?;
        check_said(admission, &mut self.request_id, &self.identity, &self.reason)?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.lane, ShardCommand::TerminateActivity(RunRequest::new(target.run_id, self))).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::DeleteActivityExecutionRequest {
    type Response = api::DeleteActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        target(admission, &self.activity_id, &self.run_id)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        call.done(target.lane, ShardCommand::DeleteActivity { run_id: target.run_id }).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::PauseActivityExecutionRequest {
    type Response = api::PauseActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = of_any(admission, &self.workflow_id, &self.activity_id, &self.run_id)?;
        check_said(admission, &mut self.request_id, &self.identity, &self.reason)?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        use api::pause_activity_request::Activity;
        let command = if self.workflow_id.is_empty() {
            ShardCommand::PauseStandalone(RunRequest::new(target.run_id, self))
        } else {
            let request = api::PauseActivityRequest {
                namespace: self.namespace.clone(),
                execution: execution(&self.workflow_id, &self.run_id),
                identity: self.identity.clone(),
                reason: self.reason.clone(),
                activity: Some(Activity::Id(self.activity_id.clone())),
                ..Default::default()
            };
            ShardCommand::PauseActivity(RunRequest::new(target.run_id, request))
        };
        call.done(target.lane, command).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UnpauseActivityExecutionRequest {
    type Response = api::UnpauseActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = of_any(admission, &self.workflow_id, &self.activity_id, &self.run_id)?;
        // Its reason is not kept, and may be of any length.
        check_said(admission, &mut self.request_id, &self.identity, "")?;
        check_jitter(self.jitter.as_ref())?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        use api::unpause_activity_request::Activity;
        let command = if self.workflow_id.is_empty() {
            ShardCommand::UnpauseStandalone(RunRequest::new(target.run_id, self))
        } else {
            let request = api::UnpauseActivityRequest {
                namespace: self.namespace.clone(),
                execution: execution(&self.workflow_id, &self.run_id),
                identity: self.identity.clone(),
                jitter: self.jitter,
                activity: Some(Activity::Id(self.activity_id.clone())),
                ..Default::default()
            };
            ShardCommand::UnpauseActivity(RunRequest::new(target.run_id, request))
        };
        call.done(target.lane, command).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::ResetActivityExecutionRequest {
    type Response = api::ResetActivityExecutionResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = of_any(admission, &self.workflow_id, &self.activity_id, &self.run_id)?;
        check_said(admission, &mut self.request_id, &self.identity, "")?;
        check_jitter(self.jitter.as_ref())?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        use api::reset_activity_request::Activity;
        let command = if self.workflow_id.is_empty() {
            ShardCommand::ResetStandalone(RunRequest::new(target.run_id, self))
        } else {
            let request = api::ResetActivityRequest {
                namespace: self.namespace.clone(),
                execution: execution(&self.workflow_id, &self.run_id),
                identity: self.identity.clone(),
                reset_heartbeat: self.reset_heartbeat,
                keep_paused: self.keep_paused,
                jitter: self.jitter,
                restore_original_options: self.restore_original_options,
                activity: Some(Activity::Id(self.activity_id.clone())),
            };
            ShardCommand::ResetActivity(RunRequest::new(target.run_id, request))
        };
        call.done(target.lane, command).await?;
        Ok(Self::Response::default())
    }
}

impl Rpc for api::UpdateActivityExecutionOptionsRequest {
    type Response = api::UpdateActivityExecutionOptionsResponse;
    type Target = ExecutionTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<ExecutionTarget, ApiError> {
        let target = of_any(admission, &self.workflow_id, &self.activity_id, &self.run_id)?;
        check_said(admission, &mut self.request_id, &self.identity, "")?;
        let refused = match (self.restore_original, &self.activity_options, &self.update_mask) {
            (true, _, Some(_)) => "Both UpdateMask and RestoreOriginal are provided",
            (false, None, _) => "ActivityOptions are not provided",
            (false, Some(_), None) => "UpdateMask is not provided",
            (false, Some(_), Some(mask)) if self.workflow_id.is_empty() => {
                check_mask(&mask.paths)?;
                return Ok(target);
            }
            (true, _, None) | (false, Some(_), Some(_)) => return Ok(target),
        };
        Err(ApiError::invalid_argument(refused))
    }

    async fn run(self: Arc<Self>, target: ExecutionTarget, call: &Call) -> Result<Self::Response, CommandError> {
        use api::update_activity_options_request::Activity;
        let command = if self.workflow_id.is_empty() {
            ShardCommand::UpdateStandaloneOptions(RunRequest::new(target.run_id, self))
        } else {
            let request = api::UpdateActivityOptionsRequest {
                namespace: self.namespace.clone(),
                execution: execution(&self.workflow_id, &self.run_id),
                identity: self.identity.clone(),
                activity_options: self.activity_options.clone(),
                update_mask: self.update_mask.clone(),
                restore_original: self.restore_original,
                activity: Some(Activity::Id(self.activity_id.clone())),
            };
            ShardCommand::UpdateActivityOptions(RunRequest::new(target.run_id, request))
        };
        match call.execute(target.lane, command).await? {
            Reply::ActivityOptions(options) => Ok(Self::Response { activity_options: Some(*options) }),
            reply => Err(unexpected(&reply)),
        }
    }
}

/// An activity of a workflow, or one without.
fn of_any(
    admission: &Admission<'_>,
    workflow_id: &str,
    activity_id: &str,
    run: &str,
) -> Result<ExecutionTarget, ApiError> {
    if workflow_id.is_empty() {
        return target(admission, activity_id, run);
    }
    let run_id = check_target(admission, activity_id, run)?;
    Ok(ExecutionTarget { lane: admission.workflow(workflow_id).into(), run_id })
}

fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() })
}

/// Checks what a request says of itself. One without an id gets one, by which it is known if it is tried again.
fn check_said(
    admission: &Admission<'_>,
    request_id: &mut String,
    identity: &str,
    reason: &str,
) -> Result<(), ApiError> {
    check_length(request_id, "request ID", admission.limits)?;
    check_length(identity, "identity", admission.limits)?;
    if reason.len() > admission.limits.blob_size {
        return Err(ApiError::invalid_argument("reason exceeds length limit"));
    }
    if request_id.is_empty() {
        *request_id = Uuid::new_v4().to_string();
    }
    Ok(())
}

fn check_jitter(jitter: Option<&prost_types::Duration>) -> Result<(), ApiError> {
    let jitter = tenure_api::time::optional_duration(jitter);
    jitter.map(drop).map_err(|error| ApiError::invalid_argument(format!("invalid jitter: {error}")))
}
