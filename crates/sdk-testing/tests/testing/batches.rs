//! Batch operations: what is done to many executions, how far it is, and its end. `TENURE_TEST_ADDRESS` may name any server.

use crate::{
    features::{Order, order},
    unique,
};
use std::{collections::BTreeMap, pin::pin, time::Duration};
use tenure_api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse, PauseActivityRequest,
    pause_activity_request::Activity,
};
use tenure_client::rpc;
use tenure_sdk::{
    ActivityOptions, BatchActivities, BatchDescription, BatchOperationState as State, BatchOperationType as Type,
    Filter, ResetPoint, ResetReapplyExcludeType, StartBatch, WorkflowHandle, WorkflowOptions, attributes::*,
    prelude::*,
};
use tenure_sdk_testing::TestEnv;

const SECOND: Duration = Duration::from_secs(1);
/// Nobody serves it: its calls stay pending.
const PAY: ActivityRef<(), ()> = ActivityRef::new("pay");

#[workflow]
async fn paying(cx: WorkflowContext) -> Result<()> {
    cx.activity(PAY, ()).start_to_close(60 * SECOND).await
}

async fn orders(client: &Client, queue: &str, count: usize) -> Vec<WorkflowHandle<order>> {
    let mut handles = Vec::new();
    for n in 0..count {
        handles.push(client.start(order, ()).id(format!("{queue}-{n}")).task_queue(queue).await.unwrap());
    }
    handles
}

/// Waits until a filter finds so many; other servers list what happened some time later.
async fn until_found(client: &Client, filter: &Filter, count: u64) {
    let found = async {
        while client.count(filter.clone()).await.unwrap() != count {
            tokio::time::sleep(SECOND / 20).await;
        }
    };
    tokio::time::timeout(20 * SECOND, found).await.expect("lists follow in time");
}

async fn ends<O: Send + 'static>(start: StartBatch<O>) -> BatchDescription {
    let handle = start.await.unwrap();
    let end = tokio::time::timeout(30 * SECOND, handle.wait()).await.expect("it ends in time").unwrap();
    assert_eq!((end.id.as_str(), end.state), (handle.id(), State::Completed), "{end:?}");
    end
}

fn counts(end: &BatchDescription) -> (u64, u64, u64) {
    (end.total, end.completed, end.failed)
}

#[tokio::test]
async fn what_a_filter_finds_is_signalled_terminated_and_deleted() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("orders"));
    env.run(Worker::new(client.clone(), &queue).workflow(order));
    let handles = orders(&client, &queue, 6).await;
    let all = TASK_QUEUE.eq(queue.as_str());
    until_found(&client, &all, 6).await;

    let last = WORKFLOW_ID.is_in([handles[4].id(), handles[5].id()]);
    let job = unique("job");
    let start = client.batch(all.clone() & !last).reason("we close").job_id(&job).signal(Order::CLOSE, ());
    let batch = start.await.unwrap();
    let mut seen = Vec::new();
    let end = batch.wait_with(|now| seen.push(now.clone())).await.unwrap();
    assert_eq!((end.state, counts(&end)), (State::Completed, (4, 4, 0)));
    assert_eq!((seen.last(), batch.describe().await.unwrap()), (Some(&end), end.clone()));
    assert!(seen.iter().rev().skip(1).all(BatchDescription::is_running));
    assert_eq!((end.operation, end.reason.as_str()), (Type::SignalWorkflow, "we close"));
    assert_eq!(end.identity, client.identity());
    assert!(end.filter.contains(&queue) && end.started.is_some() && end.closed >= end.started, "{end:?}");
    for handle in &handles[..4] {
        handle.result().await.unwrap();
    }
    let again = client.batch(all.clone()).job_id(&job).terminate().await.unwrap_err();
    assert!(again.is_already_exists(), "{again}");

    until_found(&client, &(all.clone() & STATUS.eq(tenure_sdk::WorkflowExecutionStatus::Running)), 2).await;
    assert_eq!(counts(&ends(client.batch(all.clone()).reason("enough").terminate()).await), (2, 2, 0));
    let error = handles[5].result().await.unwrap_err();
    assert!(error.to_string().contains("enough"), "{error}");
    let deleted = ends(client.batch(all.clone()).delete()).await;
    assert_eq!((deleted.operation, counts(&deleted)), (Type::DeleteWorkflow, (6, 6, 0)));
    until_found(&client, &all, 0).await;

    let mut listed = BTreeMap::new();
    let mut list = client.list_batches().page_size(1);
    while let Some(batch) = list.next().await.unwrap() {
        assert_eq!(listed.insert(batch.id.clone(), batch), None, "it came twice");
    }
    let shown = &listed[&job];
    assert_eq!((shown.operation, shown.state), (end.operation, end.state));
    assert_eq!((shown.started, shown.closed), (end.started, end.closed));
    assert_eq!(listed[&deleted.id].operation, Type::DeleteWorkflow);
}

