//! Many activities at the same time.

use crate::common::{Server, unique, with_worker};
use std::time::Duration;
use tenure_sdk::prelude::*;

#[activity]
async fn leaf(number: u32) -> u32 {
    number
}

#[workflow]
async fn fan(cx: WorkflowContext, width: u32) -> Result<u64> {
    let all = try_join_all((0..width).map(|number| cx.activity(leaf, number))).await?;
    Ok(all.into_iter().map(u64::from).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_activities_costs_the_server_the_same() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (server.client().await, unique("fan"));
    // A worker that replays would be slow by itself in debug builds.
    let options = WorkerOptions::default().not_strict();
    let worker = Worker::new(client.clone(), &queue).workflow(fan).activity(leaf).options(options);
    with_worker(worker, async {
        let mut costs = Vec::new();
        // The first warms everything up.
        for width in [100, 250, 1_000] {
            let before = server.cpu_time();
            let handle = client.start(fan, width).id(unique("fan")).task_queue(&queue).await.unwrap();
            let width = u64::from(width);
            assert_eq!(handle.result().await.unwrap(), width * (width - 1) / 2);
            if let (Some(before), Some(after)) = (before, server.cpu_time()) {
                costs.push((after - before).div_f64(width as f64));
            }
        }
        if let [_, narrow, wide] = costs[..] {
            println!("an activity of 250 takes {narrow:?} of the server's CPU, one of 1,000 {wide:?}");
            // Four times as many would cost four times as much each, if each looked at all the others.
            assert!(wide < narrow.mul_f64(2.0) + Duration::from_millis(1), "of 250: {narrow:?}, of 1,000: {wide:?}");
        }
    })
    .await;
}
