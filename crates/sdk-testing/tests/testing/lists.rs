//! Lists and counts, in pages and as a stream, by filters that are written in Rust.

use crate::{charge, subscription};
use std::collections::BTreeSet;
use tenure_sdk::{WorkflowExecutionStatus as Status, attributes::*, prelude::*};
use tenure_sdk_testing::TestEnv;

#[tokio::test]
async fn what_was_started_is_listed_and_counted_at_once() {
    if std::env::var_os("TENURE_TEST_ADDRESS").is_some() {
        // Other servers list what was started some time later.
        return;
    }
    let env = TestEnv::cluster().await;
    let client = env.client();
    env.run(Worker::new(client.clone(), "billing").workflow(subscription).activity(charge));
    let mut ids = BTreeSet::new();
    for n in 0..25 {
        let id = format!("it's {n:02}");
        let start = client.start(subscription, ("Ann".to_owned(), 12)).id(id.clone()).task_queue("billing");
        let handle = start.await.unwrap();
        let all = WORKFLOW_ID.starts_with("it's ");
        assert_eq!(client.count(all.clone()).await.unwrap(), n + 1);
        if n % 5 == 0 {
            handle.terminate("enough").await.unwrap();
            let ended = STATUS.eq(Status::Terminated) & CLOSE_TIME.is_set() & WORKFLOW_ID.eq(id.as_str());
            assert_eq!(client.list(ended).await.unwrap().len(), 1);
        }
        ids.insert(id);
    }

    let all = WORKFLOW_ID.starts_with("it's ") & TASK_QUEUE.eq("billing");
    let mut list = client.list(all.clone()).page_size(4);
    let mut found = BTreeSet::new();
    while let Some(run) = list.next().await.unwrap() {
        assert!(found.insert(run.workflow_id), "it came twice");
    }
    assert_eq!(found, ids);

    let mut stream = client.list(all.clone() & !STATUS.eq(Status::Terminated)).page_size(3).limit(10).stream();
    let mut running = BTreeSet::new();
    while let Some(run) = futures::StreamExt::next(&mut stream).await {
        let run = run.unwrap();
        assert!(run.is_running() && running.insert(run.workflow_id));
    }
    assert_eq!(running.len(), 10);

    let groups = client.count_by(all, "ExecutionStatus").await.unwrap();
    assert_eq!(groups, [(Some("Running".to_owned()), 20), (Some("Terminated".to_owned()), 5)]);
    let either = WORKFLOW_ID.is_in(["it's 01", "it's 02"]) | WORKFLOW_ID.eq("it's 03");
    assert_eq!(client.count(either & WORKFLOW_TYPE.ne("other")).await.unwrap(), 3);
    let failed = client.list("Colour = 'red'").stream();
    let mut failed = std::pin::pin!(failed);
    let error = futures::StreamExt::next(&mut failed).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("Colour"), "{error}");
    assert!(futures::StreamExt::next(&mut failed).await.is_none());
}
