//! Copies a small disk.

use tenure_examples::{
    backup::{Disk, backup, worker},
    beside, connect, unique,
};
use tenure_sdk::ClientError;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    beside(worker(client.clone(), "backups"), async {
        let disk = Disk { parts: 20, ms_for_a_part: 50 };
        let handle = client.start(backup, disk).id(unique("backup")).task_queue("backups").await?;
        println!("parts copied by each attempt: {:?}", handle.result().await?);
        Ok(())
    })
    .await
}
