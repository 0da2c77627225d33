//! StartWorkflowExecution.

use super::{
    callbacks,
    links::{self, Linked},
    prelude::*,
};
use tenure_api::{
    common::v1::TimeSkippingConfig,
    encoded::StartWorkflowExecutionResponse,
    enums::v1::{EventType, NamespaceState},
    error::Code,
};
use tenure_engine::{
    chain::{IdPolicies, Start, StartOptions, start},
    checks::check_priority,
};

impl Rpc for api::StartWorkflowExecutionRequest {
    type Response = EncodedResponse;
    type Target = StartTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn allowed_states(&self) -> &'static [NamespaceState] {
        &[NamespaceState::Registered]
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<StartTarget, ApiError> {
        required(&self.workflow_id, "WorkflowId")?;
        limited(admission, &self.workflow_id, "WorkflowId")?;
        let retry = start::check_retry(self.retry_policy.as_ref())?;
        let delay = start::check_delay(self.workflow_start_delay.as_ref(), &self.cron_schedule)?;
        let cron = start::check_cron(&self.cron_schedule)?;
        admission.name(self.workflow_type.as_ref().map_or("", |t| &t.name), "WorkflowType")?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)?;
        let timeouts = start::check_timeouts(
            self.workflow_execution_timeout.as_ref(),
            self.workflow_run_timeout.as_ref(),
            self.workflow_task_timeout.as_ref(),
        )?;
        admission.length(&self.request_id, "RequestId")?;
        let policies = IdPolicies::new(self.workflow_id_reuse_policy(), self.workflow_id_conflict_policy())?;
        if self.on_conflict_options.is_some_and(|on| on.attach_completion_callbacks && !on.attach_request_id) {
            let message = "attaching request ID is required for attaching completion callbacks";
            return Err(ApiError::invalid_argument(message));
        }
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        check_priority(self.priority.as_ref()).map_err(ApiError::invalid_argument)?;
        callbacks::check(&self.completion_callbacks)?;
        links::check(&self.links)?;
        no_time_skipping(self.time_skipping_config.as_ref())?;
        admission.blob(self.input.as_ref())?;
        admission.memo(self.memo.as_ref())?;
        not_there(&[
            (!self.completion_callbacks.is_empty(), "completion_callbacks"),
            (self.versioning_override.is_some(), "versioning_override"),
        ])?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        let options = StartOptions { timeouts, delay, retry, cron, policies };
        Ok(StartTarget { workflow: admission.workflow(&self.workflow_id), options })
    }

    async fn run(self: Arc<Self>, target: StartTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (namespace, workflow_id) = (self.namespace.clone(), self.workflow_id.clone());
        let request_id = self.request_id.clone();
        let start = Start { request: self, options: target.options };
        match call.execute(target.workflow, ShardCommand::StartWorkflow(Box::new(start))).await? {
            Reply::WorkflowStarted { run_id, first_run_id, started, attached, status, task } => {
                let eager = task.and_then(|started| {
                    Some((call.leader.workflow_task_response(&started, call.origin, call.key)?, started.token))
                });
                let (eager_workflow_task, token) = eager.unzip();
                let answer = StartWorkflowExecutionResponse {
                    started,
                    status,
                    first_execution_run_id: first_run_id.to_string(),
                    eager_workflow_task,
                    ..Default::default()
                };
                let response = match attached {
                    true => attached_response(namespace, workflow_id, run_id, request_id, answer),
                    false => response(namespace, workflow_id, run_id, answer),
                };
                Ok(EncodedResponse { body: response.encode_to_vec().into(), tasks: token.into_iter().collect() })
            }
            reply => Err(unexpected(&reply)),
        }
    }

    const REDELIVERS_TASKS: bool = true;

    fn withdraw(response: Bytes, _token: &[u8]) -> Result<Bytes, DecodeError> {
        let response = StartWorkflowExecutionResponse::decode(response)?;
        Ok(StartWorkflowExecutionResponse { eager_workflow_task: None, ..response }.encode_to_vec().into())
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

/// The [`response`] to a request that has an event of its own in the run.
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

/// Refuses an id or name that is too long, and tells how long it is.
pub(super) fn limited(admission: &Admission<'_>, value: &str, what: &str) -> Result<(), ApiError> {
    let (length, limit) = (value.len(), admission.limits.id_length);
    if length > limit {
        let message = format!("{what} exceeds maximum allowed length ({length}/{limit})");
        return Err(ApiError::invalid_argument(message));
    }
    Ok(())
}

pub(super) fn no_time_skipping(config: Option<&TimeSkippingConfig>) -> Result<(), ApiError> {
    match config {
        Some(_) => Err(ApiError::new(Code::Unimplemented, "The Time-Skipping feature is not enabled for namespace.")),
        None => Ok(()),
    }
}

/// Refuses what would change the meaning of the run if it were ignored: fields that are set, by their names.
pub(super) fn not_there(fields: &[(bool, &str)]) -> Result<(), ApiError> {
    match fields.iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(ApiError::unimplemented(&format!("StartWorkflowExecutionRequest.{field}"))),
        None => Ok(()),
    }
}
