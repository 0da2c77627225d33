//! Started tasks that got lost on their way to their workers, with the real engine: each is handed out again, unless
//! somebody may have it.

use super::{
    SOON, leader,
    memory::Cluster,
    options, poll,
    whole::{complete, completion, queue, schedule, started_on, take},
};
use crate::LeaderHandle;
use std::{sync::Arc, time::Duration};
use tenure_api::workflowservice::v1 as api;
use tenure_engine::{Process, TaskKind, token::TaskToken, transition::transition};

/// Long enough to have asked after a start, and to have dispatched it again.
const SETTLED: Duration = Duration::from_secs(2);

/// A leader on node 1 whose activity `a` was started for a worker of the first process of node 2.
async fn activity_for_node_2(cluster: &Arc<Cluster>) -> (LeaderHandle, TaskToken) {
    let (_, leader, workflow, q) = started_on(cluster.clone()).await;
    let task = take(cluster, &leader, &q).await;
    let commands = vec![schedule(false)];
    complete(&leader, &workflow, api::RespondWorkflowTaskCompletedRequest { commands, ..completion(&task) }).await;
    let acts = queue(TaskKind::Activity, "acts");
    let activity = leader.poll_activity(poll(&acts, 2, SOON)).await.unwrap().expect("an activity");
    (leader, TaskToken::decode(&activity.task_token).unwrap())
}

async fn is_dispatched_again(leader: &LeaderHandle) -> bool {
    let acts = queue(TaskKind::Activity, "acts");
    leader.poll_activity(poll(&acts, 1, SETTLED)).await.unwrap().is_some()
}

/// F10.
#[tokio::test]
async fn an_activity_that_an_earlier_process_may_have_sent_is_not_dispatched_again() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (leader, token) = activity_for_node_2(&cluster).await;
    let delivery = cluster.node(2).deliver(token).expect("not refused");
    // It crashes before it has told anybody.
    std::mem::forget(delivery);
    cluster.boot(Process { node: 2, boot: 1 }, &options(), transition);
    assert!(!is_dispatched_again(&leader).await, "a worker may have it");
}

/// F10: the other side of it.
#[tokio::test]
async fn an_activity_that_never_got_to_its_process_is_dispatched_again() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (leader, token) = activity_for_node_2(&cluster).await;
    assert!(is_dispatched_again(&leader).await);
    assert!(cluster.node(2).deliver(token).is_none(), "what was returned is not sent");
}

/// F10.
#[tokio::test]
async fn a_workflow_task_of_an_earlier_process_is_returned() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (_, leader, _, q) = started_on(cluster.clone()).await;
    let lost = leader.poll_workflow(poll(&q, 2, SOON)).await.unwrap().expect("a task");
    cluster.boot(Process { node: 2, boot: 1 }, &options(), transition);
    let again = leader.poll_workflow(poll(&q, 1, SOON)).await.unwrap().expect("the task again");
    assert_ne!(again.task_token, lost.task_token);
}
