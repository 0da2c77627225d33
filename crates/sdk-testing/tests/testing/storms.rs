//! Many workflows that fail, beside one that does not.

use crate::{unique, with_worker};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

const BROKEN: u32 = 50;

static FAILED: AtomicU32 = AtomicU32::new(0);

#[workflow]
async fn always_panics(_cx: WorkflowContext) -> Result<()> {
    FAILED.fetch_add(1, Ordering::Relaxed);
    panic!("on every task")
}

#[activity]
async fn step() {}

#[workflow]
async fn healthy(cx: WorkflowContext) -> Result<()> {
    for _ in 0..3 {
        cx.activity(step, ()).await?;
    }
    Ok(())
}

/// How long a healthy workflow takes, the median of some.
async fn latency(client: &Client, queue: &str) -> Duration {
    let mut took = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        let handle = client.start(healthy, ()).id(unique("healthy")).task_queue(queue).await.unwrap();
        handle.result().await.unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

#[tokio::test]
async fn a_healthy_workflow_hardly_notices_fifty_that_panic() {
    let env = TestEnv::builder().task_failures(true).replays(false).time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("storm"));
    let worker = Worker::new(client.clone(), &queue).workflow(always_panics).workflow(healthy).activity(step);
    with_worker(&env, worker, async {
        latency(&client, &queue).await;
        let alone = latency(&client, &queue).await;
        for at in 0..BROKEN {
            client.start(always_panics, ()).id(format!("{queue}-{at}")).task_queue(&queue).await.unwrap();
        }
        while FAILED.load(Ordering::Relaxed) < BROKEN {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Other tests of this process come and go: one quiet moment is enough to tell that it is not these.
        let mut beside = latency(&client, &queue).await;
        for _ in 0..4 {
            if beside <= alone.mul_f64(1.5) {
                break;
            }
            beside = beside.min(latency(&client, &queue).await);
        }
        println!("a healthy workflow takes {alone:?} alone, and {beside:?} beside {BROKEN} that panic on every task");
        assert!(beside <= alone.mul_f64(1.5), "{alone:?} alone, {beside:?} beside {BROKEN} that panic");
        for at in 0..BROKEN {
            let broken = client.handle(always_panics, format!("{queue}-{at}"));
            broken.terminate("the test ends").await.unwrap();
        }
    })
    .await;
}