#[tokio::test]
async fn what_cannot_be_a_batch_operation_is_refused() {
    let env = TestEnv::start().await;
    let client = env.client();
    let error = client.batch("").terminate().await.unwrap_err();
    assert!(error.is_invalid(), "{error}");
    let error = client.batch_of(Vec::<String>::new()).terminate().await.unwrap_err();
    assert!(error.is_invalid(), "{error}");
    let no_json = BTreeMap::from([((1, 2), 3)]);
    let error = client.batch_of(["none"]).signal_by_name("close", (no_json,)).await.unwrap_err();
    assert!(matches!(error, ClientError::Data(_)), "{error}");
    let nothing = client.batch_handle(unique("none"));
    assert!(nothing.describe().await.unwrap_err().is_not_found());
    assert!(nothing.wait().await.unwrap_err().is_not_found());
    assert!(nothing.stop("enough").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_operation_is_stopped_and_the_next_has_its_turn() {
    let env = TestEnv::start().await;
    let client = env.client();
    let many = (0..2000).map(|n| format!("none-{n}"));
    let slow = client.batch_of(many).max_operations_per_second(1.0).cancel().await.unwrap();
    let mut next = pin!(client.batch_of(["none"]).cancel().into_future());
    let begun = tokio::time::timeout(SECOND / 2, &mut next).await;
    assert!(begun.is_err(), "it waits for its turn");
    assert!(slow.describe().await.unwrap().is_running());
    client.batch_handle(slow.id()).stop("enough").await.unwrap();
    let end = slow.wait().await.unwrap();
    assert_eq!(end.state, State::Failed);
    assert!(slow.stop("again").await.unwrap_err().is_not_found());
    let next = next.await.unwrap();
    assert_eq!(next.wait().await.unwrap().state, State::Completed);
}

#[tokio::test]
async fn runs_are_reset_and_their_options_changed() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("orders"));
    env.run(Worker::new(client.clone(), &queue).workflow(order));
    let handles = orders(&client, &queue, 2).await;
    for handle in &handles {
        handle.signal(Order::ADD_LATER, "cake").await.unwrap();
        while handle.query(Order::COUNT, ()).await.unwrap() < 1 {
            env.sleep(SECOND / 20).await;
        }
    }
    let reset = client.batch_of(&handles).reason("wrong prices").reset(ResetPoint::FirstWorkflowTask);
    let reset = reset.exclude(ResetReapplyExcludeType::Signal);
    let end = ends(reset.then_update_options(WorkflowOptions::default().priority(2))).await;
    assert_eq!((end.operation, counts(&end)), (Type::ResetWorkflow, (2, 2, 0)));
    for handle in &handles {
        let latest = client.handle(order, handle.id());
        assert_ne!(latest.describe().await.unwrap().run_id, handle.run_id());
        assert_eq!(priority(&client, handle.id()).await, 2);
        latest.signal(Order::CLOSE, ()).await.unwrap();
        assert_eq!(latest.result().await.unwrap().items, Vec::<String>::new());
    }
    let first = (handles[0].id(), handles[0].run_id());
    for (to, expected) in [
        (ResetPoint::Event(4), (1, 1, 0)),
        (ResetPoint::LastWorkflowTask, (1, 1, 0)),
        (ResetPoint::Event(77), (1, 0, 1)),
        (ResetPoint::BuildId("none".to_owned()), (1, 0, 1)),
    ] {
        let end = ends(client.batch_of([first]).reset(to.clone())).await;
        assert_eq!(counts(&end), expected, "{to:?}");
    }
    let urgent = WorkflowOptions::default().priority(1).fairness_key("gold").fairness_weight(2.0);
    let end = ends(client.batch_of([handles[0].id()]).update_options(urgent)).await;
    assert_eq!((end.operation, counts(&end)), (Type::UpdateWorkflowExecutionOptions, (1, 1, 0)));
    assert_eq!(priority(&client, handles[0].id()).await, 1);
    ends(client.batch_of([handles[0].id()]).terminate()).await;
}

