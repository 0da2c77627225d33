//! Three nodes in one process, one of which dies.

use crate::{DAY, Subscription, charge, subscription};
use std::time::{Duration, Instant};
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

#[tokio::test]
async fn a_workflow_outlives_the_leader_of_its_shard() {
    let env = TestEnv::cluster().await;
    let client = env.client();
    let worker = Worker::new(client.clone(), "billing").workflow(subscription).activity(charge);
    env.worker(worker).mock(charge, |(_, cents)| Ok(cents)).start();
    let handle = client.start(subscription, ("Ann".to_owned(), 12)).id("ann").task_queue("billing").await.unwrap();
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 0);

    let (killed, began) = (env.kill_leader_of(&handle).await, Instant::now());
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 0);
    println!("answered {:?} after node {killed} was killed", began.elapsed());
    assert_ne!(env.leader_of(&handle).await, killed);
    env.restart(killed).await;

    // Once more, with the one that came back among the voters.
    env.kill_leader_of(&handle).await;
    handle.signal(Subscription::END, ()).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 0);
}

#[tokio::test]
async fn a_single_node_comes_back_with_its_data() {
    let env = TestEnv::builder().nodes(1).time_skipping(false).start().await;
    if std::env::var_os("TENURE_TEST_ADDRESS").is_some() {
        return;
    }
    let client = env.client();
    let worker = Worker::new(client.clone(), "billing").workflow(subscription).activity(charge);
    env.run(worker);
    let start = client.start(subscription, ("Ann".to_owned(), 12)).id("ann").task_queue("billing");
    let handle = start.execution_timeout(400 * DAY).await.unwrap();
    assert_eq!(handle.query(Subscription::CHARGES, ()).await.unwrap(), 0);
    env.kill(1).await;
    env.restart(1).await;
    handle.signal(Subscription::END, ()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), handle.result()).await.expect("it goes on");
    assert_eq!(ended.unwrap(), 0);
}
