//! Started tasks that got lost on their way to their workers, with the real engine: each is handed out again, unless
//! somebody may have it.

use super::{
    TIMEOUT, envelope, leader,
    memory::Cluster,
    options, poll, queue_in as queue_of, token,
    whole::{answer, complete, completion, query, queue, schedule, signal_request, start_request, started_on, take},
    workflow_in,
};
use crate::{CommandError, LeaderHandle, Options, leader::executions::own, new_proposal_id};
use futures::future::join_all;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tenure_api::{error::Code, workflowservice::v1 as api};
use tenure_engine::{
    Envelope, Process, QueueKey, Reply, ShardCommand, TaskKind, chain::Start, command::ActivityRef,
    command::RunRequest, token::TaskToken, transition::transition,
};

/// Long enough to have asked after a start, and to have dispatched it again.
const SETTLED: Duration = Duration::from_secs(2);

/// A leader on node 1 whose activity `a` was started for a worker of the first process of node 2.
async fn activity_for_node_2(cluster: &Arc<Cluster>) -> (LeaderHandle, TaskToken) {
    let (_, leader, workflow, q) = started_on(cluster.clone()).await;
    let task = take(cluster, &leader, &q).await;
    let commands = vec![schedule(false)];
    complete(&leader, &workflow, api::RespondWorkflowTaskCompletedRequest { commands, ..completion(&task) }).await;
    let acts = queue(TaskKind::Activity, "acts");
    let activity = leader.poll_activity(poll(&acts, 2, TIMEOUT)).await.unwrap().expect("an activity");
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
    let handover = cluster.node(2).hand_over(token).expect("not refused");
    // It crashes before it has told anybody.
    std::mem::forget(handover);
    cluster.boot(Process { node: 2, boot: 1 }, &options(), transition);
    assert!(!is_dispatched_again(&leader).await, "a worker may have it");
}

/// F10: the other side of it.
#[tokio::test]
async fn an_activity_that_never_got_to_its_process_is_dispatched_again() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (leader, token) = activity_for_node_2(&cluster).await;
    assert!(is_dispatched_again(&leader).await);
    assert!(cluster.node(2).hand_over(token).is_none(), "what was returned is not sent");
}

async fn run_all(leader: LeaderHandle, commands: Vec<Envelope>) -> Vec<Result<Reply, CommandError>> {
    join_all(commands.into_iter().map(|command| leader.execute(command))).await
}

/// F12.
#[tokio::test]
async fn the_next_leader_knows_every_command_of_an_entry_that_is_tried_again() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (_, before, workflow, _) = started_on(cluster.clone()).await;
    let log = &cluster.logs[&1];
    log.close_gate();
    let command =
        |n: usize| ShardCommand::SignalWorkflow(RunRequest::new(None, signal_request(&workflow, &format!("s{n}"))));
    let signals: Vec<_> = (0..200).map(|n| envelope(&workflow, command(n))).collect();
    let entries = log.entries.lock().len();
    let first = tokio::spawn(run_all(before, signals.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    log.open_gate();
    assert!(first.await.unwrap().iter().all(Result::is_ok));
    assert!(log.entries.lock().len() - entries <= 3, "they share an entry");
    log.lead(2);
    let after = leader(&cluster, 2, 1).await;
    assert!(run_all(after.clone(), signals).await.iter().all(Result::is_ok));
    let (_, state) = after.execution(&workflow, None).await.unwrap();
    assert_eq!(state.signals, 200, "each was received once");
}

/// F10.
#[tokio::test]
async fn a_workflow_task_of_an_earlier_process_is_returned() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (_, leader, _, q) = started_on(cluster.clone()).await;
    let lost = leader.poll_workflow(poll(&q, 2, TIMEOUT)).await.unwrap().expect("a task");
    cluster.boot(Process { node: 2, boot: 1 }, &options(), transition);
    let again = leader.poll_workflow(poll(&q, 1, TIMEOUT)).await.unwrap().expect("the task again");
    assert_ne!(again.task_token, lost.task_token);
}

/// Completes the workflow's first task for a caller at node 2, with an eager activity and the next task.
async fn complete_eagerly(cluster: &Arc<Cluster>) -> (LeaderHandle, Envelope) {
    let (_, leader, workflow, q) = started_on(cluster.clone()).await;
    let task = take(cluster, &leader, &q).await;
    let request = api::RespondWorkflowTaskCompletedRequest {
        commands: vec![schedule(true)],
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        ..completion(&task)
    };
    let command = ShardCommand::CompleteWorkflowTask { token: token(&task), request: Arc::new(request) };
    (leader, Envelope { origin: Process { node: 2, boot: 0 }, ..envelope(&workflow, command) })
}

