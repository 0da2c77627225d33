//! Ten thousand jobs, with a progress bar.

use std::{
    io::Write,
    time::{Duration, Instant},
};
use tenure_examples::{
    beside, connect,
    jobs::{Progress, jobs, worker},
    unique,
};
use tenure_sdk::ClientError;

const JOBS: u32 = 10_000;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "jobs"), async {
        let began = Instant::now();
        let first = client.start(jobs, (0, JOBS)).id(unique("jobs")).task_queue("jobs").await?;
        let handle = client.handle(jobs, first.id());
        loop {
            let Progress { done, .. } = handle.query(Progress::PROGRESS, ()).await?;
            let filled = "#".repeat((done * 40 / JOBS) as usize);
            print!("\r[{filled:<40}] {done} of {JOBS}");
            let _ = std::io::stdout().flush();
            if done == JOBS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!(" in {:.1?}", began.elapsed());
        Ok(())
    })
    .await
}
