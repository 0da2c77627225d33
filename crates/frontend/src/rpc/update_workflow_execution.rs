//! UpdateWorkflowExecution.

use super::prelude::*;
use tenure_api::{
    common::v1::{Link, WorkflowExecution, link},
    enums::v1::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage},
    error::Code,
    errordetails::v1::PermissionDeniedFailure,
    update::v1::{Request, WaitPolicy, outcome},
};
use tenure_engine::Envelope;
use tenure_shard::UpdateProgress;

impl Rpc for api::UpdateWorkflowExecutionRequest {
    type Response = api::UpdateWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn kind(&self) -> Kind {
        Kind::Wait
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        let target = admission.execution(self.workflow_execution.as_ref())?;
        admit_update(self, admission)?;
        Ok(target)
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (namespace, update_id) = (self.namespace.clone(), update_id(self.request.as_ref()));
        let wanted = wanted(self.wait_policy);
        let command = ShardCommand::UpdateWorkflow(RunRequest::new(target.run_id, self));
        let envelope = Envelope { lane: target.workflow.into(), proposal: call.proposal, origin: call.origin, command };
        let progress = call.leader.update(envelope, update_id, wanted).await?;
        Ok(response(namespace, progress))
    }
}

/// Checks the part that an update-with-start has in common; gives the update an id where the caller did not.
pub(super) fn admit_update(
    request: &mut api::UpdateWorkflowExecutionRequest,
    admission: &Admission<'_>,
) -> Result<(), ApiError> {
    let unset = |what: &str| ApiError::invalid_argument(format!("Update {what} is not set on request."));
    let update = request.request.as_mut().ok_or_else(|| unset("meta"))?;
    let meta = update.meta.as_mut().ok_or_else(|| unset("meta"))?;
    admission.length(&meta.update_id, "UpdateId")?;
    let input = update.input.as_ref().ok_or_else(|| unset("input"))?;
    if input.name.is_empty() {
        return Err(unset("name"));
    }
    if stage(request.wait_policy) == Stage::Admitted {
        let message = "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.";
        let detail = PermissionDeniedFailure::default();
        return Err(ApiError::new(Code::PermissionDenied, message).with_detail(&detail));
    }
    if !update.completion_callbacks.is_empty() {
        return Err(match update.request_id.is_empty() {
            true => ApiError::invalid_argument(
                "invalid *update.Request: request_id is required when completion_callbacks are set",
            ),
            false => ApiError::unimplemented("UpdateWorkflowExecutionRequest.request.completion_callbacks"),
        });
    }
    admission.blob(input.args.as_ref())?;
    if meta.update_id.is_empty() {
        meta.update_id = Uuid::new_v4().to_string();
    }
    Ok(())
}

pub(super) fn update_id(request: Option<&Request>) -> String {
    request.and_then(|request| request.meta.as_ref()).map(|meta| meta.update_id.clone()).unwrap_or_default()
}

fn stage(policy: Option<WaitPolicy>) -> Stage {
    policy.map_or(Stage::Unspecified, |policy| policy.lifecycle_stage())
}

/// A caller that does not say waits until the update is accepted.
pub(super) fn wanted(policy: Option<WaitPolicy>) -> Stage {
    match policy {
        None | Some(WaitPolicy { lifecycle_stage: 0 }) => Stage::Accepted,
        Some(_) => stage(policy),
    }
}

pub(super) fn response(namespace: String, progress: UpdateProgress) -> api::UpdateWorkflowExecutionResponse {
    let link = link(namespace, &progress);
    let UpdateProgress { update_ref, stage, outcome, .. } = progress;
    api::UpdateWorkflowExecutionResponse { update_ref: Some(update_ref), outcome, stage: stage.into(), link }
}

/// Points at the acceptance, or at the workflow where the update failed.
fn link(namespace: String, progress: &UpdateProgress) -> Option<Link> {
    use link::workflow_event::{Reference, RequestIdReference};
    let WorkflowExecution { workflow_id, run_id } = progress.update_ref.workflow_execution.clone().unwrap_or_default();
    let failed = matches!(progress.outcome.as_ref().and_then(|o| o.value.as_ref()), Some(outcome::Value::Failure(_)));
    let variant = match progress.stage {
        Stage::Unspecified | Stage::Admitted => return None,
        Stage::Accepted | Stage::Completed if failed => {
            let reason = "Update rejected".to_owned();
            link::Variant::Workflow(link::Workflow { namespace, workflow_id, run_id, reason })
        }
        Stage::Accepted | Stage::Completed => {
            let event_type = EventType::WorkflowExecutionUpdateAccepted.into();
            let accepted = RequestIdReference { request_id: progress.request_id.clone(), event_type };
            let reference = Some(Reference::RequestIdRef(accepted));
            link::Variant::WorkflowEvent(link::WorkflowEvent { namespace, workflow_id, run_id, reference })
        }
    };
    Some(Link { variant: Some(variant) })
}
