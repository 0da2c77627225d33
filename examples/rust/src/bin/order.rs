//! Orders a pizza, and plays the driver.

use std::time::Duration;
use tenure_examples::{
    beside, connect,
    order::{Order, Progress, Status, food_order, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "food"), async {
        let id = unique("order");
        let pizza = Order::new(&id, "Pizza", 1250);
        let handle = client.start(food_order, pizza).id(&id).task_queue("food").await?;
        println!("{id}: the payment provider is down at first ...");
        while handle.query(Progress::STATUS, ()).await? != Status::Paid {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("paid; the driver comes");
        handle.signal(Progress::PICKED_UP, ()).await?;
        handle.signal(Progress::DELIVERED, ()).await?;
        println!("{:#?}", handle.result().await?);
        Ok(())
    })
    .await
}
