//! UpdateWorkflowExecutionOptions.

use super::prelude::*;
use tenure_api::{common::v1::WorkflowExecution, workflow::v1::WorkflowExecutionOptions};

impl Rpc for api::UpdateWorkflowExecutionOptionsRequest {
    type Response = api::UpdateWorkflowExecutionOptionsResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let WorkflowExecution { workflow_id, run_id } = self.workflow_execution.clone().unwrap_or_default();
        let target = admission.run(&workflow_id, &run_id)?;
        if self.update_mask.is_none() {
            return Err(ApiError::invalid_argument("UpdateMask is required"));
        }
        check_options(self.workflow_execution_options.as_ref())?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        match call
            .execute(target.workflow, ShardCommand::UpdateWorkflowOptions(RunRequest::new(target.run_id, self)))
            .await?
        {
            Reply::WorkflowOptions(options) => {
                Ok(Self::Response { workflow_execution_options: Some(*options), ..Default::default() })
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

/// Options are there, and only such as there are here.
pub(super) fn check_options(options: Option<&WorkflowExecutionOptions>) -> Result<(), ApiError> {
    let options = options.ok_or_else(|| ApiError::invalid_argument("WorkflowExecutionOptions is required"))?;
    let missing = [
        (options.versioning_override.is_some(), "versioning_override"),
        (options.time_skipping_config.is_some(), "time_skipping_config"),
    ];
    match missing.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(ApiError::unimplemented(&format!("WorkflowExecutionOptions.{field}"))),
        None => Ok(()),
    }
}