/// Tokens of the tasks that an answer to a completion carries.
fn tasks(reply: Result<Reply, CommandError>) -> Vec<TaskToken> {
    match reply {
        Ok(Reply::WorkflowTaskCompleted { new_task, mut activities, .. }) => {
            activities.extend(new_task.map(|task| task.token));
            activities
        }
        Err(CommandError::Api(error)) if error.code == Code::NotFound => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// F13.
#[tokio::test]
async fn a_completion_whose_answer_was_lost_gets_the_same_tasks_again_until_they_are_done() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (leader, completed) = complete_eagerly(&cluster).await;
    let first = tasks(leader.execute(completed.clone()).await);
    assert_eq!(first.len(), 2);
    let again = || leader.execute(Envelope { proposal: new_proposal_id(), ..completed.clone() });
    assert_eq!(tasks(again().await), first);
    for token in &first {
        let command = match token.kind {
            TaskKind::Workflow => ShardCommand::CompleteWorkflowTask { token: token.clone(), request: Arc::default() },
            TaskKind::Activity => {
                ShardCommand::CompleteActivity { activity: ActivityRef::Token(token.clone()), request: Arc::default() }
            }
        };
        leader.execute(Envelope { origin: completed.origin, ..own(completed.lane.clone(), command) }).await.unwrap();
    }
    assert_eq!(tasks(again().await), [], "as the reference server, which remembers no completion");
}

/// F13.
#[tokio::test]
async fn the_next_leader_asks_after_tasks_that_a_completion_started() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (before, completed) = complete_eagerly(&cluster).await;
    // The answer is lost with its leader.
    assert_eq!(tasks(before.execute(completed).await).len(), 2);
    cluster.logs[&1].lead(2);
    let after = leader(&cluster, 2, 1).await;
    let (q, acts) = (queue(TaskKind::Workflow, "q"), queue(TaskKind::Activity, "acts"));
    let task = after.poll_workflow(poll(&q, 1, TIMEOUT)).await.unwrap().expect("the task");
    assert_eq!(task.attempt, 1);
    after.poll_activity(poll(&acts, 1, TIMEOUT)).await.unwrap().expect("the activity");
}

/// F14.
#[tokio::test]
async fn a_home_that_cannot_reach_the_owner_goes_on_with_the_task_when_it_can() {
    let options = Options { start_grace: Duration::from_millis(100), ..options() };
    let cluster = Cluster::start(&[1, 2], 2, |shard| shard.clamp(1, 2).into(), &options, transition);
    let (q, home) = (queue_of(&cluster, 2), leader(&cluster, 2, 2).await);
    let (owner, workflow) = (leader(&cluster, 1, 1).await, workflow_in(&cluster, 1, "w"));
    let start = ShardCommand::StartWorkflow(Box::new(Start::new(start_request(&workflow, &q.name)).unwrap()));
    owner.execute(envelope(&workflow, start)).await.unwrap();
    check_cut_off(&cluster, &home, &q).await;
    let task = home.poll_workflow(poll(&q, 2, TIMEOUT)).await.unwrap().expect("the task");
    cluster.node(2).hand_over(token(&task)).expect("not refused").sent();
    complete(&owner, &workflow, completion(&task)).await;
    let asked = query(&owner, &workflow, TIMEOUT);
    check_cut_off(&cluster, &home, &q).await;
    let on_its_own = home.poll_workflow(poll(&q, 2, TIMEOUT)).await.unwrap().expect("the query");
    answer(&owner, &on_its_own, "here");
    assert_eq!(asked.await.unwrap().unwrap(), "here");
}

/// A poll finds what waits, but the home on node 2 cannot reach the owner on node 1, and gives up.
async fn check_cut_off(cluster: &Cluster, home: &LeaderHandle, q: &QueueKey) {
    cluster.cut.lock().insert((2, 1));
    let request = poll(q, 2, Duration::from_secs(1));
    let gives_up = request.deadline + Duration::from_millis(500);
    assert!(home.poll_workflow(request).await.unwrap().is_none());
    tokio::time::sleep_until(gives_up).await;
    cluster.cut.lock().clear();
}

/// F17.
#[tokio::test]
async fn a_started_task_whose_response_cannot_be_made_is_returned() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 1, &options(), transition);
    let (_, leader, _, q) = started_on(cluster.clone()).await;
    let unreadable = &cluster.logs[&1].unreadable;
    unreadable.store(true, Ordering::Relaxed);
    assert!(leader.poll_workflow(poll(&q, 1, Duration::from_secs(1))).await.unwrap().is_none());
    unreadable.store(false, Ordering::Relaxed);
    let task = leader.poll_workflow(poll(&q, 1, TIMEOUT)).await.unwrap().expect("the task");
    assert_eq!(task.attempt, 1, "it did not have to time out");
}
