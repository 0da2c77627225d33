//! An operator sets, or unsets, what holds for a task queue.

use super::call::{Call, Stop, VerbResult};
use crate::{
    codec,
    command::Reply,
    key::QueueKey,
    queue_config::{self, QueueConfigRow},
    rows::{Op, RowKey, WriteSet},
    time::Timestamp,
    transition::types::{Effect, Transition},
};
use prost::Message;
use tenure_api::{
    taskqueue::v1::{ConfigMetadata, RateLimitConfig, TaskQueueConfig},
    workflowservice::v1::{UpdateTaskQueueConfigRequest, update_task_queue_config_request::RateLimitUpdate},
};

pub(super) fn run(call: Call<'_, '_>, queue: &QueueKey, request: &UpdateTaskQueueConfigRequest) -> VerbResult {
    let mut config = match queue_config::row(call.rows, queue)? {
        Some((row, config)) if row.set_by == call.proposal => {
            return Err(Stop::Answered(Reply::QueueConfig(Box::new(config))));
        }
        Some((_, config)) => config,
        None => TaskQueueConfig::default(),
    };
    if let Some(update) = &request.update_queue_rate_limit {
        config.queue_rate_limit = Some(changed(update, &request.identity, call.cx.now));
    }
    let row = QueueConfigRow { config: config.encode_to_vec().into(), set_by: call.proposal };
    let put = Op::Put(RowKey::QueueConfig(queue.clone()), codec::encode(&row));
    let config = Box::new(config);
    Ok(Transition {
        reply: Reply::QueueConfig(config.clone()),
        writes: WriteSet { ops: vec![put] },
        states: Vec::new(),
        effects: vec![Effect::QueueConfigured { queue: queue.clone(), config }],
        copy: None,
    })
}

/// The changed limit. One that is taken away leaves a note of who did so.
fn changed(update: &RateLimitUpdate, identity: &str, now: Timestamp) -> RateLimitConfig {
    let metadata = ConfigMetadata {
        reason: update.reason.clone(),
        update_identity: identity.to_owned(),
        update_time: Some(now.to_millis().to_proto()),
    };
    RateLimitConfig { rate_limit: update.rate_limit, metadata: Some(metadata) }
}
