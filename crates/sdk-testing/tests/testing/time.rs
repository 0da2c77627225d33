//! Time that skips, activities that are replaced, attempts that fail.

use crate::{DAY, Subscription, charge, subscription, unique};
use std::time::{Duration, Instant};
use tenure_sdk::{prelude::*, testing::ActivityEnv};
use tenure_sdk_testing::TestEnv;

#[tokio::test]
async fn years_pass_while_a_result_is_awaited() {
    let begun = Instant::now();
    let env = TestEnv::builder().time_skipping(true).start().await;
    println!("the environment was ready after {:?}", begun.elapsed());
    if !env.skips_time().await {
        return;
    }
    let (client, queue) = (env.client(), unique("billing"));
    let worker = Worker::new(client.clone(), &queue).workflow(subscription).activity(charge);
    let worker = env
        .worker(worker)
        .mock(charge, |(_, cents)| Ok(cents))
        .fail(charge, 2, Failure::application("BankDown", "try again"))
        .start();
    let (began, then) = (Instant::now(), env.now());
    let handle = client.start(subscription, ("Ann".to_owned(), 12)).id(&queue).task_queue(&queue).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 12 * 999);
    println!("twelve months took {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(env.now().duration_since(then).unwrap() >= 360 * DAY);
    assert_eq!(worker.attempts(charge), 14);
}

#[tokio::test]
async fn time_keeps_its_pace_while_a_test_looks_and_acts() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("billing"));
    let worker = Worker::new(client.clone(), &queue).workflow(subscription).activity(charge);
    env.worker(worker).mock(charge, |(_, cents)| Ok(cents)).start();
    let handle = client.start(subscription, ("Ann".to_owned(), 12)).id(&queue).task_queue(&queue).await.unwrap();
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 0);
    if env.skips_time().await {
        env.sleep(75 * DAY).await;
        assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 2);
    }
    handle.signal(Subscription::END, ()).await.unwrap();
    let paid = handle.result().await.unwrap();
    assert!(paid <= 2 * 999, "{paid}");
}

#[workflow]
async fn patient(cx: WorkflowContext) -> Result<String> {
    let once = RetryPolicy::once();
    let late = cx.activity(charge, ("Ann".to_owned(), 1)).start_to_close(Duration::from_secs(3600)).retry(once).await;
    let late = late.unwrap_err();
    let paid = cx.activity(charge, ("Ann".to_owned(), 2)).start_to_close(Duration::from_secs(3600)).await?;
    Ok(format!("{:?}, then {paid}", late.timed_out().unwrap()))
}

#[tokio::test]
async fn attempts_time_out_at_once() {
    let env = TestEnv::start().await;
    if !env.skips_time().await {
        return;
    }
    let worker = Worker::new(env.client(), "patient").workflow(patient).activity(charge);
    let worker = env.worker(worker).mock(charge, |(_, cents)| Ok(cents)).time_out(charge, 2).start();
    let handle = env.client().start(patient, ()).id("patient").task_queue("patient").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), "StartToClose, then 2");
    assert_eq!(worker.attempts(charge), 3);
}

#[tokio::test]
async fn another_worker_goes_on_when_one_is_killed() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("billing"));
    let worker = || Worker::new(client.clone(), &queue).workflow(subscription).activity(charge);
    let first = env.run(worker());
    let handle = client.start(subscription, ("Ann".to_owned(), 12)).id(&queue).task_queue(&queue).await.unwrap();
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 0);
    first.kill();
    let second = env.run(worker());
    handle.signal(Subscription::END, ()).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 0);
    second.stop().await;
}

#[tokio::test]
async fn environments_do_not_disturb_each_other() {
    let one = async |months: u32| {
        let env = TestEnv::start().await;
        let worker = Worker::new(env.client(), "billing").workflow(subscription).activity(charge);
        env.worker(worker).mock(charge, |(_, cents)| Ok(cents)).start();
        let start = env.client().start(subscription, ("Ann".to_owned(), months)).id(unique("same"));
        start.task_queue("billing").await.unwrap().result().await.unwrap()
    };
    if std::env::var_os("TENURE_TEST_ADDRESS").is_none() {
        let (a, b, c) = tokio::join!(one(1), one(2), one(3));
        assert_eq!([a, b, c], [999, 2 * 999, 3 * 999]);
    }
}

#[activity]
fn blocking_copy(cx: ActivityContext, files: u32) -> Result<u32> {
    for file in cx.last_heartbeat().unwrap_or(0)..files {
        cx.heartbeat(file + 1);
        if cx.is_cancelled() {
            return Err(Failure::cancelled("enough").caused_by(Failure::application("Half", "way").detail(file)));
        }
    }
    Ok(cx.info().attempt)
}

#[tokio::test]
async fn an_activity_runs_alone() {
    let env = ActivityEnv::new().attempt(3).last_heartbeat(2u32);
    assert_eq!(env.run(blocking_copy, 4).await.unwrap(), 3);
    assert_eq!(env.heartbeats::<u32>(), [3, 4]);
    let env = ActivityEnv::new().cancel_at_heartbeat(2);
    let cancelled = env.run(blocking_copy, 4).await.unwrap_err();
    assert!(cancelled.is_cancelled());
    assert_eq!(cancelled.decode_detail::<u32>(0).unwrap(), 1);
    let env = ActivityEnv::new().info(|info| info.workflow_id = "order-1".to_owned());
    env.cancel();
    assert_eq!(env.context().info().workflow_id, "order-1");
    assert!(blocking_copy::call(env.context(), 1).is_err());
}
