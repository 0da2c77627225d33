//! Many orders at once.

use tenure_sdk::{Client, ClientError, attributes};

/// Cancels the orders whose ids begin with `prefix`, ten in a second, and gives how many there were.
pub async fn close(client: &Client, prefix: &str) -> Result<u64, ClientError> {
    let orders = attributes::WORKFLOW_TYPE.eq("Order") & attributes::WORKFLOW_ID.starts_with(prefix);
    let batch = client.batch(orders).reason("the kitchen closes").max_operations_per_second(10.0).cancel().await?;
    println!("batch operation {}", batch.id());
    let end = batch.wait_with(|now| println!("{} of {}", now.completed + now.failed, now.total)).await?;
    Ok(end.completed)
}
