//! Buys until there are coupons.

use tenure_examples::{
    beside, connect,
    loyalty::{Account, loyalty, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "loyalty"), async {
        let id = unique("loyalty");
        client.start(loyalty, Account::new("Ann")).id(&id).task_queue("loyalty").await?;
        // By its id alone: the run of the day.
        let handle = client.handle(loyalty, &id);
        for _ in 0..125 {
            handle.signal(Account::ADD_POINTS, 2).await?;
        }
        println!("{:?}", handle.query(Account::ACCOUNT, ()).await?);
        handle.terminate("the example ends").await
    })
    .await
}
