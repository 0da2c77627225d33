//! Load for any server that speaks the API: raw calls and a worker that does the least, so that no SDK's cost is in
//! what is measured. Prints a line of JSON at the end, and one each so many seconds on the way.

mod measure;
mod pace;
mod work;
mod worker;

use anyhow::Context;
use clap::{Args, Parser};
use measure::Measure;
use pace::Pace;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use work::{Kind, Work};

#[derive(Parser)]
#[command(about = "Puts load on a server that speaks the Temporal API, and tells what became of it")]
struct Arguments {
    /// Addresses of the servers, HOST:PORT, with commas between them; they take turns
    #[arg(long, value_delimiter = ',', required = true)]
    addresses: Vec<String>,
    #[arg(long, default_value = "default")]
    namespace: String,
    /// What is done again and again
    #[arg(long, value_enum, default_value_t = Kind::Workflow)]
    work: Kind,
    #[command(flatten)]
    pace: Offered,
    #[command(flatten)]
    search: work::Search,
    /// Seconds for which load is offered
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Units of work after which it ends, if the seconds have not run out
    #[arg(long)]
    count: Option<u64>,
    /// Seconds that one call waits for its answer
    #[arg(long, default_value_t = 10.0)]
    deadline: f64,
    /// Connections to each address
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Pollers of the worker at each address, of either kind of task
    #[arg(long, default_value_t = 32)]
    pollers: usize,
    /// Seconds from one line of JSON to the next
    #[arg(long)]
    every: Option<f64>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Offered {
    /// Closed loop: so many units in progress, the next one begins when one ends
    #[arg(long)]
    in_flight: Option<usize>,
    /// Open loop: so many units begin each second, whatever becomes of the others
    #[arg(long)]
    rate: Option<f64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let deadline = Duration::from_secs_f64(arguments.deadline);
    let channels = work::connect(&arguments.addresses, arguments.connections).context("connecting")?;
    let work = Arc::new(Work::new(arguments.work, &arguments.namespace, channels, deadline, arguments.search));
    work.prepare(arguments.pollers).await.context("before the load")?;

    let pace = match arguments.pace {
        Offered { rate: Some(rate), .. } => Pace::Open { rate },
        Offered { in_flight, .. } => Pace::Closed { in_flight: in_flight.unwrap_or(1) },
    };
    let measure = Arc::new(Measure::begin());
    let lines = arguments.every.map(|every| tokio::spawn(tell(measure.clone(), Duration::from_secs_f64(every))));
    let until = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    pace.run(work, measure.clone(), until, arguments.count.unwrap_or(u64::MAX)).await;
    if let Some(lines) = lines {
        lines.abort();
    }
    println!("{}", serde_json::to_string(&measure.all())?);
    Ok(())
}

async fn tell(measure: Arc<Measure>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Ok(line) = serde_json::to_string(&measure.since_last()) {
            println!("{line}");
        }
    }
}
