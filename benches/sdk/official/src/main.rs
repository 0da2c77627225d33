//! The worker of `benches/sdk/compare.py`, written with `temporalio-sdk`.

use clap::Parser;
use std::{error::Error, time::Duration};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, GrpcCompression};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    ActivityOptions, LocalActivityOptions, Runtime, Worker, WorkerOptions, WorkflowContext, WorkflowResult,
    activities::{ActivityContext, ActivityError},
};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    address: String,
    #[arg(long)]
    task_queue: String,
    /// Executions kept in memory; 0: each task is replayed from the first event.
    #[arg(long)]
    cached: usize,
    /// Leave the SDK's default on: requests are compressed.
    #[arg(long)]
    gzip: bool,
}

const STEPS: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(60);

struct Steps;

#[activities]
impl Steps {
    #[activity(name = "step")]
    async fn step(_cx: ActivityContext, text: String) -> Result<String, ActivityError> {
        Ok(text)
    }
}

#[workflow]
#[derive(Default)]
struct Activities;

#[workflow_methods]
impl Activities {
    #[run(name = "activities")]
    async fn run(cx: &mut WorkflowContext<Self>, mut text: String) -> WorkflowResult<String> {
        for _ in 0..STEPS {
            let options = ActivityOptions::start_to_close_timeout(TIMEOUT);
            text = cx.execute_activity(Steps::step, text, options).await?;
        }
        Ok(text)
    }
}

#[workflow]
#[derive(Default)]
struct LocalActivities;

#[workflow_methods]
impl LocalActivities {
    #[run(name = "local_activities")]
    async fn run(cx: &mut WorkflowContext<Self>, mut text: String) -> WorkflowResult<String> {
        for _ in 0..STEPS {
            let options = LocalActivityOptions::builder().start_to_close_timeout(TIMEOUT).build();
            text = cx.execute_local_activity(Steps::step, text, options).await?;
        }
        Ok(text)
    }
}

#[workflow]
#[derive(Default)]
struct Timers;

#[workflow_methods]
impl Timers {
    #[run(name = "timers")]
    async fn run(cx: &mut WorkflowContext<Self>, text: String) -> WorkflowResult<String> {
        for _ in 0..STEPS {
            cx.timer(Duration::from_millis(1)).await;
        }
        Ok(text)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { address, task_queue, cached, gzip } = Arguments::parse();
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let compression = if gzip { GrpcCompression::Gzip } else { GrpcCompression::None };
    let address = format!("http://{address}").parse::<temporalio_client::Url>()?;
    let connection = Connection::connect(ConnectionOptions::new(address).grpc_compression(compression).build()).await?;
    let client = Client::new(connection, ClientOptions::new("default").build())?;
    let options = WorkerOptions::new(task_queue)
        .max_cached_workflows(cached)
        .register_activities(Steps)
        .register_workflow::<Activities>()?
        .register_workflow::<LocalActivities>()?
        .register_workflow::<Timers>()?
        .build();
    Worker::new(&runtime, client, options)?.run().await?;
    Ok(())
}
