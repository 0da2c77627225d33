//! SignalWithStartWorkflowExecution.

use super::{
    links::{self, Linked},
    prelude::*,
    start_workflow_execution::check_policies,
};
use tenure_api::enums::v1::{EventType, WorkflowIdConflictPolicy as Conflict};
use tenure_engine::{activity::check_priority, chain::cron, retry::RetryPolicy};

impl Rpc for api::SignalWithStartWorkflowExecutionRequest {
    type Response = api::SignalWithStartWorkflowExecutionResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn search_attributes(&self) -> Vec<&SearchAttributes> {
        self.search_attributes.iter().collect()
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        required(&self.workflow_id, "WorkflowId")?;
        let workflow_type = self.workflow_type.as_ref().map_or("", |t| &t.name);
        for (value, what) in [(&*self.signal_name, "signal"), (workflow_type, "workflow type")] {
            if value.is_empty() {
                return Err(ApiError::invalid_argument(format!("{what} not set")));
            }
        }
        let lengths = [
            (&*self.workflow_id, "WorkflowId"),
            (&*self.signal_name, "signal name"),
            (workflow_type, "workflow type name"),
            (&*self.request_id, "Request ID"),
        ];
        let limit = admission.limits.id_length;
        if let Some((value, what)) = lengths.into_iter().find(|(value, _)| value.len() > limit) {
            let message = format!("{what} exceeds maximum allowed length ({}/{limit})", value.len());
            return Err(ApiError::invalid_argument(message));
        }
        if !self.cron_schedule.is_empty() && self.workflow_start_delay.is_some() {
            return Err(ApiError::invalid_argument("CronSchedule and WorkflowStartDelay may not be used together."));
        }
        cron::check(&self.cron_schedule).map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)?;
        not_negative(self.workflow_execution_timeout.as_ref(), "WorkflowExecutionTimeoutSeconds")?;
        not_negative(self.workflow_run_timeout.as_ref(), "WorkflowRunTimeoutSeconds")?;
        not_negative(self.workflow_task_timeout.as_ref(), "WorkflowTaskTimeoutSeconds")?;
        not_negative(self.workflow_start_delay.as_ref(), "WorkflowStartDelaySeconds")?;
        if let Some(policy) = &self.retry_policy {
            RetryPolicy::new(policy).map_err(ApiError::invalid_argument)?;
        }
        check_priority(self.priority.as_ref()).map_err(ApiError::invalid_argument)?;
        let conflict = self.workflow_id_conflict_policy();
        if conflict == Conflict::Fail {
            let policy = conflict.as_str_name();
            let message = format!("Invalid WorkflowIDConflictPolicy: {policy} is not supported for this operation.");
            return Err(ApiError::invalid_argument(message));
        }
        check_policies(self.workflow_id_reuse_policy(), conflict)?;
        links::check(&self.links)?;
        admission.search_attributes(&self.namespace, self.search_attributes.as_mut())?;
        admission.blob(self.signal_input.as_ref())?;
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
        let linked = Linked { namespace: self.namespace.clone(), workflow_id: self.workflow_id.clone() };
        let request_id = self.request_id.clone();
        match call.execute(target.workflow, ShardCommand::SignalWithStart(self)).await? {
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
