//! PollWorkflowExecutionUpdate.

use super::prelude::*;
use tenure_api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;

impl Rpc for api::PollWorkflowExecutionUpdateRequest {
    type Response = api::PollWorkflowExecutionUpdateResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        Kind::Wait
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let of =
            self.update_ref.as_ref().ok_or_else(|| ApiError::invalid_argument("UpdateRef is not set on request."))?;
        let execution = of.workflow_execution.clone().unwrap_or_default();
        if execution.workflow_id.is_empty() {
            return Err(ApiError::invalid_argument("Can't load workflow execution.  WorkflowId not set."));
        }
        admission.run(&execution.workflow_id, &execution.run_id)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        // Without a stage to wait for it is a look.
        let wanted = self.wait_policy.as_ref().map_or(Stage::Unspecified, |policy| policy.lifecycle_stage());
        let update_id = self.update_ref.as_ref().map(|of| of.update_id.clone()).unwrap_or_default();
        let RunTarget { workflow, run_id } = target;
        let progress = call.leader.poll_update(&workflow, run_id, update_id, wanted).await?;
        Ok(Self::Response {
            outcome: progress.outcome,
            stage: progress.stage.into(),
            update_ref: Some(progress.update_ref),
        })
    }
}
