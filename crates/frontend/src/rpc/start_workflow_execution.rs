//! StartWorkflowExecution.

use super::{
    callbacks,
    links::{self, Linked},
    poll_workflow_task_queue::of_workflow_task,
    prelude::*,
};
use tenure_api::{
    encoded::StartWorkflowExecutionResponse,
    enums::v1::{EventType, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse},
    error::Code,
};
use tenure_engine::{activity::check_priority, chain::cron, retry::RetryPolicy};

impl Rpc for api::StartWorkflowExecutionRequest {
    type Response = StartWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        required(&self.workflow_id, "WorkflowId")?;
        let (length, limit) = (self.workflow_id.len(), admission.limits.id_length);
        if length > limit {
            let message = format!("WorkflowId exceeds maximum allowed length ({length}/{limit})");
            return Err(ApiError::invalid_argument(message));
        }
        admission.name(self.workflow_type.as_ref().map_or("", |t| &t.name), "WorkflowType")?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)?;
        admission.length(&self.request_id, "RequestId")?;
        not_negative(self.workflow_execution_timeout.as_ref(), "WorkflowExecutionTimeoutSeconds")?;
        not_negative(self.workflow_run_timeout.as_ref(), "WorkflowRunTimeoutSeconds")?;
        not_negative(self.workflow_task_timeout.as_ref(), "WorkflowTaskTimeoutSeconds")?;
        not_negative(self.workflow_start_delay.as_ref(), "WorkflowStartDelaySeconds")?;
        if let Some(policy) = &self.retry_policy {
            RetryPolicy::new(policy).map_err(ApiError::invalid_argument)?;
        }
        if !self.cron_schedule.is_empty() && self.workflow_start_delay.is_some() {
            return Err(ApiError::invalid_argument("CronSchedule and WorkflowStartDelay may not be used together."));
        }
        cron::check(&self.cron_schedule).map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        check_policies(self.workflow_id_reuse_policy(), self.workflow_id_conflict_policy())?;
        check_priority(self.priority.as_ref()).map_err(ApiError::invalid_argument)?;
        if self.on_conflict_options.is_some_and(|on| on.attach_completion_callbacks && !on.attach_request_id) {
            let message = "attaching request ID is required for attaching completion callbacks";
            return Err(ApiError::invalid_argument(message));
        }
        links::check(&self.links)?;
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        callbacks::check(&self.completion_callbacks)?;
        admission.blob(self.input.as_ref())?;
        if self.memo.as_ref().is_some_and(|memo| memo.encoded_len() > admission.limits.memo_size) {
            return Err(ApiError::invalid_argument("Memo size exceeds limit."));
        }
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        Ok(RunTarget { workflow: admission.workflow(&self.workflow_id), run_id: None })
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (namespace, workflow_id) = (self.namespace.clone(), self.workflow_id.clone());
        let request_id = self.request_id.clone();
        match call.execute(target.workflow, ShardCommand::StartWorkflow(self)).await? {
            Reply::WorkflowStarted { run_id, first_run_id, started, attached, status, task } => {
                let task = task.and_then(|task| call.leader.workflow_task_response(&task, call.origin));
                let answer = Self::Response {
                    started,
                    status,
                    first_execution_run_id: first_run_id.to_string(),
                    eager_workflow_task: task,
                    ..Default::default()
                };
                Ok(match attached {
                    true => attached_response(namespace, workflow_id, run_id, request_id, answer),
                    false => response(namespace, workflow_id, run_id, answer),
                })
            }
            reply => Err(unexpected(&reply)),
        }
    }

    const ASKED_AGAIN: bool = true;

    fn tokens(response: &mut Self::Response) -> Vec<Token<'_>> {
        response.eager_workflow_task.iter_mut().flat_map(of_workflow_task).collect()
    }

    fn withdraw(response: &mut Self::Response, _token: &Bytes) {
        response.eager_workflow_task = None;
    }
}

/// Adds to a response which run it is about.
pub(super) fn response(
    namespace: String,
    workflow_id: String,
    run_id: Uuid,
    answer: StartWorkflowExecutionResponse,
) -> StartWorkflowExecutionResponse {
    let link = Some(Linked { namespace, workflow_id }.start_link(run_id));
    StartWorkflowExecutionResponse { run_id: run_id.to_string(), link, ..answer }
}

/// As [`response`], where the request has an event of its own in the run.
fn attached_response(
    namespace: String,
    workflow_id: String,
    run_id: Uuid,
    request_id: String,
    answer: StartWorkflowExecutionResponse,
) -> StartWorkflowExecutionResponse {
    let linked = Linked { namespace, workflow_id };
    let link = Some(linked.request_link(run_id, request_id, EventType::WorkflowExecutionOptionsUpdated));
    StartWorkflowExecutionResponse { run_id: run_id.to_string(), link, ..answer }
}

// Old SDKs still send the reuse policy that is deprecated.
#[allow(deprecated)]
pub(super) fn check_policies(reuse: Reuse, conflict: Conflict) -> Result<(), ApiError> {
    let with = match (reuse, conflict) {
        (Reuse::TerminateIfRunning, Conflict::Fail | Conflict::UseExisting | Conflict::TerminateExisting) => {
            "a WorkflowIDConflictPolicy".to_owned()
        }
        (Reuse::RejectDuplicate, Conflict::TerminateExisting) => {
            format!("WorkflowIdConflictPolicy {}", conflict.as_str_name())
        }
        _ => return Ok(()),
    };
    let reuse = reuse.as_str_name();
    let message = format!("Invalid WorkflowIDReusePolicy: {reuse} cannot be used together with {with}");
    Err(ApiError::new(Code::InvalidArgument, message))
}
