//! Settings of task queues by operators.

use crate::{
    command::{Reply, ShardCommand},
    id::ProposalId,
    key::{QueueKey, TaskKind},
    testing::{Sim, workflow},
};
use std::sync::Arc;
use tenure_api::{
    taskqueue::v1::RateLimit,
    workflowservice::v1::{UpdateTaskQueueConfigRequest, update_task_queue_config_request::RateLimitUpdate},
};

fn queue(kind: TaskKind) -> QueueKey {
    QueueKey { namespace: workflow().namespace, kind, name: "q".into() }
}

/// The limit and who set it, after a change by `identity`.
fn limit(sim: &mut Sim, proposal: u128, kind: TaskKind, to: Option<f32>, identity: &str) -> (Option<f32>, String) {
    let rate_limit = to.map(|requests_per_second| RateLimit { requests_per_second });
    let request = Arc::new(UpdateTaskQueueConfigRequest {
        identity: identity.into(),
        update_queue_rate_limit: Some(RateLimitUpdate { rate_limit, reason: String::new() }),
        ..Default::default()
    });
    match sim.propose(ProposalId(proposal), ShardCommand::UpdateQueueConfig { queue: queue(kind), request }) {
        Ok(Reply::QueueConfig(config)) => {
            let limit = config.queue_rate_limit.expect("a limit, or the note of who took it away");
            let identity = limit.metadata.expect("who set it").update_identity;
            (limit.rate_limit.map(|limit| limit.requests_per_second), identity)
        }
        other => panic!("no configuration: {other:?}"),
    }
}

/// F74.
#[test]
fn a_limit_is_set_and_taken_away_for_one_kind_of_task() {
    let mut sim = Sim::started();
    assert_eq!(limit(&mut sim, 1001, TaskKind::Activity, Some(5.0), "a"), (Some(5.0), "a".into()));
    assert_eq!(limit(&mut sim, 1002, TaskKind::Workflow, None, "b"), (None, "b".into()));
    assert_eq!(limit(&mut sim, 1003, TaskKind::Activity, None, "c"), (None, "c".into()));
}

/// F74.
#[test]
fn a_change_that_is_tried_again_is_made_once() {
    let mut sim = Sim::started();
    limit(&mut sim, 1001, TaskKind::Activity, Some(5.0), "a");
    let entries = sim.log.len();
    assert_eq!(limit(&mut sim, 1001, TaskKind::Activity, Some(5.0), "a"), (Some(5.0), "a".into()));
    assert_eq!(sim.log.len(), entries);
}
