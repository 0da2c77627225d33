//! SignalWithStartWorkflowExecution.

use super::{
    links::{self, Linked},
    prelude::*,
    start_workflow_execution::{limited, no_time_skipping, not_there},
};
use tenure_api::enums::v1::{EventType, NamespaceState, WorkflowIdConflictPolicy as Conflict};
use tenure_engine::{
    chain::{IdPolicies, Start, StartOptions, start},
    checks::check_priority,
};

impl Rpc for api::SignalWithStartWorkflowExecutionRequest {
    type Response = api::SignalWithStartWorkflowExecutionResponse;
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
        let cron = start::check_cron(&self.cron_schedule)?;
        required(&self.workflow_id, "WorkflowId")?;
        limited(admission, &self.workflow_id, "WorkflowId")?;
        set(&self.signal_name, "signal")?;
        limited(admission, &self.signal_name, "signal name")?;
        let workflow_type = self.workflow_type.as_ref().map_or("", |t| &t.name);
        set(workflow_type, "workflow type")?;
        limited(admission, workflow_type, "workflow type name")?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)?;
        limited(admission, &self.request_id, "Request ID")?;
        let timeouts = start::check_timeouts(
            self.workflow_execution_timeout.as_ref(),
            self.workflow_run_timeout.as_ref(),
            self.workflow_task_timeout.as_ref(),
        )?;
        let retry = start::check_retry(self.retry_policy.as_ref())?;
        let delay = start::check_delay(self.workflow_start_delay.as_ref(), &self.cron_schedule)?;
        let conflict = self.workflow_id_conflict_policy();
        let policies = IdPolicies::new(self.workflow_id_reuse_policy(), conflict)?;
        if conflict == Conflict::Fail {
            let policy = conflict.as_str_name();
            let message = format!("Invalid WorkflowIDConflictPolicy: {policy} is not supported for this operation.");
            return Err(ApiError::invalid_argument(message));
        }
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        check_priority(self.priority.as_ref()).map_err(ApiError::invalid_argument)?;
        links::check(&self.links)?;
        no_time_skipping(self.time_skipping_config.as_ref())?;
        admission.blob(self.signal_input.as_ref())?;
        admission.blob(self.input.as_ref())?;
        admission.memo(self.memo.as_ref())?;
        not_there(&[(self.versioning_override.is_some(), "versioning_override")])?;
        if self.request_id.is_empty() {
            self.request_id = Uuid::new_v4().to_string();
        }
        let options = StartOptions { timeouts, delay, retry, cron, policies };
        Ok(StartTarget { workflow: admission.workflow(&self.workflow_id), options })
    }

    async fn run(self: Arc<Self>, target: StartTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let linked = Linked { namespace: self.namespace.clone(), workflow_id: self.workflow_id.clone() };
        let request_id = self.request_id.clone();
        let start = Start { request: self, options: target.options };
        match call.execute(target.workflow, ShardCommand::SignalWithStart(Box::new(start))).await? {
            Reply::WorkflowStarted { run_id, first_run_id, started, .. } => Ok(Self::Response {
                run_id: run_id.to_string(),
                first_execution_run_id: first_run_id.to_string(),
                started,
                signal_link: Some(linked.request_link(run_id, request_id, EventType::WorkflowExecutionSignaled)),
            }),
            reply => Err(unexpected(&reply)),
        }
    }
}

fn set(value: &str, what: &str) -> Result<(), ApiError> {
    if value.is_empty() {
        return Err(ApiError::invalid_argument(format!("{what} not set")));
    }
    Ok(())
}
