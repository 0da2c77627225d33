//! Code that does not do the same again is found at the end of a test.

use crate::unique;
use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tenure_api::enums::v1::EventType;
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

#[activity]
async fn echo(number: u32) -> u32 {
    number
}

#[activity]
async fn other(number: u32) -> u32 {
    number
}

/// What no workflow may look at.
static OUTSIDE: AtomicU32 = AtomicU32::new(0);

#[workflow]
async fn reads_outside(cx: WorkflowContext) -> Result<u32> {
    let number = OUTSIDE.fetch_add(1, Ordering::Relaxed);
    cx.activity(echo, number).await
}

#[workflow]
async fn chooses_outside(cx: WorkflowContext) -> Result<u32> {
    if OUTSIDE.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        cx.activity(echo, 1).await
    } else {
        cx.activity(other, 1).await
    }
}

#[workflow]
async fn panics(_cx: WorkflowContext) -> Result<u32> {
    panic!("nothing works")
}

/// What the drop of an environment says.
fn drops(env: TestEnv) -> String {
    let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(env)));
    *dropped.unwrap_err().downcast::<String>().unwrap()
}

async fn finishes(env: &TestEnv, start: impl AsyncFnOnce(Client, &str) -> Result<(), ClientError>) {
    let queue = unique("determinism");
    let worker = Worker::new(env.client(), &queue).workflow(reads_outside).workflow(chooses_outside).workflow(panics);
    env.run(worker.activity(echo).activity(other));
    start(env.client(), &queue).await.unwrap();
}

/// What is the same whenever it runs, however much it looks outside: once, and history keeps it.
#[workflow]
async fn looks_once(cx: WorkflowContext) -> Result<u32> {
    let number = cx.side_effect(|| OUTSIDE.fetch_add(1, Ordering::Relaxed));
    cx.local_activity(echo, 1).await?;
    let again = cx.side_effect(|| OUTSIDE.fetch_add(1, Ordering::Relaxed));
    cx.activity(echo, number + again).await
}

#[tokio::test]
async fn a_strict_worker_finds_it_in_the_first_task() {
    let env = TestEnv::builder().task_failures(true).replays(false).time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("strict"));
    let worker = Worker::new(client.clone(), &queue).workflow(reads_outside).workflow(looks_once).activity(echo);
    crate::with_worker(&env, worker.options(WorkerOptions::default().strict()), async {
        let fine = client.start(looks_once, ()).id(unique("once")).task_queue(&queue).await.unwrap();
        fine.result().await.unwrap();
        let handle = client.start(reads_outside, ()).id(&queue).task_queue(&queue).await.unwrap();
        let failed = loop {
            let history = handle.history().await.unwrap();
            if let Some(failed) =
                history.events.iter().find(|event| event.event_type() == EventType::WorkflowTaskFailed)
            {
                break format!("{failed:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(failed.contains("the same code does not do the same again, in the same workflow task"), "{failed}");
        assert!(failed.contains("determinism.rs") && failed.contains("order of a hash map"), "{failed}");
        handle.terminate("the test ends").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn another_input_is_found() {
    let env = TestEnv::start().await;
    finishes(&env, async |client, queue| {
        client.start(reads_outside, ()).id(queue).task_queue(queue).await?.result().await.map(drop)
    })
    .await;
    let said = drops(env);
    for part in ["cannot be replayed", "the input differs", "\"echo\" with", "determinism.rs:", "hash map"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[tokio::test]
async fn another_command_is_found() {
    let env = TestEnv::start().await;
    finishes(&env, async |client, queue| {
        client.start(chooses_outside, ()).id(queue).task_queue(queue).await?.result().await.map(drop)
    })
    .await;
    let said = drops(env);
    println!("{said}");
    for part in ["the code does not do what it did before", "history has: event 5", "\"echo\"", "\"other\"", ".rs:"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[tokio::test]
async fn a_panic_ends_the_wait_for_a_result() {
    let env = TestEnv::start().await;
    let waited = async {
        finishes(&env, async |client, queue| {
            let handle = client.start(panics, ()).id(queue).task_queue(queue).await?;
            let failed = handle.result().await.unwrap_err().to_string();
            assert!(failed.contains("nothing works"), "{failed}");
            handle.terminate("the test ends").await
        })
        .await;
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it does not just hang");
}

static CHANGES: AtomicU32 = AtomicU32::new(0);

#[workflow(fails_on(nondeterminism))]
async fn changes_its_mind(cx: WorkflowContext) -> Result<u32> {
    if CHANGES.fetch_add(1, Ordering::Relaxed) == 0 { cx.activity(echo, 1).await } else { cx.activity(other, 1).await }
}

#[tokio::test]
async fn a_workflow_may_fail_of_another_command_instead_of_waiting_for_better_code() {
    let env = TestEnv::builder().task_failures(true).replays(false).start().await;
    let (client, queue) = (env.client(), unique("changes"));
    let worker = Worker::new(client.clone(), &queue).workflow(changes_its_mind).activity(echo).activity(other);
    crate::with_worker(&env, worker.options(WorkerOptions::default().cached_workflows(0)), async {
        let handle = client.start(changes_its_mind, ()).id(&queue).task_queue(&queue).await.unwrap();
        let failed = handle.result().await.unwrap_err();
        let failure = failed.failure().expect("the workflow fails");
        assert_eq!(failure.application_type(), Some("Nondeterminism"), "{failure}");
        assert!(failure.message.contains("determinism.rs"), "{failure}");
    })
    .await;
}
