//! The worker of `benches/sdk/compare.py`, written with `tenure-sdk`.

use clap::Parser;
use std::{error::Error, time::Duration};
use tenure_sdk::prelude::*;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    address: String,
    #[arg(long)]
    task_queue: String,
    /// Executions kept in memory; 0: each task is replayed from the first event.
    #[arg(long)]
    cached: usize,
}

const STEPS: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(60);

#[activity]
async fn step(text: String) -> String {
    text
}

#[workflow]
async fn activities(cx: WorkflowContext, mut text: String) -> Result<String> {
    for _ in 0..STEPS {
        text = cx.activity(step, text).start_to_close(TIMEOUT).await?;
    }
    Ok(text)
}

#[workflow]
async fn local_activities(cx: WorkflowContext, mut text: String) -> Result<String> {
    for _ in 0..STEPS {
        text = cx.local_activity(step, text).start_to_close(TIMEOUT).await?;
    }
    Ok(text)
}

#[workflow]
async fn timers(cx: WorkflowContext, text: String) -> Result<String> {
    for _ in 0..STEPS {
        cx.sleep(Duration::from_millis(1)).await?;
    }
    Ok(text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { address, task_queue, cached } = Arguments::parse();
    let client = Client::connect([address]).await?;
    let options = WorkerOptions::default().cached_workflows(cached);
    let worker = Worker::new(client, task_queue).options(options).activity(step);
    Ok(worker.workflow(activities).workflow(local_activities).workflow(timers).run().await?)
}
