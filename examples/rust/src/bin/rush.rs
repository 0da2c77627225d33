//! Lunch time: many orders at once, each from the checkout to the doorstep. Wants a `worker` of the same queue.

use clap::Parser;
use std::{
    error::Error,
    time::{Duration, Instant},
};
use tenure_examples::{
    connect,
    order::{Order, Progress, Status, food_order},
    unique,
};
use tenure_sdk::{Client, ClientError};
use tokio::task::JoinSet;

#[derive(Clone, Parser)]
#[command(about = "Many orders at once, each from the checkout to the doorstep")]
struct Options {
    #[arg(long, default_value = "examples")]
    task_queue: String,
    #[arg(long, default_value_t = 50)]
    orders: u32,
    /// Milliseconds between two orders
    #[arg(long, default_value_t = 20)]
    pause: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let client = connect().await?;
    let (began, name) = (Instant::now(), unique("rush"));
    let mut customers = JoinSet::new();
    for number in 0..options.orders {
        customers.spawn(customer(client.clone(), options.task_queue.clone(), format!("{name}-{number}")));
        tokio::time::sleep(Duration::from_millis(options.pause)).await;
    }
    while let Some(served) = customers.join_next().await {
        served??;
    }
    println!("{} orders delivered in {:.1?}", options.orders, began.elapsed());
    Ok(())
}

/// Orders, sees it paid, plays the driver, and waits for the receipt.
async fn customer(client: Client, task_queue: String, id: String) -> Result<(), ClientError> {
    let pizza = Order { linger_s: 0.2, pickup_within_s: 600.0, ..Order::new(&id, "Pizza", 1250) };
    let handle = client.start(food_order, pizza).id(&id).task_queue(task_queue).await?;
    println!("{id} placed");
    for (wanted, signal) in [(Status::Paid, Progress::PICKED_UP), (Status::PickedUp, Progress::DELIVERED)] {
        while handle.query(Progress::STATUS, ()).await? != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        handle.signal(signal, ()).await?;
    }
    let receipt = handle.result().await?;
    assert_eq!((receipt.order_id.as_str(), receipt.notifications.len()), (id.as_str(), 3), "{receipt:?}");
    Ok(())
}
