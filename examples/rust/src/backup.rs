//! A long activity: it says how far it is, begins again where the last attempt stood, and stops when it is asked to.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tenure_sdk::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disk {
    pub parts: u32,
    pub ms_for_a_part: u64,
}

/// How many parts each attempt has copied.
pub type Copied = BTreeMap<u32, u32>;

#[activity]
pub async fn copy(cx: ActivityContext, disk: Disk) -> Result<Copied> {
    let mut copied: Copied = cx.last_heartbeat().unwrap_or_default();
    while copied.values().sum::<u32>() < disk.parts {
        tokio::select! {
            () = cx.cancelled() => return Err(Failure::cancelled("the copy was stopped")),
            () = tokio::time::sleep(Duration::from_millis(disk.ms_for_a_part)) => {}
        }
        *copied.entry(cx.info().attempt).or_default() += 1;
        cx.heartbeat(copied.clone());
    }
    Ok(copied)
}

#[workflow]
pub async fn backup(cx: WorkflowContext, disk: Disk) -> Result<Copied> {
    let hours = Duration::from_secs(3600);
    // A worker that is silent for three seconds is given up, and the next attempt starts elsewhere.
    let policy = RetryPolicy::default().initial_interval(Duration::from_millis(100));
    cx.activity(copy, disk).start_to_close(hours).heartbeat_timeout(Duration::from_secs(3)).retry(policy).await
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(backup).activity(copy)
}
