//! A worker of all examples, as it would run in production: until SIGTERM, then it drains.

use clap::{Parser, ValueEnum};
use std::time::Duration;
use tenure_examples::{
    backup, connect_logging, hello, jobs, loyalty, neighbours, order, report, restaurant, subscription, trip,
};
use tenure_sdk::{Client, ClientError, Worker, WorkerOptions};
use tracing_subscriber::filter::LevelFilter;

#[derive(Parser)]
#[command(about = "A worker of all examples: until SIGTERM, then it drains")]
struct Options {
    #[arg(long, default_value = "examples")]
    task_queue: String,
    /// Leave the other kind to other workers of the queue
    #[arg(long)]
    only: Option<Kind>,
    /// Seconds that running activities get to finish when the worker stops
    #[arg(long, default_value_t = 10.0)]
    grace: f64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Workflows,
    Activities,
}

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let options = Options::parse();
    let client = connect_logging(LevelFilter::INFO).await?;
    let limits = WorkerOptions::default().grace(Duration::from_secs_f64(options.grace));
    worker(client, &options).options(limits).run().await
}

fn worker(client: Client, options: &Options) -> Worker {
    let mut worker = Worker::new(client, &options.task_queue);
    if options.only != Some(Kind::Activities) {
        worker = worker.workflow(hello::hello).workflow(order::food_order).workflow(restaurant::restaurant);
        worker = worker.workflow(subscription::subscription).workflow(loyalty::loyalty).workflow(trip::trip);
        worker = worker.workflow(report::daily_report).workflow(jobs::jobs).workflow(backup::backup);
        worker = worker.workflow(neighbours::errands).workflow(neighbours::relay).workflow(neighbours::inspect);
        worker = worker.workflow(neighbours::suffer).workflow(neighbours::delegate);
    }
    if options.only != Some(Kind::Workflows) {
        worker = worker.activity(hello::greet).activities(order::Shop { failing_attempts: 2 });
        worker = worker.activity(subscription::charge).activity(loyalty::send_coupon);
        worker = worker.activities(trip::Agency::default()).activities(report::Office::default());
        worker = worker.activity(jobs::job).activity(backup::copy).activity(neighbours::total);
        worker = worker.activity(neighbours::flip).activity(neighbours::echo).activity(neighbours::decline);
        worker = worker.activity(neighbours::dawdle);
    }
    worker
}
