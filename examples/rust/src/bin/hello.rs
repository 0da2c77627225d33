//! Says hello.

use tenure_examples::{
    beside, connect,
    hello::{hello, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "hello"), async {
        let handle = client.start(hello, "Ann").id(unique("hello")).task_queue("hello").await?;
        println!("{}", handle.result().await?);
        Ok(())
    })
    .await
}
