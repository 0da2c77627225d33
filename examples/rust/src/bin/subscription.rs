//! Subscribes, changes the amount and ends the subscription within its first month.

use tenure_examples::{
    beside, connect,
    subscription::{Subscription, subscription, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "billing"), async {
        let start = client.start(subscription, ("Ann".to_owned(), 999)).id(unique("subscription"));
        let handle = start.task_queue("billing").await?;
        let before = handle.update(Subscription::CHANGE_AMOUNT, 1299).await?;
        println!("changed from {before} to 1299 cents");
        let refused = handle.update(Subscription::CHANGE_AMOUNT, 0).await;
        println!("changed to 0: {refused:?}");
        println!("{} charges", handle.query(Subscription::CHARGES, ()).await?);
        handle.signal(Subscription::END, ()).await?;
        println!("paid {} cents in all", handle.result().await?);
        Ok(())
    })
    .await
}
