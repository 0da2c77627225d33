//! The first workflow of everybody: it calls one activity.

use std::time::Duration;
use tenure_sdk::prelude::*;

#[activity]
pub async fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

#[workflow]
pub async fn hello(cx: WorkflowContext, name: String) -> Result<String> {
    cx.activity(greet, name).start_to_close(Duration::from_secs(10)).await
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(hello).activity(greet)
}
