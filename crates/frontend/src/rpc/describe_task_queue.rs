//! DescribeTaskQueue and ListTaskQueuePartitions.

use super::prelude::*;
use std::collections::BTreeMap;
use tenure_api::{
    enums::v1::{DescribeTaskQueueMode, RateLimitSource, TaskQueueType},
    taskqueue::v1::{
        TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueStatus, TaskQueueTypeInfo, TaskQueueVersionInfo,
        TaskQueueVersioningInfo,
    },
    time::duration_to_proto,
    workflowservice::v1::describe_task_queue_response::EffectiveRateLimit,
};
use tenure_shard::{LimitSource, QueueDescription};

/// What stands for workers without a version.
const UNVERSIONED: &str = "__unversioned__";
/// The priority that tasks have unless they say otherwise.
const DEFAULT_PRIORITY: i32 = 3;

#[allow(deprecated)]
impl Rpc for api::DescribeTaskQueueRequest {
    type Response = api::DescribeTaskQueueResponse;
    /// Queues of one name have one home, whatever their tasks.
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        let kind = match self.task_queue_type() {
            TaskQueueType::Activity => TaskKind::Activity,
            _ => TaskKind::Workflow,
        };
        admission.task_queue(self.task_queue.as_ref(), kind)
    }

    async fn run(self: Arc<Self>, queue: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        if self.api_mode() == DescribeTaskQueueMode::Enhanced {
            return by_version(&self, &queue, call).await;
        }
        let nexus = self.task_queue_type() == TaskQueueType::Nexus;
        let described = if nexus { QueueDescription::default() } else { call.leader.describe_queue(&queue).await? };
        let mut response = Self::Response {
            pollers: described.pollers.clone(),
            versioning_info: Some(TaskQueueVersioningInfo {
                current_version: UNVERSIONED.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let shown = (self.report_stats || self.include_task_queue_status) && !nexus;
        let backlog = if shown { call.leader.backlog(&queue, call.deadline).await? } else { 0 };
        if self.report_stats {
            response.stats = Some(stats(&described, backlog));
            response.stats_by_priority_key.insert(DEFAULT_PRIORITY, stats(&described, backlog));
        }
        if self.include_task_queue_status {
            let rate_per_second = described.rate_limit.map_or(0.0, |(rate, _)| rate);
            let backlog_count_hint = backlog;
            response.task_queue_status =
                Some(TaskQueueStatus { backlog_count_hint, rate_per_second, ..Default::default() });
        }
        response.effective_rate_limit = described.rate_limit.map(effective);
        response.config = described.config.filter(|_| self.report_config);
        Ok(response)
    }
}

/// Of a queue that has a limit; one without has none to tell.
fn effective((rate, source): (f64, LimitSource)) -> EffectiveRateLimit {
    let source = match source {
        LimitSource::Api => RateLimitSource::Api,
        LimitSource::Worker => RateLimitSource::Worker,
    };
    EffectiveRateLimit { requests_per_second: rate as f32, rate_limit_source: source as i32 }
}

/// The form that the CLI asks for: by version of the worker and by type of the task.
#[allow(deprecated)]
async fn by_version(
    request: &api::DescribeTaskQueueRequest,
    queue: &QueueKey,
    call: &Call,
) -> Result<api::DescribeTaskQueueResponse, CommandError> {
    let mut types_info = BTreeMap::new();
    let (own, mut config, mut rate_limit) = (queue.kind, None, None);
    for (wanted, kind) in [(TaskQueueType::Workflow, TaskKind::Workflow), (TaskQueueType::Activity, TaskKind::Activity)]
    {
        if !request.task_queue_types.is_empty() && !request.task_queue_types.contains(&(wanted as i32)) {
            continue;
        }
        let queue = QueueKey { kind, ..queue.clone() };
        let described = call.leader.describe_queue(&queue).await?;
        if kind == own {
            config = described.config.clone().filter(|_| request.report_config);
            rate_limit = described.rate_limit.map(effective);
        }
        let stats = match request.report_stats {
            true => Some(stats(&described, call.leader.backlog(&queue, call.deadline).await?)),
            false => None,
        };
        let info =
            TaskQueueTypeInfo { stats, pollers: if request.report_pollers { described.pollers } else { Vec::new() } };
        types_info.insert(wanted as i32, info);
    }
    let unversioned = TaskQueueVersionInfo { types_info, ..Default::default() };
    Ok(api::DescribeTaskQueueResponse {
        versions_info: BTreeMap::from([(String::new(), unversioned)]),
        config,
        effective_rate_limit: rate_limit,
        ..Default::default()
    })
}

fn stats(queue: &QueueDescription, backlog: i64) -> TaskQueueStats {
    TaskQueueStats {
        approximate_backlog_count: backlog,
        approximate_backlog_age: Some(duration_to_proto(queue.backlog_age)),
        tasks_add_rate: queue.add_rate,
        tasks_dispatch_rate: queue.dispatch_rate,
        ..Default::default()
    }
}

impl Rpc for api::ListTaskQueuePartitionsRequest {
    type Response = api::ListTaskQueuePartitionsResponse;
    type Target = QueueKey;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<QueueKey, ApiError> {
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Workflow)
    }

    async fn run(self: Arc<Self>, queue: QueueKey, call: &Call) -> Result<Self::Response, CommandError> {
        let whole = || {
            let owner_host_name = format!("node-{}", call.node);
            vec![TaskQueuePartitionMetadata { key: queue.name.to_string(), owner_host_name }]
        };
        Ok(Self::Response { activity_task_queue_partitions: whole(), workflow_task_queue_partitions: whole() })
    }
}
