//! Reports every second, three times.

use std::time::Duration;
use tenure_examples::{
    beside, connect,
    report::{Office, daily_report, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    let office = Office::default();
    beside(worker(client.clone(), "reports", office.clone()), async {
        let start = client.start(daily_report, "Bakery").id(unique("report")).task_queue("reports");
        let first = start.cron("@every 1s").await?;
        while office.sent().len() < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("{:#?}", office.sent());
        client.handle(daily_report, first.id()).terminate("the example ends").await
    })
    .await
}
