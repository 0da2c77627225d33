//! The first workflow of everybody, end to end.

use crate::common::{Server, unique, with_worker};
use tenure_sdk::prelude::*;

#[activity]
async fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

#[workflow]
async fn greeting(cx: WorkflowContext, name: String) -> Result<String> {
    cx.activity(greet, name).await
}

#[tokio::test]
async fn a_workflow_calls_an_activity() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (server.client().await, unique("hello"));
    let worker = Worker::new(client.clone(), &queue).workflow(greeting).activity(greet);
    let result = with_worker(worker, async {
        let handle = client.start(greeting, "Ann").id(unique("greeting")).task_queue(&queue).await.unwrap();
        handle.result().await.unwrap()
    });
    assert_eq!(result.await, "Hello, Ann!");
}
