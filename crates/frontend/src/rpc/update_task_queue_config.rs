//! UpdateTaskQueueConfig.

use super::prelude::*;
use tenure_api::{enums::v1::TaskQueueType, workflowservice::v1::update_task_queue_config_request::RateLimitUpdate};

/// Longest note on why something was set, and name of who did so.
const LONGEST_NOTE: usize = 1000;

impl Rpc for api::UpdateTaskQueueConfigRequest {
    type Response = api::UpdateTaskQueueConfigResponse;
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        let kind = match self.task_queue_type() {
            TaskQueueType::Workflow => TaskKind::Workflow,
            TaskQueueType::Activity => TaskKind::Activity,
            TaskQueueType::Nexus | TaskQueueType::Unspecified => {
                return Err(ApiError::unimplemented(
                    "configuration of task queues other than for workflows and activities",
                ));
            }
        };
        let queue = admission.queue_name(&self.task_queue, kind)?;
        if let Some(update) = &self.update_queue_rate_limit {
            check_limit(update, kind, "rate limit", "UpdateQueueRateLimit")?;
        }
        if let Some(update) = &self.update_fairness_key_rate_limit_default {
            check_limit(update, kind, "fairness key rate limit", "UpdateFairnessKeyRateLimitDefault")?;
            return Err(ApiError::unimplemented("the rate limit of fairness keys"));
        }
        if !self.set_fairness_weight_overrides.is_empty() || !self.unset_fairness_weight_overrides.is_empty() {
            return Err(ApiError::unimplemented("overriding the weights of fairness keys"));
        }
        short(&self.identity, "Identity")?;
        Ok(queue)
    }

    async fn run(self: Arc<Self>, queue: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        // The name of a queue decides its shard as that of a workflow does.
        let lane = WorkflowKey { namespace: queue.namespace, workflow_id: queue.name.clone() };
        let command = ShardCommand::UpdateQueueConfig { queue, request: self };
        match call.execute(lane, command).await? {
            Reply::QueueConfig(config) => Ok(Self::Response { config: Some(*config) }),
            reply => Err(unexpected(&reply)),
        }
    }
}

fn check_limit(update: &RateLimitUpdate, kind: TaskKind, what: &str, field: &str) -> Result<(), ApiError> {
    if let Some(limit) = &update.rate_limit {
        if kind == TaskKind::Workflow {
            let message = format!("Setting {what} on workflow task queues is not allowed.");
            return Err(ApiError::invalid_argument(message));
        }
        if limit.requests_per_second.is_nan() || limit.requests_per_second < 0.0 {
            let message = format!("RequestsPerSecond for {field} rate limit must be non-negative.");
            return Err(ApiError::invalid_argument(message));
        }
    }
    short(&update.reason, &format!("{field}.Reason"))
}

fn short(note: &str, what: &str) -> Result<(), ApiError> {
    if note.len() > LONGEST_NOTE {
        return Err(ApiError::invalid_argument(format!("{what} field too long (max {LONGEST_NOTE} characters).")));
    }
    Ok(())
}
