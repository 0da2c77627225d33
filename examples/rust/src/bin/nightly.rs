//! A report at once, and those of a week that has passed.

use std::time::{Duration, UNIX_EPOCH};
use tenure_examples::{
    beside, connect,
    nightly::every_working_day,
    report::{Office, worker},
    unique,
};
use tenure_sdk::{ClientError, ScheduleOverlapPolicy};

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let client = connect().await?;
    let office = Office::default();
    beside(worker(client.clone(), "nightly", office.clone()), async {
        let schedule = every_working_day(&client, &unique("nightly"), "nightly").await?;
        schedule.trigger().await?;
        sent(&office, 1).await;
        // 2026-03-02, a Monday.
        let monday = UNIX_EPOCH + Duration::from_secs(1_772_409_600);
        let week = schedule.backfill(monday, monday + Duration::from_secs(7 * 24 * 3600));
        week.overlap(ScheduleOverlapPolicy::BufferAll).await?;
        sent(&office, 6).await;
        println!("{:#?}", office.sent().last());
        schedule.delete().await
    })
    .await
}

/// Waits until so many reports were sent.
async fn sent(office: &Office, reports: usize) {
    while office.sent().len() < reports {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
