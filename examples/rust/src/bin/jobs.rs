//! Ten thousand jobs, with a progress bar.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::{error::Error, time::Duration};
use tenure_examples::{
    beside, connect,
    jobs::{Progress, jobs, worker},
    unique,
};

#[derive(Parser)]
#[command(about = "Many short jobs, with a progress bar")]
struct Options {
    /// How many
    #[arg(long, default_value_t = 10_000)]
    count: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let all = Options::parse().count;
    let client = connect().await?;
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} to go")?;
    let bar = ProgressBar::new(all.into()).with_style(style);
    beside(worker(client.clone(), "jobs"), async {
        let first = client.start(jobs, (0, all)).id(unique("jobs")).task_queue("jobs").await?;
        // By its id alone: the run of the day.
        let handle = client.handle(jobs, first.id());
        while !bar.is_finished() {
            let Progress { done, .. } = handle.query(Progress::PROGRESS, ()).await?;
            bar.set_position(done.into());
            if done == all {
                bar.finish();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!("{} jobs in {:.1?}", first.result().await?, bar.elapsed());
        Ok(())
    })
    .await
}