async fn describe(client: &Client, workflow_id: &str) -> DescribeWorkflowExecutionResponse {
    let execution = Some(execution(workflow_id));
    let request = DescribeWorkflowExecutionRequest { namespace: client.namespace().to_owned(), execution };
    rpc!(client.connection(), describe_workflow_execution, request, client.short()).await.unwrap()
}

fn execution(workflow_id: &str) -> tenure_api::common::v1::WorkflowExecution {
    tenure_api::common::v1::WorkflowExecution { workflow_id: workflow_id.to_owned(), ..Default::default() }
}

async fn priority(client: &Client, workflow_id: &str) -> i32 {
    let info = describe(client, workflow_id).await.workflow_execution_info.unwrap();
    info.priority.unwrap_or_default().priority_key
}

#[tokio::test]
async fn activities_are_changed_reset_and_unpaused() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("paying"));
    env.run(Worker::new(client.clone(), &queue).workflow(paying));
    let handle = client.start(paying, ()).id(&queue).task_queue(&queue).await.unwrap();
    let pending = async || describe(&client, &queue).await.pending_activities.into_iter().next();
    let activity_id = loop {
        match pending().await {
            Some(activity) => break activity.activity_id,
            None => tokio::time::sleep(SECOND / 20).await,
        }
    };
    let request = PauseActivityRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(execution(&queue)),
        activity: Some(Activity::Id(activity_id)),
        ..Default::default()
    };
    rpc!(client.connection(), pause_activity, request, client.short()).await.unwrap();

    let batch = || client.batch_of([&handle]).reason("the bank is slow");
    let limit = async || pending().await.unwrap().activity_options.unwrap().start_to_close_timeout.unwrap().seconds;
    let retry = RetryPolicy::default().maximum_attempts(9);
    let slow = ActivityOptions::default().start_to_close(7 * SECOND).heartbeat_timeout(3 * SECOND).retry(retry);
    let end = ends(batch().update_activity_options(BatchActivities::of(PAY), slow)).await;
    assert_eq!((end.operation, counts(&end)), (Type::UpdateActivityOptions, (1, 1, 0)));
    let options = pending().await.unwrap().activity_options.unwrap();
    assert_eq!((limit().await, options.retry_policy.unwrap().maximum_attempts), (7, 9));
    ends(batch().restore_activity_options("pay")).await;
    assert_eq!(limit().await, 60);

    let end = ends(batch().reset_activities(BatchActivities::All).keep_paused().reset_heartbeat()).await;
    assert_eq!((end.operation, counts(&end)), (Type::ResetActivity, (1, 1, 0)));
    assert!(pending().await.unwrap().paused);
    let end = ends(batch().unpause_activities("pay").reset_attempts().jitter(SECOND)).await;
    assert_eq!((end.operation, counts(&end)), (Type::UnpauseActivity, (1, 1, 0)));
    assert!(!pending().await.unwrap().paused);
    let asked = client.batch_of([(handle.id(), handle.run_id())]).reason("enough").cancel();
    assert_eq!(counts(&ends(asked).await), (1, 1, 0));
    assert!(handle.result().await.unwrap_err().failure().is_some_and(Failure::is_cancelled));
}
