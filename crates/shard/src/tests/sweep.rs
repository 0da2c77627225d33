//! Notices that were lost, without any change of leaders: the sweep finds what they were about.

use super::{
    TIMEOUT, engine, envelope, leader,
    memory::Cluster,
    options, poll, queue_in, token,
    whole::{
        answer, complete, completion, query, queue, schedule, signal, start_request, started, started_on, sticky_to,
        take,
    },
    workflow_in, workflow_of,
};
use crate::{LeaderHandle, Options};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tenure_api::{common::v1::WorkflowExecution, workflowservice::v1 as api};
use tenure_engine::{QueueKey, ShardCommand, TaskKind, chain::Start, token::TaskToken, transition::transition};
use tokio::time::Instant;

fn sweeping() -> Options {
    Options { sweep_interval: Duration::from_millis(200), query_look_again: 2 * TIMEOUT, ..options() }
}

/// Waits until something waits at the queue's home.
async fn waits_at_home(home: &LeaderHandle, q: &QueueKey) {
    let deadline = Instant::now() + TIMEOUT;
    while home.describe_queue(q).await.unwrap().backlog_age.is_zero() {
        assert!(Instant::now() < deadline, "nothing waits at the home");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// F20.
#[tokio::test]
async fn a_task_that_its_home_lost_is_offered_again() {
    let (cluster, leader, _, q) = started(&sweeping()).await;
    waits_at_home(&leader, &q).await;
    // Its worker cannot go, for the queue is no sticky one: the owner leaves the task where it is.
    leader.worker_gone(&q);
    take(&cluster, &leader, &q).await;
}

/// F14, F20: the owner on node 1 is not told by the home on node 2, and the task has no schedule-to-start timeout.
#[tokio::test]
async fn a_sticky_task_whose_owner_was_not_told_of_its_workers_end_goes_to_the_normal_queue() {
    let options = Options { sticky_alive: Duration::from_millis(200), ..sweeping() };
    let cluster = Cluster::start(&[1, 2], 2, |shard| shard.clamp(1, 2).into(), &options, transition);
    let (owner, home) = (leader(&cluster, 1, 1).await, leader(&cluster, 2, 2).await);
    let (workflow, sticky, normal) = (workflow_in(&cluster, 1, "w"), queue_in(&cluster, 2), queue_in(&cluster, 1));
    let start = ShardCommand::StartWorkflow(Box::new(Start::new(start_request(&workflow, &normal.name)).unwrap()));
    owner.execute(envelope(&workflow, start)).await.unwrap();
    let first = take(&cluster, &owner, &normal).await;
    // The home knows the queue, and its worker is not gone yet.
    let mut request = poll(&sticky, 2, Duration::from_secs(1));
    request.sticky = true;
    let polling = tokio::spawn({
        let home = home.clone();
        async move { home.poll_workflow(request).await }
    });
    complete(&owner, &workflow, sticky_to(&first, &sticky.name, &normal.name)).await;
    polling.abort();
    cluster.cut.lock().insert((2, 1));
    signal(&owner, &workflow, "s").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.cut.lock().clear();
    take(&cluster, &owner, &normal).await;
}

/// F20.
#[tokio::test]
async fn tasks_behind_a_window_that_could_not_be_filled_are_dispatched_all_the_same() {
    const TASKS: usize = 12;
    let cluster = Cluster::start(&[1], 1, |_| 1, &Options { queue_window: 4, ..sweeping() }, engine::engine);
    let leader = leader(&cluster, 1, 1).await;
    let (log, queue) = (&cluster.logs[&1], queue_in(&cluster, 1));
    for n in 0..TASKS {
        let workflow = workflow_in(&cluster, 1, &format!("b{n}"));
        leader.execute(envelope(&workflow, engine::start(&queue.name))).await.unwrap();
    }
    log.ready_unreadable.store(true, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    while seen.len() < TASKS {
        let task = leader.poll_workflow(poll(&queue, 1, TIMEOUT)).await.unwrap().expect("a task");
        seen.insert(workflow_of(&task).to_owned());
        cluster.node(1).hand_over(token(&task)).expect("not refused").sent();
        if seen.len() == 4 {
            log.ready_unreadable.store(false, Ordering::Relaxed);
        }
    }
}

/// An activity whose start was lost on its way to node 2, which the owner on node 1 could not ask for a while.
async fn start_lost_while_cut_off() -> (Arc<Cluster>, LeaderHandle, TaskToken) {
    let often = Duration::from_millis(300);
    let options = Options { confirm_within: often / 3, checked_often_for: often, ..sweeping() };
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options, transition);
    let (cluster, leader, workflow, q) = started_on(cluster).await;
    let task = take(&cluster, &leader, &q).await;
    let commands = vec![schedule(false)];
    complete(&leader, &workflow, api::RespondWorkflowTaskCompletedRequest { commands, ..completion(&task) }).await;
    cluster.cut.lock().insert((1, 2));
    let acts = queue(TaskKind::Activity, "acts");
    let activity = leader.poll_activity(poll(&acts, 2, TIMEOUT)).await.unwrap().expect("an activity");
    // A new leader looks for the starts of the last one, and finds its own among them if they were that quick.
    leader.0.owner.starts.expect_recent().unwrap();
    tokio::time::sleep(often * 3).await;
    (cluster, leader, TaskToken::decode(&activity.task_token).unwrap())
}

/// F20.
#[tokio::test]
async fn a_start_that_was_never_confirmed_is_asked_after_for_as_long_as_it_runs() {
    let (cluster, leader, token) = start_lost_while_cut_off().await;
    cluster.cut.lock().clear();
    let acts = queue(TaskKind::Activity, "acts");
    leader.poll_activity(poll(&acts, 1, TIMEOUT)).await.unwrap().expect("the activity again");
    assert!(cluster.node(2).hand_over(token).is_none(), "what was returned is not sent");
}

/// F20: the other side of it.
#[tokio::test]
async fn an_activity_that_a_worker_has_is_not_dispatched_again_however_late_its_owner_asks() {
    let (cluster, leader, token) = start_lost_while_cut_off().await;
    cluster.node(2).hand_over(token).expect("not refused").sent();
    cluster.cut.lock().clear();
    let acts = queue(TaskKind::Activity, "acts");
    let again = leader.poll_activity(poll(&acts, 1, Duration::from_secs(2))).await.unwrap();
    assert!(again.is_none(), "a worker has it");
}

/// F15.
#[tokio::test]
async fn a_query_that_waits_for_a_task_goes_on_its_own_when_the_run_is_reset() {
    let (cluster, leader, workflow, q) = started(&sweeping()).await;
    let first = take(&cluster, &leader, &q).await;
    complete(&leader, &workflow, completion(&first)).await;
    signal(&leader, &workflow, "s").await;
    let asked = query(&leader, &workflow, TIMEOUT);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let run = token(&first).run;
    let request = api::ResetWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: workflow.workflow_id.to_string(),
            run_id: run.run_id.to_string(),
        }),
        workflow_task_finish_event_id: 4,
        request_id: "reset".into(),
        ..Default::default()
    };
    let reset = ShardCommand::ResetWorkflow(tenure_engine::command::RunRequest::new(Some(run.run_id), request));
    leader.execute(envelope(&workflow, reset)).await.unwrap();
    // The new run has a task of its own, which the query does not wait for.
    let on_its_own = loop {
        let task = take(&cluster, &leader, &q).await;
        if task.query.is_some() {
            break task;
        }
    };
    answer(&leader, &on_its_own, "before the reset");
    assert_eq!(asked.await.unwrap().unwrap(), "before the reset");
}
