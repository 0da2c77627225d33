use std::time::Duration;
use tenure_sdk::prelude::*;

#[activity]
async fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

#[workflow]
async fn hello(cx: WorkflowContext, name: String) -> Result<String> {
    cx.activity(greet, name).start_to_close(Duration::from_secs(10)).await
}

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = Client::connect(["127.0.0.1:7233"]).await?;
    Worker::new(client, "hello").workflow(hello).activity(greet).run().await
}
