//! Polls that are lent to the nodes that they came to.

use super::{
    Cluster, TIMEOUT, engine::engine, engine::start, envelope, eventually, gather::raise, leader, options, poll,
    queue_in, workflow_in, workflow_of,
};
use crate::{HeldPoll, LeaderHandle, NodeId};
use std::sync::Arc;
use tenure_api::encoded::PollWorkflowTaskQueueResponse;
use tenure_engine::{FeatureLevel, QueueKey, WorkflowKey};
use tokio::{task::JoinHandle, time::Instant};

/// A queue that is homed on node 2, and polls of it.
struct Lending {
    cluster: Arc<Cluster>,
    /// A leader on node 1, the one that the lent poll came to.
    owner: LeaderHandle,
    home: LeaderHandle,
    queue: QueueKey,
}

impl Lending {
    async fn start() -> Lending {
        let cluster = Cluster::start(&[1, 2], 2, |shard| if shard == 2 { 2 } else { 1 }, &options(), engine);
        raise(&cluster, FeatureLevel::LENT_POLLS).await;
        let (owner, home) = (leader(&cluster, 1, 1).await, leader(&cluster, 2, 2).await);
        let queue = queue_in(&cluster, 2);
        // As a node does that polls came to.
        cluster.node(1).token_key(Instant::now() + TIMEOUT).await.unwrap();
        Lending { cluster, owner, home, queue }
    }

    /// A poll that came to a node waits at the home.
    fn poll(&self, node: NodeId) -> (HeldPoll, JoinHandle<Option<PollWorkflowTaskQueueResponse>>) {
        let request = poll(&self.queue, node, TIMEOUT);
        let held = self.cluster.node(node).hold_poll(self.queue.clone(), request.id, request.poll.clone());
        let home = self.home.clone();
        (held, tokio::spawn(async move { home.poll_workflow(request).await.unwrap() }))
    }

    /// A workflow of the owner, with a task.
    async fn task(&self, name: &str) -> WorkflowKey {
        let workflow = workflow_in(&self.cluster, 1, name);
        self.owner.execute(envelope(&workflow, start(&self.queue.name))).await.unwrap();
        workflow
    }
}

#[tokio::test]
async fn a_lent_poll_gets_a_task_in_the_entry_that_makes_it() {
    let lending = Lending::start().await;
    let (first, kept) = lending.poll(1);
    assert!(!first.is_lent());
    eventually(|| (lending.home.0.home.waiting_polls() == 1).then_some(())).await;
    let (mut held, polling) = lending.poll(1);
    eventually(|| held.is_lent().then_some(())).await;
    assert!(!first.is_lent(), "one of two stays");
    let log = &lending.cluster.logs[&1];
    let before = log.entries.lock().len();
    let workflow = lending.task("w").await;
    let polled = tokio::time::timeout(TIMEOUT, held.answered()).await.unwrap();
    let task = polled.task.unwrap();
    assert_eq!(task.run.workflow, workflow);
    assert_eq!(log.entries.lock().len() - before, 1);
    lending.cluster.node(1).hand_over(task).expect("not refused").sent();
    assert!(!polling.is_finished() && !kept.is_finished(), "the home was asked for nothing");
}

#[tokio::test]
async fn a_lent_poll_is_called_back_for_a_task_of_another_node() {
    check_called_back(false).await;
}

#[tokio::test]
async fn a_lent_poll_is_taken_back_if_its_node_does_not_answer() {
    check_called_back(true).await;
}

async fn check_called_back(answers_get_lost: bool) {
    let lending = Lending::start().await;
    let (_, first) = lending.poll(2);
    eventually(|| (lending.home.0.home.waiting_polls() == 1).then_some(())).await;
    let (held, second) = lending.poll(1);
    eventually(|| held.is_lent().then_some(())).await;
    if answers_get_lost {
        lending.cluster.deaf.lock().insert(1);
    }
    let others = [0, 1].map(|n| workflow_in(&lending.cluster, 2, &format!("w{n}")));
    for workflow in &others {
        lending.home.execute(envelope(workflow, start(&lending.queue.name))).await.unwrap();
    }
    let mut got = [first.await.unwrap().expect("a task"), second.await.unwrap().expect("a task")];
    got.sort_by_key(|response| workflow_of(response).to_owned());
    let got = got.each_ref().map(workflow_of);
    assert_eq!(got, others.each_ref().map(|workflow| &*workflow.workflow_id));
    assert!(!held.is_lent());
}

#[tokio::test]
async fn a_poll_that_sets_out_anew_is_lent_no_more() {
    let lending = Lending::start().await;
    let (_, kept) = lending.poll(2);
    eventually(|| (lending.home.0.home.waiting_polls() == 1).then_some(())).await;
    let (held, _) = lending.poll(1);
    eventually(|| held.is_lent().then_some(())).await;
    held.sets_out();
    let workflow = lending.task("w").await;
    let response = kept.await.unwrap().expect("a task");
    assert_eq!(workflow_of(&response), &*workflow.workflow_id);
}

#[tokio::test]
async fn polls_for_which_their_home_has_tasks_are_not_lent() {
    let lending = Lending::start().await;
    for name in ["a", "b", "c"] {
        lending.task(name).await;
    }
    let polls = [(); 3].map(|()| lending.poll(1));
    for (held, polling) in polls {
        assert!(polling.await.unwrap().is_some());
        assert!(!held.is_lent());
    }
}
