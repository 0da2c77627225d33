//! Books a trip to Lisbon, and one to a place that no flight reaches.

use tenure_examples::{
    beside, connect,
    trip::{Agency, Trip, trip, worker},
    unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    let agency = Agency::default();
    beside(worker(client.clone(), "trips", agency.clone()), async {
        let lisbon = client.start(trip, "Lisbon").id(unique("lisbon")).task_queue("trips").await?;
        lisbon.signal(Trip::CONFIRM, ()).await?;
        println!("{:#?}", lisbon.result().await?);

        let atlantis = client.start(trip, "Atlantis").id(unique("atlantis")).task_queue("trips").await?;
        if let Err(error) = atlantis.result().await {
            println!("{error}");
        }
        println!("{:#?}", agency.journal());
        Ok(())
    })
    .await
}
